"""Where are the programs that a comparison needs: wrk, nginx and kube-rbac-proxy.

The first two are those on PATH. kube-rbac-proxy is compiled once, at the version that
`kuberbacproxy/go.mod` pins, into the cache that holds the parts of the other tests too.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.real.making import Missing, Say, alone, compile_program
from tests.real.parts import cache

MODULE = Path(__file__).parent / "kuberbacproxy"
KUBE_RBAC_PROXY = "github.com/brancz/kube-rbac-proxy"
_VERSION = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True, slots=True)
class Parts:
    """The programs, found."""

    wrk: Path
    nginx: Path
    kube_rbac_proxy: Path


def provide(say: Say) -> Parts:
    """Find them all, and compile what is not there yet.

    Raises:
        Missing: one can be neither found nor made; the message says what to install.
    """
    return Parts(wrk=installed("wrk"), nginx=installed("nginx"), kube_rbac_proxy=compiled(say))


def versions() -> dict[str, str]:
    """What each calls itself, where it is here."""
    flags = {"wrk": "--version", "nginx": "-v"}
    said = {name: _said_by([found, flags[name]]) for name in flags if (found := find(name))}
    return said | {"kube-rbac-proxy": pinned()}


def installed(name: str) -> Path:
    """A program that the system's packages bring.

    Raises:
        Missing: it is not installed.
    """
    if found := find(name):
        return found
    raise Missing(f"`{name}` is not installed; the package `{name}` has it")


def find(name: str) -> Path | None:
    """A program, if it is here; sbin is not on everybody's PATH."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    return Path(found) if found else None


def compiled(say: Say) -> Path:
    """The peer, compiled where it has not been before.

    Raises:
        Missing: there is no Go, or it cannot compile this.
    """
    target = cache() / f"kube-rbac-proxy-{pinned()}" / "kube-rbac-proxy"
    if target.is_file():
        return target
    with alone(cache(), say):
        # Another run may have made it while we waited.
        if not target.is_file():
            compile_program(MODULE, f"{KUBE_RBAC_PROXY}/cmd/kube-rbac-proxy", {}, target, say)
    return target


def pinned() -> str:
    """The version that go.mod requires."""
    text = (MODULE / "go.mod").read_text()
    required = re.search(rf"^\s*{re.escape(KUBE_RBAC_PROXY)} v(\S+)", text, re.MULTILINE)
    assert required is not None, "go.mod requires no kube-rbac-proxy"
    return required.group(1)


def _said_by(command: Sequence[str | Path]) -> str:
    """A version; wrk says its own with exit code 1, nginx on standard error."""
    asked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    found = _VERSION.search(asked.stdout + asked.stderr)
    return found.group() if found else "unknown"
