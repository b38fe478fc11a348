"""Where kubectl is refused nothing happens, and the refusal says what is allowed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.e2e.kubectl import Kubectl, Manifest, claim, fresh, made, secret
from tests.e2e.world import World

READS = (
    "get KIND",
    "get KIND -w",
    "get KIND -l a=b",
    "get KIND NAME",
    *(f"get KIND NAME -o {form}" for form in ("wide", "yaml", "name", "json")),
    "get KIND NAME -o jsonpath={.metadata.name}",
    "get KIND NAME -w",
    "describe KIND NAME",
    "describe KIND",
    "wait KIND/NAME --for=jsonpath={.metadata.name}=NAME --timeout=1s",
    "wait KIND/NAME --for=condition=Ready --timeout=1s",
    "wait KIND/NAME --for=delete --timeout=1s",
)
WRITES = (
    "create -f -",
    "create --dry-run=server -f -",
    "apply -f -",
    "apply --dry-run=server -f -",
    "apply --server-side -f -",
    "apply --server-side --force-conflicts -f -",
    "diff -f -",
    "diff --server-side -f -",
    "edit KIND NAME",
    """patch KIND NAME --type merge -p '{"metadata": {"labels": {"a": "b"}}}'""",
    """patch KIND NAME --type json -p '[{"op": "remove", "path": "/spec"}]'""",
    "label KIND NAME a=b",
    "annotate KIND NAME a=b",
    "replace -f -",
    "delete KIND NAME",
    "delete KIND NAME --wait=false --now",
    "delete KIND NAME --dry-run=server",
    "delete KIND --all",
    "delete -f -",
)
WRITES_OF_SECRETS = (
    "create secret generic NAME --from-literal=a=b",
    """patch secret NAME --type strategic -p '{"data": {"a": "Yg=="}}'""",
)
OF_EACH_KIND = [
    *(("hostclaim", line) for line in (*READS, *WRITES)),
    *(("secret", line) for line in (*READS, *WRITES, *WRITES_OF_SECRETS)),
]


@dataclass(frozen=True, slots=True)
class Theirs:
    """A namespace of others, and what is in it when nobody has touched it."""

    admin: Kubectl
    manifests: dict[str, Manifest]
    stored: Any

    def line(self, line: str, kind: str) -> str:
        """A line of a table, about what is there."""
        name = self.manifests[kind]["metadata"]["name"]
        return line.replace("KIND", kind).replace("NAME", name)

    def changed(self, kind: str) -> Manifest:
        """What would change what is there."""
        manifest = self.manifests[kind]
        return {**manifest, "metadata": {**manifest["metadata"], "labels": {"a": "b"}}}

    def untouched(self) -> bool:
        """Whether all is as it was, to the version of each object."""
        return bool(everything(self.admin) == self.stored)


def everything(admin: Kubectl) -> Any:
    """All claims and secrets of a namespace."""
    return admin.read("get hostclaims,secrets")["items"]


@pytest.fixture(scope="module")
def reds(world: World) -> Iterator[Theirs]:
    red, admin = Kubectl(world, "red", "red"), Kubectl(world, "admin", "red")
    manifests = {"hostclaim": claim(fresh("claim")), "secret": secret(fresh("secret"))}
    with made(red, manifests["hostclaim"]), made(red, manifests["secret"]):
        yield Theirs(admin, manifests, everything(admin))


@pytest.fixture(autouse=True)
def editor(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `kubectl edit` starts, where it gets that far: a change of the spec and the status."""
    script = "s/poweredOn: true/poweredOn: false/; s/NoBareMetalHost/BareMetalHostAssociated/"
    monkeypatch.setenv("KUBE_EDITOR", f"sed -i.before -e '{script}'")


@pytest.mark.parametrize(("kind", "line"), OF_EACH_KIND)
def test_what_is_in_the_namespace_of_others_stays_theirs(
    world: World, reds: Theirs, kind: str, line: str
) -> None:
    refusal = Kubectl(world, "blue", "red").fails(reds.line(line, kind), reds.changed(kind))
    assert f"no policy grants you {kind}s in this namespace" in refusal
    assert "your namespaces are blue-dev, blue-prod" in refusal
    assert reds.untouched()


@pytest.mark.parametrize(
    "line",
    [
        "create -f -",
        "apply -f -",
        "apply --server-side -f -",
        "create secret generic NEW --from-literal=a=b",
    ],
)
@pytest.mark.parametrize("make", [claim, secret])
def test_nothing_new_comes_into_the_namespace_of_others(
    world: World, reds: Theirs, line: str, make: Any
) -> None:
    name = fresh("new")
    refusal = Kubectl(world, "blue", "red").fails(line.replace("NEW", name), make(name))
    assert "your namespaces are blue-dev, blue-prod" in refusal
    assert reds.untouched()


def test_all_namespaces_are_those_of_the_caller(world: World, reds: Theirs) -> None:
    assert reds.untouched()
    for line in ("get hostclaims -A -o yaml", "get secrets -A -o yaml"):
        found = yaml.safe_load(Kubectl(world, "blue", "blue-dev").does(line))["items"]
        assert {item["metadata"]["namespace"] for item in found} <= {"blue-dev", "blue-prod"}


def test_the_auditor_lists_no_secrets_of_all_namespaces(world: World) -> None:
    refusal = Kubectl(world, "auditor", "blue-dev").fails("get secrets -A")
    assert "no policy grants you list on secrets anywhere" in refusal


@pytest.mark.parametrize(
    "line",
    [
        "get hostclaims -n pool-a",
        "get secret a-large-1-bmc -n pool-a",
        "get secrets -n kube-system",
        "get hostclaims -n no-such-namespace",
    ],
)
def test_the_namespaces_of_the_cluster_are_nobodys(world: World, line: str) -> None:
    refusal = Kubectl(world, "blue", "blue-dev").fails(line)
    assert "your namespaces are blue-dev, blue-prod" in refusal


@pytest.mark.parametrize(
    "line",
    [
        """patch hostclaim NAME --subresource=status --type=merge -p '{"status": {}}'""",
        "patch hostclaim NAME --subresource=status --type=json -p '[]'",
        "replace --subresource=status -f -",
        "edit hostclaim NAME --subresource=status",
    ],
)
def test_a_tenant_does_not_write_its_own_status(world: World, line: str) -> None:
    red = Kubectl(world, "red", "red")
    with made(red, claim(fresh("claim"))) as name:
        before = red.read(f"get hostclaim {name}")
        refusal = red.fails(line.replace("NAME", name), before)
        assert "the status is written by the host's controller alone" in refusal
        assert red.read(f"get hostclaim {name}") == before


@pytest.mark.parametrize("namespace", ["blue-dev", "blue-prod", "red"])
@pytest.mark.parametrize(
    "line",
    [
        "get hostclaims",
        "get hostclaims -o yaml",
        "describe hostclaims",
        "get hostclaim NAME -o name",
    ],
)
def test_an_auditor_reads_the_claims_of_all(world: World, namespace: str, line: str) -> None:
    admin = Kubectl(world, "admin", namespace)
    with made(admin, claim(fresh("claim"))) as name:
        assert name in Kubectl(world, "auditor", namespace).does(line.replace("NAME", name))


@pytest.mark.parametrize("line", WRITES)
def test_an_auditor_writes_no_claims(world: World, reds: Theirs, line: str) -> None:
    auditor = Kubectl(world, "auditor", "red")
    refusal = auditor.fails(reds.line(line, "hostclaim"), reds.changed("hostclaim"))
    assert "on hostclaims there, only get, list, watch" in refusal
    assert reds.untouched()


@pytest.mark.parametrize("line", [*READS[:5], *WRITES_OF_SECRETS, "edit KIND NAME", "apply -f -"])
def test_an_auditor_has_no_secrets(world: World, reds: Theirs, line: str) -> None:
    auditor = Kubectl(world, "auditor", "red")
    refusal = auditor.fails(reds.line(line, "secret"), reds.changed("secret"))
    assert "no policy grants you secrets in this namespace" in refusal
    assert reds.untouched()
