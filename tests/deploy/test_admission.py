"""The admission policies speak of what the proxy's code speaks of, and leave no way around."""

import json
from typing import Any

import pytest

from proxy.core.attributes import HOSTCLAIMS, SECRETS
from proxy.core.hostclaims import FINALIZER
from proxy.core.narrowing import STAMP, STAMPED
from proxy.core.secrets import ALLOWED_TYPES
from tests.deploy.rendered import of_kind, only

NAMES = ("hostclaim-proxy-hostclaims", "hostclaim-proxy-others", "hostclaim-proxy-secrets")


def policy(name: str) -> Any:
    (found,) = (
        one["spec"]
        for one in of_kind("ValidatingAdmissionPolicy")
        if one["metadata"]["name"] == name
    )
    return found


def said(name: str) -> str:
    """All that a policy demands, on one line."""
    return " ".join(" ".join(one["expression"].split()) for one in policy(name)["validations"])


def test_these_policies_are_there() -> None:
    found = of_kind("ValidatingAdmissionPolicy")
    assert {one["metadata"]["name"] for one in found} == {*NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_each_policy_is_bound_everywhere_and_denies(name: str) -> None:
    bindings = [one["spec"] for one in of_kind("ValidatingAdmissionPolicyBinding")]
    assert {"policyName": name, "validationActions": ["Deny", "Audit"]} in bindings


@pytest.mark.parametrize("name", NAMES)
def test_each_policy_means_the_account_that_the_proxy_runs_as(name: str) -> None:
    account = only("ServiceAccount")["metadata"]
    username = f"system:serviceaccount:{account['namespace']}:{account['name']}"
    condition, *_ = policy(name)["matchConditions"]
    assert condition["expression"] == f"request.userInfo.username == '{username}'"


@pytest.mark.parametrize("name", NAMES)
def test_only_dry_runs_of_what_the_proxy_writes_are_left_out(name: str) -> None:
    _, *others = (one["expression"] for one in policy(name)["matchConditions"])
    judged_anyway = name == "hostclaim-proxy-others"
    assert others == ([] if judged_anyway else ["!request.?dryRun.orValue(false)"])


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_judged_is_refused(name: str) -> None:
    assert policy(name)["failurePolicy"] == "Fail"


@pytest.mark.parametrize("name", NAMES)
def test_no_namespace_or_label_is_left_out(name: str) -> None:
    constraints = policy(name)["matchConstraints"]
    assert constraints.keys() == {"matchPolicy", "resourceRules"}


@pytest.mark.parametrize("name", NAMES)
def test_each_refusal_says_what_is_wrong(name: str) -> None:
    validations = policy(name)["validations"]
    assert all(one["message"] and one["reason"] == "Forbidden" for one in validations)


def test_secrets_are_judged_by_the_stamp_and_types_of_the_code() -> None:
    label = f"metadata.?labels[?'{STAMP}'].orValue('') == '{STAMPED}'"
    types = json.dumps(ALLOWED_TYPES).replace('"', "'")
    assert said("hostclaim-proxy-secrets").count(label) == 2
    assert types in said("hostclaim-proxy-secrets")


def test_claims_keep_the_finalizer_of_the_code() -> None:
    assert f"'{FINALIZER}' in variables.finalizers" in said("hostclaim-proxy-hostclaims")


@pytest.mark.parametrize("name", ["hostclaim-proxy-hostclaims", "hostclaim-proxy-secrets"])
def test_an_owner_is_a_claim_of_the_version_that_is_served(name: str) -> None:
    owner = f"owner.apiVersion == '{HOSTCLAIMS.api_version}' && owner.kind == '{HOSTCLAIMS.kind}'"
    assert owner in said(name)


def test_every_other_write_there_is_comes_before_a_policy() -> None:
    (rule,) = policy("hostclaim-proxy-others")["matchConstraints"]["resourceRules"]
    assert rule == {
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "operations": ["*"],
        "resources": ["*/*"],
    }


def test_what_the_last_policy_lets_through_another_one_judges() -> None:
    judged = [
        (*rule["apiGroups"], *rule["apiVersions"], *rule["resources"])
        for name in ("hostclaim-proxy-hostclaims", "hostclaim-proxy-secrets")
        for rule in policy(name)["matchConstraints"]["resourceRules"]
    ]
    assert judged == [(r.group, r.version, r.plural) for r in (HOSTCLAIMS, SECRETS)]
    through = said("hostclaim-proxy-others")
    assert through.count("request.resource.resource ==") == len(judged)
    for group, version, plural in judged:
        assert (
            f"request.resource.group == '{group}' && request.resource.version == '{version}' && "
            f"request.resource.resource == '{plural}'"
        ) in through
