"""What do people type: kubectl, as one user of one cluster."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KUBECTL_SECONDS = 60


class KubectlError(Exception):
    """kubectl ended with an error; the text is what it said."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """A kubectl with a kubeconfig."""

    program: Path
    kubeconfig: Path

    def run(self, *arguments: str, manifest: object = None) -> str:
        """Run it to its end and return what it printed.

        Args:
            arguments: what follows `kubectl`.
            manifest: an object that is given to `-f -` as JSON.

        Raises:
            KubectlError: it failed.
        """
        done = subprocess.run(
            [self.program, f"--kubeconfig={self.kubeconfig}", *arguments],
            input=json.dumps(manifest),
            capture_output=True,
            text=True,
            check=False,
            timeout=KUBECTL_SECONDS,
        )
        if done.returncode != 0:
            raise KubectlError(done.stderr)
        return done.stdout

    def get(self, *arguments: str) -> Any:
        """Get an object or a list as JSON."""
        return json.loads(self.run("get", "-o", "json", *arguments))


def kubeconfig(server: str, ca_file: Path, token: str) -> Mapping[str, object]:
    """Write down the way into a cluster as kubectl reads it."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "clusters": [
            {"name": "it", "cluster": {"server": server, "certificate-authority": str(ca_file)}}
        ],
        "users": [{"name": "it", "user": {"token": token}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }
