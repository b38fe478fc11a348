"""A tenant works with its secrets as anywhere, and each of them carries the stamp."""

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.kubectl import STAMP, Kubectl, fresh, made, secret
from tests.e2e.world import World

STAMPED = {STAMP: "true"}


@pytest.fixture(scope="module")
def blue(world: World) -> Kubectl:
    return Kubectl(world, "blue", "blue-dev")


@pytest.fixture
def name(blue: Kubectl) -> Iterator[str]:
    """A secret of blue's."""
    with made(blue, secret(fresh("secret"))) as name:
        yield name


@pytest.fixture
def new(blue: Kubectl) -> Iterator[str]:
    """A name for a secret that the test makes itself."""
    name = fresh("secret")
    yield name
    blue.does(f"delete secret {name} --ignore-not-found")


@pytest.fixture(scope="module")
def seen(blue: Kubectl) -> Iterator[str]:
    """A secret to look at."""
    with made(blue, secret(fresh("secret"))) as name:
        yield name


def value(blue: Kubectl, name: str) -> str:
    """What is stored, once it is known to be a tenant's."""
    found = blue.read(f"get secret {name}")
    assert found["metadata"]["labels"].items() >= STAMPED.items()
    return b64decode(found["data"]["value"]).decode()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", "Opaque"),
        ("-o wide", "Opaque"),
        ("-o yaml", f'{STAMP}: "true"'),
        ("-o json", '"kind": "Secret"'),
        ("-o name", "secret/NAME"),
        ("-o jsonpath={.data.value}", "b25l"),
        ("-o custom-columns=N:.metadata.name,T:.type", "NAME   Opaque"),
        ("-o go-template={{.data.value|base64decode}}", "one"),
        ("--show-labels", f"{STAMP}=true"),
        ("--show-managed-fields -o yaml", "managedFields:"),
    ],
)
def test_one_is_shown_in_every_form(blue: Kubectl, seen: str, options: str, expected: str) -> None:
    assert expected.replace("NAME", seen) in blue.does(f"get secret {seen} {options}")


@pytest.mark.parametrize(
    "options",
    ["", f"-l {STAMP}", f"-l {STAMP}=true", "--field-selector type=Opaque", "--chunk-size=1"],
)
def test_it_is_listed_and_selected(blue: Kubectl, seen: str, options: str) -> None:
    assert f"secret/{seen}" in blue.does(f"get secrets -o name {options}").split()


def test_its_description_keeps_its_value(blue: Kubectl, seen: str) -> None:
    described = blue.does(f"describe secret {seen}")
    assert "value:  3 bytes" in described
    assert seen in blue.does("describe secrets")


@pytest.mark.parametrize("source", ["--from-literal=value=one", "--from-file=value=FILE"])
def test_it_is_created_as_protobuf(blue: Kubectl, new: str, tmp_path: Path, source: str) -> None:
    file = tmp_path / "value"
    file.write_text("one")
    # kubectl sends what it makes itself in the encoding that is the smaller.
    line = f"create secret generic {new} {source.replace('FILE', str(file))}"
    assert blue.does(line) == f"secret/{new} created\n"
    assert value(blue, new) == "one"
    assert "already exists" in blue.fails(line)


def test_it_is_created_from_a_manifest(blue: Kubectl, new: str) -> None:
    assert "created" in blue.does("create -f -", secret(new))
    assert value(blue, new) == "one"


def test_a_secret_of_cluster_api_is_one_as_well(blue: Kubectl, new: str) -> None:
    kind = "infrastructure.cluster.x-k8s.io/secret"
    blue.does(f"create secret generic {new} --type={kind}")
    assert blue.does(f"get secret {new} -o jsonpath={{.type}}") == kind


@pytest.mark.parametrize(
    "line",
    [
        "create secret docker-registry NAME --docker-username=u --docker-password=p",
        "create secret generic NAME --type=kubernetes.io/service-account-token",
        "create secret generic NAME --type=bootstrap.kubernetes.io/token",
    ],
)
def test_another_type_is_refused_with_what_may_be(blue: Kubectl, new: str, line: str) -> None:
    refusal = blue.fails(line.replace("NAME", new))
    assert "type must be one of Opaque, infrastructure.cluster.x-k8s.io/secret" in refusal
    assert "(NotFound)" in blue.fails(f"get secret {new}")


@pytest.mark.parametrize("line", ["create -f -", "apply -f -", "apply --server-side -f -"])
def test_a_dry_run_of_the_server_stores_nothing(blue: Kubectl, new: str, line: str) -> None:
    shown = json.loads(blue.does(f"{line} --dry-run=server -o json", secret(new)))
    assert shown["metadata"]["labels"] == STAMPED
    assert "(NotFound)" in blue.fails(f"get secret {new}")


def test_apply_creates_then_changes(blue: Kubectl, new: str) -> None:
    assert "created" in blue.does("apply -f -", secret(new))
    assert "configured" in blue.does("apply -f -", secret(new, "two"))
    assert value(blue, new) == "two"


def test_apply_of_the_server_creates_then_changes(blue: Kubectl, new: str) -> None:
    apply = "apply --server-side -f -"
    assert "serverside-applied" in blue.does(apply, secret(new))
    assert "serverside-applied" in blue.does(apply, secret(new, "two"))
    assert value(blue, new) == "two"


def test_another_manager_must_force_its_way(blue: Kubectl, new: str) -> None:
    blue.does("apply --server-side --field-manager=one -f -", secret(new))
    two = "apply --server-side --field-manager=two -f -"
    assert '1 conflict: conflict with "one": .stringData' in blue.fails(two, secret(new, "two"))
    assert value(blue, new) == "one"
    blue.does(f"{two} --force-conflicts", secret(new, "two"))
    assert value(blue, new) == "two"


def test_a_difference_is_shown_without_the_values(blue: Kubectl, new: str) -> None:
    blue.does("apply -f -", secret(new))
    assert blue.does("diff -f -", secret(new)) == ""
    done = blue.ask("diff -f -", secret(new, "two"))
    assert done.returncode == 1, done.stderr
    assert "+  value: '*** (after)'" in done.stdout


def test_it_is_edited(blue: Kubectl, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBE_EDITOR", "sed -i.before -e 's/value: b25l/value: dHdv/'")
    assert "edited" in blue.does(f"edit secret {name}")
    assert value(blue, name) == "two"


@pytest.mark.parametrize(
    ("patch_type", "patch"),
    [
        ("strategic", '{"data": {"value": "dHdv"}}'),
        ("merge", '{"stringData": {"value": "two"}}'),
        ("json", '[{"op": "replace", "path": "/data/value", "value": "dHdv"}]'),
    ],
)
def test_it_is_patched(blue: Kubectl, name: str, patch_type: str, patch: str) -> None:
    assert "patched" in blue.does(f"patch secret {name} --type {patch_type} -p '{patch}'")
    assert value(blue, name) == "two"


@pytest.mark.parametrize(("command", "field"), [("label", "labels"), ("annotate", "annotations")])
def test_it_is_marked(blue: Kubectl, name: str, command: str, field: str) -> None:
    blue.does(f"{command} secret {name} team=blue")
    assert blue.read(f"get secret {name}")["metadata"][field]["team"] == "blue"
    blue.does(f"{command} secret {name} team-")
    found = blue.read(f"get secret {name}")["metadata"]
    assert "team" not in found.get(field, {})
    assert found["labels"] == STAMPED


def test_it_is_replaced_and_keeps_the_stamp(blue: Kubectl, name: str) -> None:
    assert "replaced" in blue.does("replace -f -", secret(name, "two"))
    assert value(blue, name) == "two"


def test_what_was_read_before_a_change_replaces_nothing(blue: Kubectl, name: str) -> None:
    old = blue.read(f"get secret {name}")
    blue.does(f"label secret {name} team=blue")
    assert "(Conflict)" in blue.fails("replace -f -", old)


def test_it_is_deleted_and_waited_for(blue: Kubectl, name: str) -> None:
    blue.does(f"wait secret {name} --for=jsonpath={{.type}}=Opaque")
    late = blue.fails(f"wait secret {name} --for=delete --timeout=100ms")
    assert "timed out waiting for the condition" in late
    assert f'secret "{name}" deleted' in blue.does(f"delete secret {name} --wait")
    blue.does(f"wait secret {name} --for=delete --timeout=30s")
    assert "(NotFound)" in blue.fails(f"get secret {name}")


def test_changes_are_watched(blue: Kubectl, name: str, new: str) -> None:
    with blue.following("get secrets --watch --output-watch-events") as lines:
        lines.until("ADDED", name)
        blue.does(f"create secret generic {new}")
        lines.until("ADDED", new)
        blue.does(f"label secret {new} team=blue")
        lines.until("MODIFIED", new)
        blue.does(f"delete secret {new}")
        lines.until("DELETED", new)
