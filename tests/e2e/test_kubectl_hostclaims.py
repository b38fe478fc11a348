"""A tenant works with claims as with anything else that kubectl knows."""

from collections.abc import Iterator

import pytest

from tests.e2e.kubectl import Kubectl, claim, fresh, made
from tests.e2e.world import World

LARGE = {"matchLabels": {"size": "large"}}


@pytest.fixture(scope="module")
def blue(world: World) -> Kubectl:
    return Kubectl(world, "blue", "blue-dev")


@pytest.fixture
def name(blue: Kubectl) -> Iterator[str]:
    """A claim that its controller has nothing left to do for."""
    with made(blue, claim(fresh("claim"))) as name:
        yield name


@pytest.fixture
def new(blue: Kubectl) -> Iterator[str]:
    """A name for a claim that the test makes itself."""
    name = fresh("claim")
    yield name
    blue.does(f"delete hostclaim {name} --ignore-not-found --wait=false")


@pytest.fixture(scope="module")
def seen(blue: Kubectl) -> Iterator[str]:
    """A claim to look at."""
    with made(blue, claim(fresh("claim"))) as name:
        blue.does(f"label hostclaim {name} looked-at=yes")
        yield name


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", "NAME "),
        ("-o wide", "NAME "),
        ("-o yaml", "kind: HostClaim"),
        ("-o json", '"kind": "HostClaim"'),
        ("-o name", "hostclaim.metal3.io/NAME"),
        ("-o jsonpath={.metadata.name}", "NAME"),
        ("-o custom-columns=N:.metadata.name,P:.spec.poweredOn", "NAME   true"),
        ("-o go-template={{.metadata.name}}", "NAME"),
        ("--show-labels", "looked-at=yes"),
        ("-L looked-at", "yes"),
        ("--show-managed-fields -o yaml", "managedFields:"),
        ("--subresource=status -o yaml", "conditions:"),
    ],
)
def test_one_is_shown_in_every_form(blue: Kubectl, seen: str, options: str, expected: str) -> None:
    assert expected.replace("NAME", seen) in blue.does(f"get hostclaim {seen} {options}")


@pytest.mark.parametrize(
    "options",
    [
        "",
        "-l looked-at=yes",
        "-l looked-at",
        "--field-selector metadata.name=NAME",
        "--sort-by=.metadata.name",
        "--chunk-size=1",
        "-n blue-dev",
        "--ignore-not-found NAME",
    ],
)
def test_it_is_listed_and_selected(blue: Kubectl, seen: str, options: str) -> None:
    told = blue.does(f"get hostclaims -o name {options.replace('NAME', seen)}")
    assert f"hostclaim.metal3.io/{seen}" in told.split()


@pytest.mark.parametrize("options", ["-l looked-at=no", "--field-selector metadata.name=none"])
def test_it_is_not_listed_where_others_are_asked_for(
    blue: Kubectl, seen: str, options: str
) -> None:
    assert seen not in blue.does(f"get hostclaims {options} -o name")


def test_it_is_described(blue: Kubectl, seen: str) -> None:
    described = blue.does(f"describe hostclaim {seen}")
    assert "Powered On:  true" in described
    assert "NoBareMetalHost" in described
    assert seen in blue.does("describe hostclaims -l looked-at=yes")


def test_it_is_created_once(blue: Kubectl, new: str) -> None:
    assert blue.does("create -f -", claim(new)) == f"hostclaim.metal3.io/{new} created\n"
    assert "(AlreadyExists)" in blue.fails("create -f -", claim(new))


@pytest.mark.parametrize("line", ["create -f -", "apply -f -", "apply --server-side -f -"])
def test_a_dry_run_of_the_server_stores_nothing(blue: Kubectl, new: str, line: str) -> None:
    assert new in blue.does(f"{line} --dry-run=server", claim(new))
    assert "(NotFound)" in blue.fails(f"get hostclaim {new}")


def test_a_dry_run_of_a_change_changes_nothing(blue: Kubectl, name: str) -> None:
    before = blue.read(f"get hostclaim {name}")
    told = blue.does("apply -f - --dry-run=server", claim(name, poweredOn=False))
    assert "configured (server dry run)" in told
    assert blue.read(f"get hostclaim {name}") == before


def test_apply_creates_then_changes(blue: Kubectl, new: str) -> None:
    assert "created" in blue.does("apply -f -", claim(new))
    assert "unchanged" in blue.does("apply -f -", claim(new))
    assert "configured" in blue.does("apply -f -", claim(new, poweredOn=False))
    assert blue.read(f"get hostclaim {new}")["spec"]["poweredOn"] is False


def test_apply_of_the_server_creates_then_changes(blue: Kubectl, new: str) -> None:
    apply = "apply --server-side -f -"
    assert "serverside-applied" in blue.does(apply, claim(new))
    assert "serverside-applied" in blue.does(apply, claim(new, poweredOn=False))
    assert blue.read(f"get hostclaim {new}")["spec"]["poweredOn"] is False


def test_another_manager_must_force_its_way(blue: Kubectl, new: str) -> None:
    blue.does("apply --server-side --field-manager=one -f -", claim(new))
    two, change = "apply --server-side --field-manager=two -f -", claim(new, poweredOn=False)
    assert '1 conflict: conflict with "one": .spec.poweredOn' in blue.fails(two, change)
    assert blue.read(f"get hostclaim {new}")["spec"]["poweredOn"] is True
    blue.does(f"{two} --force-conflicts", change)
    assert blue.read(f"get hostclaim {new}")["spec"]["poweredOn"] is False


@pytest.mark.parametrize("line", ["diff -f -", "diff --server-side --force-conflicts -f -"])
def test_a_difference_is_shown(blue: Kubectl, name: str, line: str) -> None:
    assert blue.does(line, claim(name)) == ""
    done = blue.ask(line, claim(name, poweredOn=False))
    assert done.returncode == 1, done.stderr
    assert "-  poweredOn: true\n+  poweredOn: false\n" in done.stdout


def test_it_is_edited(blue: Kubectl, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBE_EDITOR", "sed -i.before -e 's/poweredOn: true/poweredOn: false/'")
    assert "edited" in blue.does(f"edit hostclaim {name}")
    assert blue.read(f"get hostclaim {name}")["spec"]["poweredOn"] is False


@pytest.mark.parametrize(
    ("patch_type", "patch"),
    [
        ("merge", '{"spec": {"poweredOn": false}}'),
        ("json", '[{"op": "replace", "path": "/spec/poweredOn", "value": false}]'),
    ],
)
def test_it_is_patched(blue: Kubectl, name: str, patch_type: str, patch: str) -> None:
    assert "patched" in blue.does(f"patch hostclaim {name} --type {patch_type} -p '{patch}'")
    assert blue.read(f"get hostclaim {name}")["spec"]["poweredOn"] is False


def test_a_custom_resource_has_no_strategic_patch(blue: Kubectl, name: str) -> None:
    line = f"""patch hostclaim {name} --type strategic -p '{{"spec": {{"poweredOn": false}}}}'"""
    refusal = blue.fails(line)
    assert "strategic-merge-patch+json is not supported by metal3.io/v1alpha1" in refusal
    assert "application/merge-patch+json" in refusal


@pytest.mark.parametrize(("command", "field"), [("label", "labels"), ("annotate", "annotations")])
def test_it_is_marked(blue: Kubectl, name: str, command: str, field: str) -> None:
    blue.does(f"{command} hostclaim {name} team=blue")
    assert blue.read(f"get hostclaim {name}")["metadata"][field]["team"] == "blue"
    blue.does(f"{command} hostclaim {name} team=other --overwrite")
    blue.does(f"{command} hostclaim {name} team-")
    assert "team" not in blue.read(f"get hostclaim {name}")["metadata"].get(field, {})


def test_it_is_replaced(blue: Kubectl, name: str) -> None:
    found = blue.read(f"get hostclaim {name}")
    found["spec"]["poweredOn"] = False
    assert "replaced" in blue.does("replace -f -", found)
    # What was read before is old by now.
    assert "(Conflict)" in blue.fails("replace -f -", found)


def test_a_field_that_does_not_exist_is_refused(blue: Kubectl, new: str) -> None:
    refusal = blue.fails("create -f - --validate=strict", claim(new, poweredOff=True))
    assert 'unknown field "spec.poweredOff"' in refusal


def test_it_is_waited_for_till_it_is_bound_and_till_it_is_gone(blue: Kubectl, new: str) -> None:
    blue.does("create -f -", claim(new, hostSelector=LARGE))
    blue.does(f"wait hostclaim {new} --for=condition=Associated --timeout=30s")
    blue.does(f"wait hostclaim {new} --for=jsonpath={{.status.poweredOn}}=true --timeout=30s")
    assert blue.read(f"get hostclaim {new}")["status"]["bareMetalHost"]["namespace"] == "pool-a"
    late = blue.fails(f"wait hostclaim {new} --for=delete --timeout=100ms")
    assert "timed out waiting for the condition" in late
    blue.does(f"delete hostclaim {new} --wait=false")
    blue.does(f"wait hostclaim {new} --for=delete --timeout=30s")
    assert "(NotFound)" in blue.fails(f"get hostclaim {new}")


def test_a_delete_waits_for_the_finalizer(blue: Kubectl, new: str) -> None:
    with made(blue, claim(new, hostSelector=LARGE), "Associated"):
        found = blue.read(f"get hostclaim {new}")
        assert found["metadata"]["finalizers"] == ["metal3.io/hostclaim"]
        assert f'"{new}" deleted' in blue.does(f"delete hostclaim {new} --wait --timeout=30s")
        assert "(NotFound)" in blue.fails(f"get hostclaim {new}")


def test_what_is_waited_for_in_vain_is_said(blue: Kubectl, name: str) -> None:
    late = blue.fails(f"wait hostclaim {name} --for=condition=Associated --timeout=100ms")
    assert "timed out waiting for the condition" in late


def test_several_come_and_go_at_once(blue: Kubectl) -> None:
    names = {fresh("claim"), fresh("claim")}
    several = {"apiVersion": "v1", "kind": "List", "items": [claim(name) for name in names]}
    assert blue.does("apply -n blue-prod -f -", several).count("created") == 2
    gone = blue.does("delete hostclaims --all -n blue-prod")
    assert [name for name in names if f'"{name}" deleted' not in gone] == []
    assert blue.does("get hostclaims -o name -n blue-prod") == ""


def test_changes_are_watched(blue: Kubectl, name: str, new: str) -> None:
    with blue.following("get hostclaims --watch --output-watch-events") as lines:
        lines.until("ADDED", name)
        blue.does("create -f -", claim(new))
        lines.until("ADDED", new)
        lines.until("MODIFIED", new)
        blue.does(f"delete hostclaim {new}")
        lines.until("DELETED", new)


def test_one_is_watched(blue: Kubectl, name: str) -> None:
    form = '{.spec.poweredOn}{"\\n"}'
    with blue.following(f"get hostclaim {name} -w -o 'jsonpath={form}'") as lines:
        lines.until("true")
        blue.does("apply -f -", claim(name, poweredOn=False))
        lines.until("false")
