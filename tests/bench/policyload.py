"""What policy files cost, in this process: to load many, and to be served while they change.

The stall is the longest time by which something that was due in the event loop came late.
Requests that are under way feel it as their own.
"""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import uvloop

from proxy.edge.policyfiles import PolicyFiles, load
from tests.bench.figures import Sample
from tests.bench.subjects import OURS

SCENARIO: Final = "policies"
FILES: Final = 100
DOCUMENTS: Final = 100
TICK: Final = 0.001
DOCUMENT: Final = """apiVersion: hostclaim-proxy.metal3.io/v1alpha1
kind: AccessPolicy
metadata:
  name: team-{number}
spec:
  subjects:
  - issuer: bench
    group: /tenants/team-{number}
  - issuer: bench
    client: capm3-{number}
  allow:
  - namespaces: [team-{number}-dev, team-{number}-prod]
    role: editor
"""


def measure(folder: Path, rounds: int) -> Iterator[Sample]:
    """Load them, and reload them after a change to one."""
    write(folder)
    for number in range(rounds):
        began = time.perf_counter()
        loaded = load([folder])
        yield Sample(SCENARIO, OURS, "load", "s", time.perf_counter() - began)
        assert len(loaded) == FILES * DOCUMENTS
        took, stall = uvloop.run(reload(folder, number))
        yield Sample(SCENARIO, OURS, "reload", "s", took)
        yield Sample(SCENARIO, OURS, "stall", "ms", stall * 1000)


def write(folder: Path) -> None:
    """10,000 documents, in 100 files."""
    for number in range(FILES):
        first = number * DOCUMENTS
        documents = (DOCUMENT.format(number=each) for each in range(first, first + DOCUMENTS))
        (folder / f"{number:03}.yaml").write_text("---\n".join(documents))


async def reload(folder: Path, number: int) -> tuple[float, float]:
    """Seconds that a reload takes, and the longest stall meanwhile."""
    files = PolicyFiles([folder])
    with (folder / "000.yaml").open("a") as changed:
        changed.write(f"# {number}\n")
    await files.look()
    late: list[float] = []
    ticking = asyncio.create_task(_tick(late))
    began = time.perf_counter()
    await files.look()
    took = time.perf_counter() - began
    # The set before is freed in the same turn of the event loop.
    await asyncio.sleep(2 * TICK)
    ticking.cancel()
    assert files.status.reloads == 1
    return took, max(late)


async def _tick(late: list[float]) -> None:
    while True:
        due = time.perf_counter() + TICK
        await asyncio.sleep(TICK)
        late.append(time.perf_counter() - due)
