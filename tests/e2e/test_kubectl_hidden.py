"""A secret without the stamp does not exist for a tenant, and no stamp comes off."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.kubectl import STAMP, Kubectl, Manifest, fresh, made, secret
from tests.e2e.world import World

UNSTAMPED = {
    "json": f'[{{"op": "remove", "path": "/metadata/labels/{STAMP.replace("/", "~1")}"}}]',
    "merge": f'{{"metadata": {{"labels": {{"{STAMP}": null}}}}}}',
    "strategic": '{"metadata": {"labels": {"$patch": "replace", "team": "blue"}}}',
}


@pytest.fixture(scope="module")
def blue(world: World) -> Kubectl:
    return Kubectl(world, "blue", "blue-dev")


@pytest.fixture(scope="module")
def admin(world: World) -> Kubectl:
    return Kubectl(world, "admin", "blue-dev")


@pytest.fixture(scope="module")
def hidden(admin: Kubectl) -> Iterator[str]:
    """A secret beside the tenant's, as the cluster's owner puts it there."""
    with made(admin, secret(fresh("hidden"), "not-for-tenants")) as name:
        yield name


@pytest.fixture
def name(blue: Kubectl) -> Iterator[str]:
    """A secret of blue's."""
    with made(blue, secret(fresh("secret"))) as name:
        yield name


@pytest.mark.parametrize(
    "line",
    [
        "get secrets",
        "get secrets -o wide --show-labels",
        "get secrets -o yaml",
        "get secrets -o json",
        "get secrets -o name",
        "get secrets -o jsonpath={.items}",
        f"get secrets -l !{STAMP}",
        f"get secrets -l {STAMP}!=true",
        f"get secrets -l '{STAMP} notin (true)'",
        "get secrets --field-selector metadata.name=HIDDEN",
        "get secrets --field-selector type=Opaque",
        "get secrets --chunk-size=1",
        "get secret HIDDEN --ignore-not-found",
        "describe secrets",
    ],
)
@pytest.mark.usefixtures("name")
def test_it_is_in_no_list(blue: Kubectl, hidden: str, line: str) -> None:
    told = blue.does(line.replace("HIDDEN", hidden))
    assert hidden not in told
    # base64 of what it holds
    assert "bm90LWZvci10ZW5hbnRz" not in told


@pytest.mark.parametrize(
    "line",
    [
        "get secret HIDDEN",
        "get secret HIDDEN -o wide",
        "get secret HIDDEN -o yaml",
        "get secret HIDDEN -o json",
        "get secret HIDDEN -o name",
        "get secret HIDDEN -w",
        "describe secret HIDDEN",
        "wait secret HIDDEN --for=jsonpath={.type}=Opaque --timeout=1s",
        "edit secret HIDDEN",
        "label secret HIDDEN team=blue",
        f"label secret HIDDEN {STAMP}=true",
        "annotate secret HIDDEN team=blue",
        """patch secret HIDDEN --type merge -p '{"data": null}'""",
        """patch secret HIDDEN --type strategic -p '{"data": null}'""",
        """patch secret HIDDEN --type json -p '[{"op": "remove", "path": "/data"}]'""",
        "replace -f -",
        "delete secret HIDDEN",
        "delete secret HIDDEN --now",
        "delete -f -",
    ],
)
def test_it_is_not_found(blue: Kubectl, admin: Kubectl, hidden: str, line: str) -> None:
    before = admin.read(f"get secret {hidden}")
    refusal = blue.fails(line.replace("HIDDEN", hidden), secret(hidden, "mine"))
    assert f'secrets "{hidden}" not found' in refusal
    assert admin.read(f"get secret {hidden}") == before


@pytest.mark.parametrize(
    "line",
    [
        "create secret generic HIDDEN",
        "create -f -",
        "apply -f -",
        "apply --server-side --force-conflicts -f -",
    ],
)
def test_its_name_is_taken(blue: Kubectl, admin: Kubectl, hidden: str, line: str) -> None:
    before = admin.read(f"get secret {hidden}")
    refusal = blue.fails(line.replace("HIDDEN", hidden), secret(hidden, "mine"))
    assert f'secrets "{hidden}" already exists' in refusal
    assert admin.read(f"get secret {hidden}") == before


def test_it_is_not_deleted_with_all_others(world: World) -> None:
    blue, admin = Kubectl(world, "blue", "blue-prod"), Kubectl(world, "admin", "blue-prod")
    with made(admin, secret(fresh("hidden"))) as hidden, made(blue, secret(fresh("secret"))) as own:
        gone = blue.does("delete secrets --all")
        assert (own in gone, hidden in gone) == (True, False)
        assert admin.does(f"get secret {hidden} -o name") == f"secret/{hidden}\n"


def test_it_is_in_no_watch(blue: Kubectl, admin: Kubectl, name: str, hidden: str) -> None:
    with blue.following("get secrets --watch --output-watch-events") as lines:
        seen = lines.until("ADDED", name)
        admin.does(f"label secret {hidden} touched=yes --overwrite")
        with made(admin, secret(fresh("hidden"))) as another:
            # Events come in order: what would be shown of both is before this one's.
            blue.does(f"label secret {name} team=blue")
            seen += lines.until("MODIFIED", name)
    assert [line for line in seen if hidden in line or another in line] == []


@pytest.mark.parametrize(
    "line",
    [
        f"label secret NAME {STAMP}-",
        f"label secret NAME {STAMP}=false --overwrite",
        *(f"patch secret NAME --type {kind} -p '{patch}'" for kind, patch in UNSTAMPED.items()),
        """patch secret NAME --type merge -p '{"metadata": {"labels": null}}'""",
        """patch secret NAME --type json -p '[{"op": "remove", "path": "/metadata/labels"}]'""",
        "edit secret NAME",
    ],
)
def test_the_stamp_is_not_taken_off(
    blue: Kubectl, name: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBE_EDITOR", "sed -i.before -e '/tenant-secret:/d' -e '/labels:/d'")
    refusal = blue.fails(line.replace("NAME", name))
    assert f"metadata.labels[{STAMP}] cannot be removed or changed" in refusal
    assert stamp(blue.read(f"get secret {name}")) == "true"


@pytest.mark.parametrize(
    ("line", "labels"),
    [
        ("replace -f -", {"team": "blue"}),
        ("replace -f -", {STAMP: "false"}),
        ("apply -f -", {"team": "blue"}),
        ("apply --server-side --force-conflicts -f -", {"team": "blue"}),
        ("apply --server-side --force-conflicts -f -", {STAMP: "false"}),
    ],
)
def test_the_stamp_is_put_back(blue: Kubectl, name: str, line: str, labels: dict[str, str]) -> None:
    blue.does(line, labelled(secret(name, "two"), labels))
    assert stamp(blue.read(f"get secret {name}")) == "true"


def test_an_apply_that_would_change_the_stamp_is_refused(blue: Kubectl, name: str) -> None:
    # On the client's side an apply is a patch: it says what it changes, so it is meant.
    refusal = blue.fails("apply -f -", labelled(secret(name), {STAMP: "false"}))
    assert f"metadata.labels[{STAMP}] cannot be removed or changed" in refusal
    assert stamp(blue.read(f"get secret {name}")) == "true"


def labelled(manifest: Manifest, labels: dict[str, str]) -> Manifest:
    """The manifest with these labels."""
    return {**manifest, "metadata": {**manifest["metadata"], "labels": labels}}


def stamp(found: Any) -> Any:
    """What the stamp of a secret says."""
    return found["metadata"]["labels"][STAMP]
