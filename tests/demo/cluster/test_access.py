"""Who is let in, and to what."""

from typing import Any

import pytest

from proxy.demo.cluster.status import ApiError
from tests.demo.cluster.asking import APPLY, CLAIMS, SECRETS, Api, claim, secret

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ACCOUNTS = "/api/v1/namespaces/blue/serviceaccounts"
NAME = "system:serviceaccount:blue:robot"


def token(api: Api) -> str:
    return str(api.ask("POST", f"{ACCOUNTS}/robot/token", {"spec": {}})["status"]["token"])


@pytest.fixture
def robot(api: Api) -> Api:
    """The same server, asked by a service account that has no rights yet."""
    api.ask("POST", ACCOUNTS, {"metadata": {"name": "robot"}})
    return api.holding(token(api))


def grant(api: Api, **rule: Any) -> None:
    api.ask("POST", f"{RBAC}/namespaces/blue/roles", {"metadata": {"name": "r"}, "rules": [rule]})
    subject = {"kind": "ServiceAccount", "name": "robot", "namespace": "blue"}
    reference = {"kind": "Role", "name": "r"}
    api.ask(
        "POST",
        f"{RBAC}/namespaces/blue/rolebindings",
        {"metadata": {"name": "b"}, "roleRef": reference, "subjects": [subject]},
    )


def test_an_unknown_token_is_nobody(api: Api) -> None:
    with pytest.raises(ApiError) as refused:
        api.holding("guessed").send("GET", SECRETS)
    assert (refused.value.code, refused.value.message) == (401, "Unauthorized")


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer", "Bearer  "])
def test_only_a_bearer_token_counts(api: Api, header: str) -> None:
    with pytest.raises(ApiError) as refused:
        api.server.authenticate(header)
    assert refused.value.code == 401


@pytest.mark.parametrize(
    ("method", "target", "told"),
    [
        ("GET", SECRETS, 'list resource "secrets" in API group "" in the namespace "blue"'),
        ("GET", "/api/v1/pods", 'list resource "pods" in API group "" at the cluster scope'),
        (
            "DELETE",
            CLAIMS,
            (
                'deletecollection resource "hostclaims" in API group "metal3.io" in the namespace '
                '"blue"'
            ),
        ),
        (
            "PUT",
            f"{CLAIMS}/one/status",
            'update resource "hostclaims/status" in API group "metal3.io" in the namespace "blue"',
        ),
        ("GET", "/metrics", 'get path "/metrics"'),
    ],
)
def test_without_a_rule_nothing_is_allowed(robot: Api, method: str, target: str, told: str) -> None:
    code, message = robot.refusal(method, target)
    assert code == 403
    assert message.endswith(f'forbidden: User "{NAME}" cannot {told}')


def test_discovery_is_open_to_whoever_is_known(robot: Api) -> None:
    for path in ("/api", "/apis", "/apis/metal3.io/v1alpha1", "/openapi/v3", "/version"):
        robot.ask("GET", path)


def test_a_role_allows_what_it_says(api: Api, robot: Api) -> None:
    grant(api, apiGroups=[""], resources=["secrets"], verbs=["create", "get"])
    robot.ask("POST", SECRETS, secret())
    robot.ask("GET", f"{SECRETS}/one")
    assert robot.refusal("GET", SECRETS)[0] == 403
    assert robot.refusal("POST", SECRETS.replace("blue", "default"), secret())[0] == 403


def test_a_rule_may_be_for_one_name(api: Api, robot: Api) -> None:
    grant(api, apiGroups=[""], resources=["secrets"], verbs=["*"], resourceNames=["one"])
    robot.ask("GET", f"{SECRETS}?fieldSelector=metadata.name=one")
    assert robot.refusal("GET", SECRETS)[0] == 403
    assert robot.refusal("GET", f"{SECRETS}/two")[0] == 403


def test_a_subresource_is_a_right_of_its_own(api: Api, robot: Api) -> None:
    grant(api, apiGroups=["metal3.io"], resources=["hostclaims"], verbs=["*"])
    robot.ask("POST", CLAIMS, claim())
    assert robot.refusal("GET", f"{CLAIMS}/one/status")[0] == 403


def test_applying_what_is_not_there_needs_create(api: Api, robot: Api) -> None:
    grant(api, apiGroups=["metal3.io"], resources=["hostclaims"], verbs=["patch"])
    code, message = robot.refusal("PATCH", f"{CLAIMS}/one?fieldManager=x", claim(), APPLY)
    assert (code, f'User "{NAME}" cannot create resource' in message) == (403, True)


def test_a_token_dies_with_its_service_account(api: Api, robot: Api) -> None:
    api.ask("DELETE", f"{ACCOUNTS}/robot")
    with pytest.raises(ApiError) as refused:
        robot.send("GET", "/version")
    assert refused.value.code == 401


@pytest.mark.usefixtures("robot")
def test_a_token_lasts_ten_minutes_at_least(api: Api) -> None:
    body = {"spec": {"expirationSeconds": 5}}
    assert api.refusal("POST", f"{ACCOUNTS}/robot/token", body)[0] == 422


def test_speaking_for_another_needs_the_right_to(robot: Api) -> None:
    with pytest.raises(ApiError) as refused:
        robot.send("GET", SECRETS, headers={"Impersonate-User": "bob"})
    assert refused.value.code == 403
    assert refused.value.message.endswith(
        f'User "{NAME}" cannot impersonate resource "users" in API group "" at the cluster scope'
    )


def test_who_speaks_for_another_has_their_rights_only(api: Api) -> None:
    with pytest.raises(ApiError, match='User "bob" cannot list'):
        api.send("GET", SECRETS, headers={"impersonate-user": "bob"})


def test_everyone_may_ask_what_they_may(api: Api, robot: Api) -> None:
    grant(api, apiGroups=[""], resources=["secrets"], verbs=["get"])

    def may(verb: str) -> bool:
        attributes = {"verb": verb, "resource": "secrets", "namespace": "blue"}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = robot.ask("POST", path, {"spec": {"resourceAttributes": attributes}})
        return bool(answer["status"]["allowed"])

    assert (may("get"), may("list")) == (True, False)


def test_everyone_may_ask_who_they_are(robot: Api) -> None:
    answer = robot.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    assert answer["status"]["userInfo"]["username"] == NAME
    assert "system:authenticated" in answer["status"]["userInfo"]["groups"]
