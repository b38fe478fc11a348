"""The stub upstream: an nginx that answers like an apiserver, and says how often it was asked."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from proxy.demo.process import free_port
from tests.bench import nginx, objects
from tests.bench.certificates import Certificates
from tests.bench.iam import Iam
from tests.bench.nginx import Stub
from tests.bench.serving import Command, answers, ask, running

_COUNTED = re.compile(r"requests\s+\d+ \d+ (\d+)")


@dataclass(frozen=True, slots=True)
class Upstream:
    """One that runs."""

    port: int
    status_port: int
    pid: int

    def requests(self) -> int:
        """Requests since its start, this question left out if asked in pairs: it counts itself."""
        return parse_status(ask(self.status_port, "/").body.decode())


def parse_status(page: str) -> int:
    """The number of requests on the page of `stub_status`."""
    found = _COUNTED.search(page)
    assert found is not None, f"not a page of stub_status: {page}"
    return int(found.group(1))


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the stub will be, known before it runs, since tokens name its address."""

    folder: Path
    port: int
    status_port: int
    items: int

    @classmethod
    def make(cls, folder: Path, items: int = objects.LISTED) -> "Plan":
        """A folder of its own, ports that are free now, and a list of so many items."""
        folder.mkdir()
        return cls(folder, free_port(), free_port(), items)

    @property
    def listed(self) -> Path:
        """The file with the list."""
        return self.folder / "list.json"

    @property
    def issuer(self) -> str:
        """What tokens have as `iss`."""
        return f"https://127.0.0.1:{self.port}/issuer"


@contextmanager
def serving(
    program: Path,
    plan: Plan,
    iam: Iam,
    certificates: Certificates,
    core: int,
    watches: int | None = None,
) -> Iterator[Upstream]:
    """Run it until the context is left."""
    iam.write(plan.folder)
    plan.listed.write_text(objects.claim_list(plan.items))
    stub = Stub(plan.folder, plan.port, plan.status_port, certificates, watches)
    config = plan.folder / "nginx.conf"
    config.write_text(nginx.stub(stub))
    command = Command([program, "-c", config], core, plan.folder / "output.log")
    with running(command, lambda: answers(plan.status_port, "/")) as started:
        yield Upstream(plan.port, plan.status_port, started.pid)
