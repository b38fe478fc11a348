"""What docs/policies.md shows is what the commands print, to the letter."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.cli import main

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(
    r"^```(\w*)\n(.*?)^```$",
    (ROOT / "docs" / "policies.md").read_text(),
    re.DOTALL | re.MULTILINE,
)
BLUE = Path("policies/blue.yaml")
RED = Path("policies/red.yaml")
ALICE = "--as alice --as-group /tenants/blue"
EXPLAIN = f"policy explain get secrets -n red {ALICE} --policies policies"


def shown(command: str) -> str:
    """The block behind the one that has a command in it."""
    [place] = [
        place
        for place, (language, text) in enumerate(BLOCKS)
        if language == "sh" and f"{command}\n" in text.replace("\\\n    ", "")
    ]
    language, text = BLOCKS[place + 1]
    assert language in {"", "text"}
    return str(text)


def example(wanted: str) -> str:
    [found] = [text for language, text in BLOCKS if language == "yaml" and wanted in text]
    return str(found)


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def as_it_is() -> None:
    pass


def mistaken() -> None:
    edit(BLUE, "[blue-dev, blue-prod]", "[blue-dev, blue*]")
    edit(BLUE, "role: editor", "role: edit")


def one_server_more() -> None:
    for file in Path("policies").iterdir():
        if file.name not in {"blue.yaml", "auditors.yaml"}:
            file.unlink()
    edit(BLUE, "maxHostClaims: 4", "maxHostClaims: 5")
    Path("policies/blue-test.yaml").write_text(example("kind: PolicyTest"))


def wider_in_git() -> None:
    git = ("git", "-c", "user.name=alice", "-c", "user.email=alice@example.com")
    for words in (("init", "-q", "-b", "main"), ("add", "policies"), ("commit", "-qm", "first")):
        subprocess.run([*git, *words], check=True)
    edit(RED, "[red-test-*]", "[red-*]")


def recorded(number: int, verb: str, name: str, when: str, **more: str) -> list[str]:
    """Audit records of alice, as blue."""
    event = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "stage": "ResponseComplete",
        "verb": verb,
        "user": {
            "username": "corp:alice",
            "groups": ["/tenants/blue"],
            "extra": {"hostclaim-proxy.metal3.io/issuer": ["corp"]},
        },
        "requestURI": f"/apis/metal3.io/v1alpha1/namespaces/{name}/hostclaims/node-0",
        "objectRef": {
            "resource": "hostclaims",
            "apiGroup": "metal3.io",
            "apiVersion": "v1alpha1",
            "namespace": name,
            "name": "node-0",
        },
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": when,
        "annotations": {
            "authorization.k8s.io/decision": "allow",
            "authorization.k8s.io/reason": "policies/blue.yaml:21 blue spec.allow[0]",
            **{f"hostclaim-proxy.metal3.io/{key.replace('_', '-')}": v for key, v in more.items()},
        },
    }
    return [json.dumps(event)] * number


def logged() -> None:
    lines = [
        *recorded(1, "get", "blue-dev", "2025-06-01T08:00:00.000000Z"),
        *recorded(10, "get", "blue-dev", "2025-06-01T12:00:00.000000Z"),
        *recorded(1, "get", "blue-dev", "2025-06-01T16:30:00.000000Z"),
        *recorded(895, "get", "blue-prod", "2025-06-01T12:00:00.000000Z"),
    ]
    nobody = json.dumps({"kind": "Event", "apiVersion": "audit.k8s.io/v1", "verb": "get"})
    Path("audit.jsonl").write_text("".join(f"{line}\n" for line in (*lines, *[nobody] * 3)))
    Path("audit.jsonl.1.gz").write_bytes(b"")
    shutil.copytree("policies", "changed-policies")
    edit(Path("changed-policies/blue.yaml"), "[blue-dev, blue-prod]", "[blue-prod]")


def shadowed() -> None:
    by = "a policy denies it explicitly; policies/freeze.yaml:10 blue-prod-freeze spec.deny[0]"
    would = {"shadow_decision": "forbid", "shadow_reason": by}
    lines = [
        *recorded(1, "delete", "blue-prod", "2026-03-02T09:14:07.512345Z", **would),
        *recorded(2, "delete", "blue-prod", "2026-03-04T16:40:51.512345Z", **would),
        *recorded(1233, "get", "blue-prod", "2026-03-02T10:00:00.000000Z"),
    ]
    Path("audit.jsonl").write_text("".join(f"{line}\n" for line in lines))
    Path("audit.jsonl.1.gz").write_bytes(b"")


@pytest.mark.parametrize(
    ("command", "prepare", "code"),
    [
        ("policy check policies", mistaken, 1),
        ("policy test policies --min-coverage 100", one_server_more, 1),
        (EXPLAIN, as_it_is, 1),
        ("policy who-can delete hostclaims -n blue-dev --policies policies", as_it_is, 0),
        ("policy diff main policies", wider_in_git, 0),
        ("policy replay audit.jsonl audit.jsonl.1.gz --policies changed-policies", logged, 0),
        ("policy shadow audit.jsonl audit.jsonl.1.gz", shadowed, 0),
    ],
)
def test_a_command_prints_what_it_is_shown_to_print(
    command: str,
    prepare: Callable[[], None],
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(ROOT / "policies" / "pool", tmp_path / "policies")
    monkeypatch.chdir(tmp_path)
    prepare()
    result = CliRunner().invoke(main, shlex.split(command))
    assert (result.exit_code, result.stdout) == (code, shown(f"hostclaim-proxy {command}"))


def test_the_policy_that_is_shown_in_shadow_has_its_denial_where_it_is_said_to_be() -> None:
    assert example("enforcement: shadow").splitlines()[9].startswith("  - {namespaces:")
