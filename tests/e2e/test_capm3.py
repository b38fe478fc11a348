"""What CAPM3's machinery finds: controller-runtime itself, in a Go program.

The program plays its steps once, and each is a test here. On the real parts its watches
stay idle for more than a minute.
"""

import hashlib
import json
import os
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from proxy.demo.provision import Admin
from tests.e2e.world import World, eventually
from tests.real.making import Missing, Say, compile_program
from tests.real.parts import cache, provide

SOURCES = Path(__file__).parent / "capm3"
FOREIGN = "capm3-not-a-tenants"
PROGRAM_SECONDS = 270
"""Less than the five minutes for which its token is good."""

# The first time, the program is compiled, together with Kubernetes' client libraries.
pytestmark = pytest.mark.timeout(1800)

STEPS = (
    "the mapper finds hostclaims",
    "the mapper finds secrets",
    "the mapper finds nothing that is not served",
    "an access review as protobuf says yes at home",
    "an access review as protobuf says no elsewhere",
    "the client knows that claims are in namespaces",
    "the client knows that secrets are in namespaces",
    "a secret that is not there is not found",
    "a secret is created",
    "a secret that is there is not created again",
    "a secret is read",
    "an update that replaces all labels keeps the stamp",
    "what was updated is stored",
    "an update of what has changed since is a conflict",
    "an update without a version overwrites",
    "a secret is mutated by controllerutil",
    "a merge patch keeps the stamp",
    "a strategic merge patch keeps the stamp",
    "a patch that takes the stamp away is refused",
    "an apply creates a secret",
    "an apply changes a secret",
    "a list by label has the secrets of the cluster",
    "a list by another label is empty",
    "a list by name has one secret",
    "a list comes page by page",
    "metadata alone is read",
    "metadata alone is listed",
    "metadata alone is patched",
    "a dry run deletes nothing",
    "a delete of another object by that name is a conflict",
    "a secret is deleted",
    "a delete of what is gone is not found",
    "an update of what is gone is not found",
    "the applied secret is deleted",
    "secrets are sent as protobuf",
    "secrets are received as protobuf where the cluster speaks it",
    "the secret of a claim is created",
    "a dry run creates no claim",
    "a claim is created under strict validation",
    "a claim that is there is not created again",
    "a claim gets a name where it has only a prefix",
    "a claim is bound, as its status says",
    "the status is read on its own",
    "a claim is merge-patched",
    "a claim is merge-patched under an optimistic lock",
    "a merge patch of what has changed since is a conflict",
    "an update of a claim that has changed since is a conflict",
    "a claim is updated unstructured",
    "claims are listed by label",
    "an update of the status is forbidden",
    "a patch of the status is forbidden",
    "an apply of the status is forbidden",
    "a reference into another namespace is forbidden",
    "a reference to a secret of somebody else is forbidden",
    "a finalizer of one's own is forbidden",
    "the removal of Metal3's finalizer is forbidden",
    "an owner that the cluster does not have is forbidden",
    "an apply creates a claim",
    "an apply changes a claim",
    "an apply that forces nothing is a conflict with another owner",
    "a claim that the schema forbids is invalid",
    "a delete of all claims is forbidden",
    "a claim is deleted, and gone once its host is released",
    "the applied claim is deleted",
    "the secret of the claim is deleted",
    "claims elsewhere are forbidden, with the namespaces one has",
    "secrets elsewhere are forbidden, with the namespaces one has",
    "a claim elsewhere is forbidden",
    "a secret elsewhere is forbidden",
    "what is not served is forbidden",
    "the token of a service account is never minted",
    "the type of a secret is never another",
    "a secret of somebody else is not found",
    "nor is its metadata",
    "nor is it by an update",
    "nor is it by a patch",
    "nor is it by a delete",
    "nor is it in a list by its name",
    "a stranger is unauthorized",
    "a manager starts, limited to the namespace",
    "a dynamic informer starts",
    "a bare watch begins with a list that a bookmark ends",
    "the caches began with streaming lists",
    "informers see what is added",
    "a reconciler is called",
    "the cache is read, by label too",
    "informers see what is updated",
    "informers see what is deleted",
    "informers never saw a secret of somebody else",
    "watches stay open while nothing happens",
    "after that, they see what comes",
    "no watch was opened anew meanwhile",
    "what came is deleted",
    "an informer elsewhere is forbidden, with the namespaces one has",
    "the manager stops in peace",
    "the proxy never failed",
)


@dataclass(frozen=True, slots=True)
class Capm3:
    """The program beside this file; made anew whenever a line of it changes."""

    name: str = "capm3"

    def find(self) -> Path | None:
        return self._target if self._target.is_file() else None

    def make(self, say: Say) -> Path:
        compile_program(SOURCES, ".", {}, self._target, say)
        return self._target

    def version_command(self, found: Path) -> Sequence[str | Path]:
        return ["go", "version", found]

    @property
    def _target(self) -> Path:
        sources = sorted(path for path in SOURCES.rglob("*") if path.is_file())
        content = b"".join(path.read_bytes() for path in sources)
        return cache() / f"capm3-{hashlib.sha256(content).hexdigest()[:12]}" / self.name


CAPM3 = Capm3()


@dataclass(frozen=True, slots=True)
class Played:
    """What the program said of each step, and the requests that it made."""

    results: Mapping[str, Any]
    exchanges: Sequence[Any]
    records: Sequence[Any]
    code: int


@pytest.fixture(scope="module")
def played(world: World) -> Played:
    program = _program(real=world.real)
    world.run(_make_foreign_secret(world))
    kubeconfig = world.kubeconfig("blue", "blue-capm3", "blue-dev")
    exchanges = world.directory / "capm3-exchanges.jsonl"
    flags = [f"-kubeconfig={kubeconfig}", f"-foreign={FOREIGN}", f"-exchanges={exchanges}"]
    process = subprocess.run(
        [program, *flags, f"-real={str(world.real).lower()}"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=PROGRAM_SECONDS,
    )
    results = _lines(process.stdout)
    requests = _lines(exchanges.read_text())
    return Played(
        {result["name"]: result for result in results},
        requests,
        _records(world, {request["auditID"] for request in requests}),
        process.returncode,
    )


def _program(*, real: bool) -> Path:
    """Every day it is run where it is there already; with the real parts it is made."""
    required = bool(os.environ.get("REQUIRE_REAL"))
    found = CAPM3.find()
    if found is None and not (real or required):
        pytest.skip("capm3 is not here yet; `make test-real` compiles it")
    try:
        return found or provide(CAPM3)
    except Missing as missing:
        if required:
            pytest.fail(f"REQUIRE_REAL is set, but {missing}")
        pytest.skip(str(missing))


async def _make_foreign_secret(world: World) -> None:
    """A secret in the tenant's namespace that was not made through the proxy."""
    metadata = {"namespace": "blue-dev", "name": FOREIGN}
    async with Admin(world.access) as admin:
        await admin.create([{"apiVersion": "v1", "kind": "Secret", "metadata": metadata}])


def _lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def _records(world: World, asked: set[str]) -> list[Any]:
    """The audit records of these requests; that of a watch comes when it has ended."""

    def records() -> list[Any]:
        return [record for record in world.proxy.audit() if record["auditID"] in asked]

    eventually(
        lambda: {record["auditID"] for record in records()} == asked,
        "an audit record for each request",
    )
    return records()


@pytest.mark.parametrize("step", STEPS)
def test_capm3_finds_that(played: Played, step: str) -> None:
    assert step in played.results, list(played.results)
    assert played.results[step]["ok"], played.results[step]["detail"]


def test_every_step_is_looked_at(played: Played) -> None:
    assert list(played.results) == list(STEPS)
    assert played.code == 0


def test_every_request_is_on_record_once_with_its_code(played: Played) -> None:
    recorded = {record["auditID"]: record["responseStatus"]["code"] for record in played.records}
    assert len(recorded) == len(played.records)
    assert recorded == {request["auditID"]: request["code"] for request in played.exchanges}


def test_the_records_say_who_asked_for_what(played: Played) -> None:
    decisions: Counter[tuple[str, bool]] = Counter()
    for record in played.records:
        code = record["responseStatus"]["code"]
        assert code < 500, record
        assert record["userAgent"].startswith("capm3/"), record
        known = record["user"].get("username")
        assert known == (None if code == 401 else "corp:service-account-blue-capm3"), record
        decisions[record["annotations"]["authorization.k8s.io/decision"], code < 300] += 1
    assert decisions["forbid", True] == 0
