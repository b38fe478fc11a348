"""What the IAM is to grant: nothing that could not be meant, and never nothing at all."""

from pathlib import Path
from typing import Any

import pytest

from proxy.core.policy import ClaimGrant, Combine, Role
from proxy.settings import SettingsError
from tests.test_settings import ISSUER, load

CLAIM = {"issuer": "corp", "claim": "groups", "pattern": "/tenants/{namespace}/{role}"}
PERMISSION = {"issuer": "corp", "clientId": "hostclaim-proxy"}
CLUSTER = {
    "name": "green-cluster",
    "kind": "kubernetes",
    "url": "https://kubernetes.green.example.com",
    "audiences": ["hostclaim-proxy"],
}


def faults(folder: Path, changes: dict[str, Any]) -> str:
    with pytest.raises(SettingsError) as refused:
        load(folder, changes)
    return str(refused.value).removeprefix(f"{folder}/proxy.yaml: ")


def test_without_the_section_policy_files_grant_alone(tmp_path: Path) -> None:
    found = load(tmp_path).entitlements
    assert (found.combine, found.claims, found.permissions) == (Combine.ANY, (), ())


def test_a_claim_is_read_as_what_it_grants(tmp_path: Path) -> None:
    names = {"issuer": "corp", "claim": "ns", "pattern": "{namespace}", "role": "editor"}
    claims = [CLAIM, names | {"within": ["blue-*"]}]
    found = load(tmp_path, {"entitlements": {"combine": "all", "claims": claims}}).entitlements
    assert found.combine is Combine.ALL
    assert [claim.compiled() for claim in found.claims] == [
        ClaimGrant("corp", "groups", "/tenants/{namespace}/{role}"),
        ClaimGrant("corp", "ns", "{namespace}", Role.EDITOR, ("blue-*",)),
    ]


def test_permissions_are_remembered_for_half_a_minute_and_no_longer(tmp_path: Path) -> None:
    (found,) = load(tmp_path, {"entitlements.permissions": [PERMISSION]}).entitlements.permissions
    assert (found.cache_seconds, found.grace_seconds, found.timeout_seconds) == (30, 0, 5)


@pytest.mark.parametrize("source", [{"claims": [CLAIM]}, {"permissions": [PERMISSION]}])
def test_where_the_iam_grants_policy_files_may_be_left_out(
    tmp_path: Path, source: dict[str, Any]
) -> None:
    assert load(tmp_path, {"policies": None, "entitlements": source}).policies is None


@pytest.mark.parametrize("entitlements", [{}, {"combine": "any"}, {"claims": []}])
def test_one_source_at_least_is_required(tmp_path: Path, entitlements: dict[str, Any]) -> None:
    found = faults(tmp_path, {"policies": None, "entitlements": entitlements})
    assert found == "policies: is required, where `entitlements` grants nothing"


ONE_CLAIM = "entitlements.claims[0]"
ONE_PERMISSION = "entitlements.permissions[0]"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"combine": "some"}, "entitlements.combine: "),
        ({"combine": "all"}, "entitlements: `combine: all` needs `claims` or `permissions`"),
        ({"claim": [CLAIM]}, "entitlements.claim: unknown field"),
        ({"claims": [CLAIM | {"patern": "x"}]}, f"{ONE_CLAIM}.patern: unknown field"),
        ({"claims": [{"issuer": "corp", "claim": "g"}]}, f"{ONE_CLAIM}.pattern: is required"),
        ({"claims": [CLAIM | {"pattern": "/tenants"}]}, f"{ONE_CLAIM}: pattern must have"),
        ({"claims": [CLAIM | {"role": "editor"}]}, f"{ONE_CLAIM}: give one of"),
        ({"claims": [CLAIM | {"claim": "a..b"}]}, f"{ONE_CLAIM}: `a..b` is not"),
        (
            {"claims": [CLAIM | {"pattern": "{namespace}", "role": "edit"}]},
            f"{ONE_CLAIM}.role: unknown role `edit`, did you mean `editor`?",
        ),
        (
            {"claims": [CLAIM | {"within": ["blue*"]}]},
            f"{ONE_CLAIM}.within[0]: `blue*` matches no namespace, did you mean `blue-*`?",
        ),
        ({"claims": [CLAIM | {"within": []}]}, f"{ONE_CLAIM}.within: is empty"),
        ({"claims": [CLAIM | {"issuer": "crop"}]}, "entitlements: `crop` is not the name of"),
        (
            {"claims": [CLAIM | {"issuer": "green-cluster"}]},
            "entitlements: `green-cluster` is not the name of an issuer of kind `oidc`",
        ),
        (
            {"permissions": [PERMISSION | {"issuer": "green-cluster"}]},
            "entitlements: `green-cluster` is not the name of an issuer of kind `oidc`",
        ),
        (
            {"permissions": [PERMISSION, PERMISSION | {"clientId": "other"}]},
            "entitlements: permissions: each issuer can be asked about one client",
        ),
        ({"permissions": [{"issuer": "corp"}]}, f"{ONE_PERMISSION}.clientId: is required"),
        ({"permissions": [PERMISSION | {"clientId": ""}]}, f"{ONE_PERMISSION}.clientId: "),
        (
            {"permissions": [PERMISSION | {"cacheSeconds": 8}]},
            f"{ONE_PERMISSION}: `timeoutSeconds` must be at most a quarter",
        ),
        ({"permissions": [PERMISSION | {"cacheSeconds": 0}]}, f"{ONE_PERMISSION}.cacheSeconds: "),
        ({"permissions": [PERMISSION | {"graceSeconds": -1}]}, f"{ONE_PERMISSION}.graceSeconds: "),
        (
            {"permissions": [PERMISSION | {"timeoutSeconds": ".inf"}]},
            f"{ONE_PERMISSION}.timeoutSeconds: ",
        ),
    ],
)
def test_what_cannot_be_meant_is_an_error(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    found = faults(tmp_path, {"issuers": [ISSUER, CLUSTER], "entitlements": changes})
    assert found.startswith(said)
