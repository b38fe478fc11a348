"""What do people type, and what are they told: kubectl with the kubeconfig of one of them."""

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Timer
from typing import Any

from tests.e2e.world import PATIENCE, World
from tests.real import gate
from tests.real.parts import KUBECTL

STAMP = "hostclaim-proxy.metal3.io/tenant-secret"

Manifest = dict[str, Any]

_numbers = count(1)


class Kubectl:
    """kubectl as `blue`, `red`, `auditor` or `admin`, in a namespace."""

    def __init__(self, world: World, who: str, namespace: str, program: Path | None = None) -> None:
        self._world = world
        self._who = who
        self._program = str(program or gate.need(KUBECTL))
        # Each program discovers for itself what is served.
        cache = world.directory / "discovery" / who / Path(self._program).name
        self._options = (f"--namespace={namespace}", f"--cache-dir={cache}")

    def ask(self, line: str, manifest: object = None) -> "subprocess.CompletedProcess[str]":
        """Type a line; a manifest is what `-f -` reads."""
        return self._world.kubectl(
            self._who,
            *self._options,
            *shlex.split(line),
            stdin=None if manifest is None else json.dumps(manifest),
            program=self._program,
        )

    def does(self, line: str, manifest: object = None) -> str:
        """Type a line that works; returns what it prints."""
        done = self.ask(line, manifest)
        assert done.returncode == 0, f"kubectl {line}: {done.stderr}{done.stdout}"
        return done.stdout

    def fails(self, line: str, manifest: object = None) -> str:
        """Type a line that does not work; returns why it says it does not."""
        done = self.ask(line, manifest)
        assert done.returncode != 0, f"kubectl {line}: {done.stdout}"
        return done.stderr

    def read(self, line: str) -> Any:
        """Type a `get` and read the answer."""
        return json.loads(self.does(f"{line} -o json"))

    @contextmanager
    def following(self, line: str) -> Iterator["Lines"]:
        """Type a line that goes on until it is interrupted; gives what it prints."""
        # A line that ends comes first, for the token to be one that lives on.
        self.does("version")
        home = self._world.directory
        kubeconfig = f"--kubeconfig={home / self._who}.kubeconfig"
        with subprocess.Popen(
            [self._program, kubeconfig, *self._options, *shlex.split(line)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "HOME": str(home)},
        ) as process:
            # A line that never comes is an end of the output in due time.
            deadline = Timer(PATIENCE, process.kill)
            deadline.start()
            try:
                yield Lines(process)
            finally:
                deadline.cancel()
                process.kill()


class Lines:
    """The lines that a command prints, as they come."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        self._process = process
        self._source = process.stdout

    def until(self, *words: str) -> list[str]:
        """The lines up to the first that has all the words."""
        seen: list[str] = []
        for line in self._source:
            seen.append(line)
            if all(word in line for word in words):
                return seen
        raise AssertionError(f"no line with {words} in {seen}")

    def rest(self) -> list[str]:
        """The lines that are still to come, until the command ends."""
        return list(self._source)

    def end(self) -> int:
        """Wait until the command ends by itself; its exit code."""
        return self._process.wait(PATIENCE)


def fresh(stem: str) -> str:
    """A name that no other test uses."""
    return f"{stem}-{next(_numbers)}"


def claim(name: str, **spec: Any) -> Manifest:
    """A claim that no host fits, unless the spec says what does."""
    wanted = {"poweredOn": True, "hostSelector": {"matchLabels": {"size": "none"}}, **spec}
    return {
        "apiVersion": "metal3.io/v1alpha1",
        "kind": "HostClaim",
        "metadata": {"name": name},
        "spec": wanted,
    }


def secret(name: str, value: str = "one") -> Manifest:
    """A secret with one value; `type` is left out, as people do."""
    metadata = {"name": name}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "stringData": {"value": value},
    }


@contextmanager
def made(kubectl: Kubectl, manifest: Manifest, until: str = "Associated=False") -> Iterator[str]:
    """An object for the time of a test; a claim once its controller has nothing left to write."""
    kind, name = manifest["kind"], manifest["metadata"]["name"]
    try:
        kubectl.does("create -f -", manifest)
        if kind == "HostClaim":
            kubectl.does(f"wait hostclaim/{name} --for=condition={until}")
        yield name
    finally:
        kubectl.does(f"delete {kind} {name} --ignore-not-found --wait=false")


def others(since: int) -> list[Path]:
    """The kubectl 1.x, from a minor version on, that some installs bring beside the default."""
    default = KUBECTL.find()
    beside = default.resolve().parent.glob("kubectl.1.*") if default else ()
    minors = {int(path.suffix[1:]): path for path in beside if path.suffix[1:].isdigit()}
    return [minors[minor] for minor in sorted(minors) if minor >= since]
