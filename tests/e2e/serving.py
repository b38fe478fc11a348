"""More proxies in the same world: each with settings of its own, for tests that break things."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.world import ServedProxy, World

Settings = dict[str, Any]


def write_settings(
    world: World, name: str, change: Callable[[Settings], None] = lambda _: None
) -> Path:
    """Write the settings of one more proxy; its policies are a copy of its own."""
    settings: Settings = yaml.safe_load((world.directory / "proxy.yaml").read_text())
    port, management_port = _free_ports()
    settings["server"]["address"] = f"127.0.0.1:{port}"
    settings["management"]["address"] = f"127.0.0.1:{management_port}"
    settings["policies"] = {"paths": [f"{name}-policies"], "pollSeconds": 0.05}
    settings["audit"]["file"] = f"{name}.audit.jsonl"
    shutil.copytree(world.directory / "policies", world.directory / f"{name}-policies")
    change(settings)
    path = world.directory / f"{name}.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


class AnotherProxy(ServedProxy):
    """One more proxy, which may be told to start where it will not be ready."""

    @property
    def policies(self) -> Path:
        return self.directory / f"{self.config.stem}-policies"

    def launch(self) -> None:
        """Start it, and do not wait."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [command(), "serve", "--config", str(self.config)], stdout=log, stderr=log
            )


@contextmanager
def another(
    world: World, name: str, change: Callable[[Settings], None] = lambda _: None
) -> Iterator[AnotherProxy]:
    """One more proxy that is ready, until the context is left."""
    proxy = AnotherProxy(world.directory, write_settings(world, name, change).name)
    proxy.start()
    try:
        yield proxy
    finally:
        if proxy.process.poll() is None:
            proxy.stop()


def command() -> str:
    """The installed command."""
    found = shutil.which("hostclaim-proxy", path=Path(sys.executable).parent)
    assert found is not None, "the package is installed in the environment of the tests"
    return found


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
