"""What a decision costs, in this process: the rules of a caller, and what they say of a request.

Whatever is remembered between requests of one token is remembered here too, and so the
first decision is the dear one. It is a figure of its own.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import yaml

from proxy.core import attributes, entitlement
from proxy.core.entitlement import Allow
from proxy.core.wire import RawRequest
from proxy.edge.policyfiles import PolicyFiles
from proxy.ports import Caller
from tests.bench import objects, subjects
from tests.bench.figures import Sample
from tests.bench.iam import FEW_GROUPS, GROUPS_OF_MANY
from tests.bench.subjects import OURS
from tests.identities import make_caller

BATCH: Final = 2_000
BATCHES: Final = 9
CALLERS: Final = {"decision-few": FEW_GROUPS, "decision-many": GROUPS_OF_MANY}


def measure(folder: Path, rounds: int) -> Iterator[Sample]:
    """Decide again and again, few and many in turn."""
    entitlements = load(folder)
    for number in range(rounds):
        for scenario, groups in CALLERS.items():
            first, seconds = asyncio.run(decide(entitlements, _caller(groups, number)))
            yield Sample(scenario, OURS, "first", "µs", first * 1e6)
            yield Sample(scenario, OURS, "time", "µs", seconds * 1e6)


def load(folder: Path) -> PolicyFiles:
    """All the rules that there are on the wire, too."""
    documents: list[dict[str, Any]] = [*subjects.few_policies(), *subjects.many_policies()]
    path = folder / "policies.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    return PolicyFiles([path])


async def decide(entitlements: PolicyFiles, caller: Caller) -> tuple[float, float]:
    """Seconds for the first decision, and for each that follows: the median of some batches."""
    request = attributes.parse(RawRequest("GET", f"{objects.CLAIMS}/{objects.NAME}"))

    async def decide_often(count: int) -> float:
        began = time.perf_counter()
        for _ in range(count):
            rules = await entitlements.rules(caller)
            decision = entitlement.authorize(caller.identity, request, rules)
        assert isinstance(decision, Allow)
        return (time.perf_counter() - began) / count

    first = await decide_often(1)
    return first, median([await decide_often(BATCH) for _ in range(BATCHES)])


def _caller(groups: Sequence[str], number: int) -> Caller:
    """Somebody with a token that nobody has seen.

    With the claims that it has: what is remembered is compared with them.
    """
    return make_caller(
        issuer="bench",
        groups=tuple(groups),
        claims={"groups": tuple(groups)},
        token_id=f"{len(groups)}-{number}",
    )
