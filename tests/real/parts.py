"""Where are the real parts: kube-apiserver, etcd, kubectl and Keycloak.

What KUBEBUILDER_ASSETS and KEYCLOAK_HOME name is used as it is. Otherwise the parts are made
once, under the user's cache, at the versions that are pinned here and in the go.mod files.

Run as `python -m tests.real.parts [--require]`, which makes what is not there.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import click

from tests.real.making import Missing, Say, alone, compile_program, fetch_keycloak

MODULES = Path(__file__).parent
KUBERNETES_MODULE = "k8s.io/kubernetes"
ETCD_MODULE = "go.etcd.io/etcd/server/v3"
KEYCLOAK_VERSION = "26.7.3"
KEYCLOAK_ARTIFACT = f"org.keycloak:keycloak-quarkus-dist:{KEYCLOAK_VERSION}:zip"
VERSION_SECONDS = 60


class Part(Protocol):
    """One thing that the tests need and Python's package index does not have."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    def find(self) -> Path | None:
        """Where it is, or None when it has to be made first.

        Raises:
            Missing: the environment says where it is, and it is not there.
        """
        ...

    def make(self, say: Say) -> Path:
        """Make it, minutes at worst.

        Raises:
            Missing: this machine cannot.
        """
        ...

    def version_command(self, found: Path) -> Sequence[str | Path]:
        """Have the part itself say its version, in the first thing that looks like one."""
        ...


@dataclass(frozen=True, slots=True)
class GoProgram:
    """A program that one of the Go modules beside this file pins."""

    name: str
    package: str
    folder: str
    version_flags: tuple[str, ...] = ("--version",)
    any_version_will_do: bool = False

    def find(self) -> Path | None:
        if assets := os.environ.get("KUBEBUILDER_ASSETS"):
            given = Path(assets, self.name)
            if given.is_file():
                return given
            if not self.any_version_will_do:
                raise Missing(f"KUBEBUILDER_ASSETS names a folder without `{self.name}`: {assets}")
        if self.any_version_will_do and (installed := shutil.which(self.name)):
            return Path(installed)
        return self._target if self._target.is_file() else None

    def make(self, say: Say) -> Path:
        compile_program(MODULES / self.folder, self.package, self._stamps, self._target, say)
        return self._target

    def version_command(self, found: Path) -> Sequence[str | Path]:
        return [found, *self.version_flags]

    @property
    def _target(self) -> Path:
        kubernetes, etcd = pinned("kube", KUBERNETES_MODULE), pinned("etcd", ETCD_MODULE)
        # One folder for all of them, so that it can be given as KUBEBUILDER_ASSETS.
        return cache() / f"kubernetes-{kubernetes}-etcd-{etcd}" / self.name

    @property
    def _stamps(self) -> dict[str, str]:
        """What the release build of Kubernetes writes into its programs."""
        if self.folder != "kube":
            return {}
        version = pinned("kube", KUBERNETES_MODULE)
        major, minor, _ = version.split(".")
        return {
            f"{package}.{variable}": value
            for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
            for variable, value in {
                "gitVersion": f"v{version}",
                "gitMajor": major,
                "gitMinor": minor,
                "gitTreeState": "clean",
            }.items()
        }


@dataclass(frozen=True, slots=True)
class KeycloakDistribution:
    """Keycloak's own distribution, by its home."""

    name: str = "keycloak"

    def find(self) -> Path | None:
        if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
            raise Missing("`java` is not installed; Keycloak runs on it")
        if given := os.environ.get("KEYCLOAK_HOME"):
            if not Path(given, "bin/kc.sh").is_file():
                raise Missing(f"KEYCLOAK_HOME names a folder without `bin/kc.sh`: {given}")
            return Path(given)
        return self._target if self._target.is_dir() else None

    def make(self, say: Say) -> Path:
        fetch_keycloak(KEYCLOAK_ARTIFACT, self._target, say)
        return self._target

    def version_command(self, found: Path) -> Sequence[str | Path]:
        return [found / "bin/kc.sh", "--version"]

    @property
    def _target(self) -> Path:
        return cache() / f"keycloak-{KEYCLOAK_VERSION}"


KUBE_APISERVER = GoProgram("kube-apiserver", f"{KUBERNETES_MODULE}/cmd/kube-apiserver", "kube")
ETCD = GoProgram("etcd", ETCD_MODULE, "etcd")
KUBECTL = GoProgram(
    "kubectl",
    f"{KUBERNETES_MODULE}/cmd/kubectl",
    "kube",
    version_flags=("version", "--client"),
    any_version_will_do=True,
)
KEYCLOAK = KeycloakDistribution()
# The slowest comes last: whoever interrupts the run has the others.
PARTS: tuple[Part, ...] = (KEYCLOAK, ETCD, KUBECTL, KUBE_APISERVER)


def find(part: Part) -> Path:
    """Say where a part is, without making it.

    Raises:
        Missing: it is not here.
    """
    found = part.find()
    if found is None:
        raise Missing(f"{part.name} is not here yet; `python -m tests.real.parts` makes it")
    return found


def provide(part: Part, say: Say = click.echo) -> Path:
    """Say where a part is, and make it first where it is not there.

    Raises:
        Missing: it can be neither found nor made.
    """
    found = part.find()
    if found is not None:
        return found
    with alone(cache(), say):
        # Another run may have made it while we waited.
        return part.find() or part.make(say)


def version(part: Part, found: Path) -> str:
    """Ask a part for its version.

    Raises:
        Missing: it does not run.
    """
    command = part.version_command(found)
    asked = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=VERSION_SECONDS
    )
    if asked.returncode == 0 and (said := re.search(r"v?\d+\.\d+\.\d+\S*", asked.stdout)):
        return said.group()
    raise Missing(f"{part.name} does not run: {asked.stderr.strip() or asked.stdout.strip()}")


def pinned(folder: str, module: str) -> str:
    """Read the version that a go.mod beside this file requires of a module."""
    text = (MODULES / folder / "go.mod").read_text()
    requirement = re.search(rf"^(?:require )?\s*{re.escape(module)} v(\S+)", text, re.MULTILINE)
    assert requirement is not None, f"{folder}/go.mod does not require {module}"
    return requirement.group(1)


def cache() -> Path:
    """The user's cache, as the XDG base directory specification has it."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches, "hostclaim-proxy")


@click.command(help=__doc__)
@click.option("--require", is_flag=True, help="Fail when a part is missing.")
def main(*, require: bool) -> None:
    """Make what is not there, and print a table of all parts."""
    rows, reasons = [], []
    for part in PARTS:
        try:
            found = provide(part)
            rows.append(f"{part.name:<16}{version(part, found):<24}{found}")
        except Missing as missing:
            rows.append(f"{part.name:<16}missing")
            reasons.append(f"{part.name} is missing: {missing}")
    click.echo("\n".join([*rows, *reasons]))
    if reasons and require:
        sys.exit(1)


if __name__ == "__main__":
    main()
