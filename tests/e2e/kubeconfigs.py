"""`hostclaim-proxy kubeconfig`, as people type it."""

import subprocess

from tests.e2e.serving import command
from tests.e2e.world import ServedProxy

CompletedProcess = subprocess.CompletedProcess[str]


def run(*arguments: object, stdin: str = "") -> CompletedProcess:
    """`hostclaim-proxy kubeconfig`, in a process of its own."""
    return subprocess.run(
        [command(), "kubeconfig", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def make(
    proxy: ServedProxy, name: str, *login: object, namespace: str = "blue-dev"
) -> CompletedProcess:
    """Make and check a kubeconfig that `World.kubectl` knows by this name."""
    return run(
        *("--server", proxy.url, "--ca-file", proxy.directory / "proxy-ca.crt"),
        *("--namespace", namespace, "--name", name, *login, "--check"),
        *("-o", proxy.directory / f"{name}.kubeconfig", "--force"),
    )
