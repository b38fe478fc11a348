"""`hostclaim-proxy policy replay` tells what other policies would have decided, and what not."""

import gzip
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from proxy.cli import main
from proxy.cli.policy import replay
from proxy.core.policy import RuleSet
from proxy.core.tally import Kinds
from proxy.edge.policyfiles import load
from tests.fakes import FakeEntitlements, FakeUpstream
from tests.identities import make_identity
from tests.pipeline.test_pipeline import CLAIM, CLAIMS, World

HEAD = "apiVersion: hostclaim-proxy.metal3.io/v1alpha1\nkind: AccessPolicy\n"
GRANT = "  - {{namespaces: [{}], role: viewer}}\n"
OTHER = CLAIMS.replace("blue-dev", "blue-prod")


def policy(file: Path, *namespaces: str, more: str = "") -> Path:
    """Grants on line 7 and after."""
    spec = "spec:\n  subjects: [{issuer: corp, group: /tenants/blue}]\n  allow:\n"
    grants = "".join(map(GRANT.format, namespaces))
    file.write_text(f"{HEAD}metadata: {{name: blue}}\n{spec}{grants}{more}")
    return file


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return policy(tmp_path / "old.yaml", "blue-dev")


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return policy(tmp_path / "new.yaml", "blue-prod")


def rules(file: Path) -> RuleSet:
    return load([file]).rules_for(make_identity())


async def record(file: Path) -> list[Any]:
    """What a proxy records that serves requests of all kinds by some policies."""
    found = []
    for method, target in (
        ("GET", CLAIMS),
        ("GET", f"{CLAIMS}/c1"),
        ("GET", f"{OTHER}/c1"),
        ("GET", f"{OTHER}/c2"),
        ("PATCH", f"{CLAIMS}/c1"),
        ("DELETE", OTHER),
        ("GET", "/version"),
        ("GET", "/nowhere"),
        ("GET", "/apis/metal3.io/v1alpha1/hostclaims"),
    ):
        serving = World(FakeUpstream(*[CLAIM] * 3), FakeEntitlements(rules(file)))
        kind = "application/merge-patch+json" if method == "PATCH" else ""
        await serving.ask(method, target, content_type=kind)
        found += serving.audit.events
    serving = World()
    await serving.ask("GET", CLAIMS, token="nobody")
    return found + serving.audit.events


@pytest.fixture
async def events(old: Path) -> list[Any]:
    return await record(old)


@pytest.fixture
def log(tmp_path: Path, events: list[Any]) -> Path:
    log = tmp_path / "audit.jsonl"
    log.write_text("".join(f"{json.dumps(event)}\n" for event in events))
    return log


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["policy", "replay", *map(str, arguments)])


def told(*arguments: object) -> Any:
    return json.loads(run(*arguments, "-o", "json").stdout)


def test_by_the_same_policies_nothing_is_otherwise(log: Path, old: Path) -> None:
    result = run(log, "--policies", old, "--fail-on", "any")
    assert (result.exit_code, result.stdout) == (
        0,
        (
            "passed over: 3, no request for objects of somebody who is known\n"
            "7 requests decided anew: same 7, refused 0, passed 0, unknown 0\n"
        ),
    )


async def test_by_others_it_is_what_a_proxy_would_have_decided(
    log: Path, new: Path, events: list[Any]
) -> None:
    def decided(each: Any) -> str:
        return str(each["annotations"]["authorization.k8s.io/decision"])

    found = told(log, "--policies", new)
    pairs = [*zip(map(decided, events), map(decided, await record(new)), strict=True)]
    assert found["refused"] == pairs.count(("allow", "forbid")) == 2
    assert found["passed"] == pairs.count(("forbid", "allow")) == 2
    assert found["unknown"] == 0


def test_alike_requests_are_told_together_with_both_rules(log: Path, old: Path, new: Path) -> None:
    lines = run(log, "--policies", new).stdout.splitlines()
    begins = lines.index("would newly pass: corp:alice get hostclaims in blue-prod, 2 times")
    first, before, now = lines[begins + 1 : begins + 4]
    assert first == "  first 2023-11-14T22:13:20.000000Z, last 2023-11-14T22:13:20.000000Z"
    assert before.startswith("  before: no policy grants you hostclaims in this namespace")
    assert now == f"  now: {new}:7 blue spec.allow[0]"
    assert f"  before: {old}:7 blue spec.allow[0]" in lines
    assert lines[0].startswith("would be refused: corp:alice ")


def test_what_spans_namespaces_is_told_as_such(log: Path, tmp_path: Path) -> None:
    lines = run(log, "--policies", policy(tmp_path / "new.yaml", "blue-*")).stdout.splitlines()
    assert "would be refused: corp:alice list hostclaims in all namespaces, once" in lines


@pytest.mark.parametrize(
    ("fail_on", "namespaces", "code"),
    [
        ("refused", ["blue-*"], 1),
        ("refused", ["blue-dev", "blue-prod"], 0),
        ("passed", ["blue-prod"], 1),
        ("passed", ["blue-dev"], 0),
        ("any", ["blue-prod"], 1),
        ("any", ["blue-dev"], 0),
        ("never", ["blue-prod"], 0),
    ],
)
def test_what_is_asked_for_fails(
    log: Path, tmp_path: Path, fail_on: str, namespaces: list[str], code: int
) -> None:
    file = policy(tmp_path / "new.yaml", *namespaces)
    assert run(log, "--policies", file, "--fail-on", fail_on).exit_code == code


def test_what_cannot_be_known_is_counted_with_its_reason(log: Path, tmp_path: Path) -> None:
    more = "  - {namespacesFromClaim: lab, role: viewer}\n"
    file = policy(tmp_path / "new.yaml", "blue-dev", more=more)
    found = told(log, "--policies", file)
    assert (found["refused"], found["passed"], found["unknown"]) == (0, 0, 3)
    assert found["why"]["unknown"] == {"claims of the token are not recorded": 3}
    assert (
        "unknown: 3, claims of the token are not recorded\n" in run(log, "--policies", file).stdout
    )


def test_that_writes_have_to_keep_bounds_is_said(tmp_path: Path) -> None:
    more = "  - {namespaces: [blue-dev], role: editor, bounds: {maxHostClaims: 2}}\n"
    file = policy(tmp_path / "bounded.yaml", "blue-dev", more=more)
    asked = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "verb": "create",
        "requestURI": CLAIMS,
        "user": {
            "username": "corp:alice",
            "groups": ["/tenants/blue"],
            "extra": {"hostclaim-proxy.metal3.io/issuer": ["corp"]},
        },
        "objectRef": {"resource": "hostclaims", "namespace": "blue-dev"},
        "responseStatus": {"code": 201},
        "annotations": {"authorization.k8s.io/decision": "allow"},
    }
    log = tmp_path / "audit.jsonl"
    log.write_text(f"{json.dumps(asked)}\n")
    assert told(log, "--policies", file)["bounded"] == 1
    assert "1 writes are allowed within bounds" in run(log, "--policies", file).stdout


def test_logs_may_be_compressed_or_come_by_standard_input(log: Path, new: Path) -> None:
    whole = told(log, "--policies", new)
    packed = log.with_suffix(".gz")
    packed.write_bytes(gzip.compress(log.read_bytes()))
    assert told(packed, "--policies", new) == whole
    arguments = ["policy", "replay", "-", "--policies", str(new), "-o", "yaml"]
    piped = CliRunner().invoke(main, arguments, input=log.read_bytes())
    assert yaml.safe_load(piped.stdout) == whole


def test_lines_that_are_no_records_are_told_and_passed_over(log: Path, old: Path) -> None:
    whole = told(log, "--policies", old)
    with log.open("a") as file:
        file.write("not JSON\n{")
    result = run(log, "--policies", old, "-o", "json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, whole)
    assert [line.split(": ")[0] for line in result.stderr.splitlines()] == [
        f"{log}:11",
        f"{log}:12",
    ]


def test_a_file_that_cannot_be_read_to_its_end_fails(log: Path, old: Path) -> None:
    log.write_bytes(gzip.compress(log.read_bytes())[:-9])
    assert run(log, "--policies", old).exit_code == 2


def test_kinds_beyond_the_bound_are_counted(
    log: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "Kinds", partial(Kinds, 1))
    found = told(log, "--policies", new)
    assert (len(found["differences"]), found["unlisted"]) == (1, 3)
    assert "3 more are of too many kinds" in run(log, "--policies", new).stdout


def test_that_it_goes_on_is_told(log: Path, old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.cli.policy.records._LOOK", 2)
    monkeypatch.setattr("proxy.cli.policy.records._PATIENCE", -1.0)
    assert "10 lines read in " in run(log, "--policies", old).stderr


def test_policies_have_to_be_given_and_good(log: Path, old: Path) -> None:
    assert run(log).exit_code == 2
    old.write_text(old.read_text().replace("viewer", "viewr"))
    result = run(log, "--policies", old)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "did you mean `viewer`?" in result.stderr
