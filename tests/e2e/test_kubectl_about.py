"""Before it does anything, kubectl finds out what there is, who asks, and what they may."""

import json

import pytest

from tests.e2e.kubectl import Kubectl
from tests.e2e.world import World


@pytest.fixture(scope="module")
def blue(world: World) -> Kubectl:
    return Kubectl(world, "blue", "blue-dev")


@pytest.fixture(scope="module")
def auditor(world: World) -> Kubectl:
    return Kubectl(world, "auditor", "blue-dev")


def test_there_are_hostclaims_and_secrets(blue: Kubectl) -> None:
    assert set(blue.does("api-resources -o name").split()) == {"hostclaims.metal3.io", "secrets"}
    assert "hostclaims" in blue.does("api-resources --api-group=metal3.io --namespaced -o wide")
    assert set(blue.does("api-versions").split()) == {"metal3.io/v1alpha1", "v1"}


def test_the_version_is_the_clusters(blue: Kubectl) -> None:
    assert blue.does("version").splitlines()[-1].startswith("Server Version: v1.")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("explain hostclaim", ("VERSION:    v1alpha1", "spec\t<Object>")),
        ("explain hostclaims.metal3.io", ("KIND:       HostClaim",)),
        ("explain hostclaim --recursive", ("matchLabels\t", "checksumType\t", "bareMetalHost\t")),
        ("explain hostclaim.spec.image", ("FIELD: image <Object>", "url\t<string> -required-")),
        ("explain hostclaim --api-version=metal3.io/v1alpha1", ("KIND:       HostClaim",)),
        ("explain secret", ("KIND:       Secret", "stringData\t<map[string]string>")),
        ("explain secret.data", ("FIELD: data <map[string]string>",)),
        ("explain secret --recursive", ("ownerReferences\t<[]OwnerReference>",)),
    ],
)
def test_what_is_served_is_explained(blue: Kubectl, line: str, words: tuple[str, ...]) -> None:
    explained = blue.does(line)
    assert [word for word in words if word not in explained] == []


@pytest.mark.parametrize("resource", ["pods", "baremetalhosts", "hostdeploypolicies", "namespaces"])
def test_what_is_not_served_does_not_exist(blue: Kubectl, resource: str) -> None:
    assert f'the server doesn\'t have a resource type "{resource}"' in blue.fails(f"get {resource}")


def test_a_path_that_is_not_served_is_told_what_is(blue: Kubectl) -> None:
    refusal = blue.fails("get --raw /api/v1/namespaces/blue-dev/pods")
    assert "this proxy serves hostclaims (metal3.io/v1alpha1) and their secrets (v1)" in refusal


def test_everybody_is_told_who_they_are(blue: Kubectl) -> None:
    told = json.loads(blue.does("auth whoami -o json"))["status"]["userInfo"]
    assert told["username"] == "corp:service-account-blue-capm3"
    assert told["groups"] == ["/tenants/blue"]
    assert told["extra"]["hostclaim-proxy.metal3.io/namespaces"] == ["blue-dev", "blue-prod"]


def test_nobody_asks_as_somebody_else(blue: Kubectl) -> None:
    refusal = blue.fails("get hostclaims --as=admin --as-group=system:masters")
    assert "(Forbidden): impersonation is not allowed: ask as yourself" in refusal


@pytest.mark.parametrize(
    "question",
    [
        *(f"{verb} hostclaims" for verb in ("get", "list", "watch", "create", "update", "patch")),
        *(f"{verb} secrets" for verb in ("get", "list", "watch", "create", "update", "delete")),
        "delete hostclaim/some-name",
        "get hostclaims --subresource=status",
        "get hostclaims/status",
        "get hostclaims -n blue-prod",
        "get /version",
    ],
)
def test_what_is_allowed_is_a_yes(blue: Kubectl, question: str) -> None:
    assert blue.does(f"auth can-i {question}") == "yes\n"


@pytest.mark.parametrize(
    "question",
    [
        "get hostclaims -n red",
        "list secrets -n red",
        "create hostclaims -A",
        "* hostclaims",
        "* *",
        "deletecollection secrets",
        "update hostclaims --subresource=status",
        "get pods",
        "get pods --subresource=log",
        "create serviceaccounts --subresource=token",
        "impersonate users",
        "get /metrics",
    ],
)
def test_what_is_not_allowed_is_a_no(blue: Kubectl, question: str) -> None:
    done = blue.ask(f"auth can-i {question}")
    assert (done.returncode, done.stdout.partition(" ")[0].strip()) == (1, "no")


@pytest.mark.parametrize(
    ("who", "namespace", "expected"),
    [
        ("blue", "blue-prod", {"hostclaims.metal3.io": "all", "secrets": "all"}),
        ("blue", "red", {}),
        ("auditor", "red", {"hostclaims.metal3.io": "[get list watch]"}),
    ],
)
def test_the_list_of_rights_is_whole(
    world: World, who: str, namespace: str, expected: dict[str, str]
) -> None:
    lines = Kubectl(world, who, namespace).does("auth can-i --list --no-headers").splitlines()
    rights = {line.split()[0]: f"[{line.split('[')[-1]}" for line in lines}
    every = "[create delete get list patch update watch]"
    wanted = {key: every if verbs == "all" else verbs for key, verbs in expected.items()}
    assert {
        key: rights[key] for key in rights if key in {"hostclaims.metal3.io", "secrets"}
    } == wanted
    assert ("hostclaims.metal3.io/status" in rights) is bool(wanted)


def test_an_auditor_may_look_and_no_more(auditor: Kubectl) -> None:
    assert auditor.does("auth can-i watch hostclaims -n red") == "yes\n"
    said = auditor.ask("auth can-i delete hostclaims").stdout
    assert said == "no - no policy grants you delete on hostclaims there, only get, list, watch\n"
