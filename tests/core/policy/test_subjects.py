"""Whom rules concern: subjects by kind and issuer, namespaces by claim."""

from dataclasses import replace
from typing import Any

import pytest

from proxy.core.identity import Identity
from proxy.core.policy import PolicySet
from tests.core.policy.documents import Looked, policies, policy
from tests.identities import make_identity


@pytest.mark.parametrize(
    ("subject", "identity"),
    [
        ({"group": "/tenants/blue"}, make_identity()),
        ({"user": "alice"}, make_identity()),
        ({"client": "capm3"}, make_identity(client="capm3")),
        ({"serviceAccount": "capm3/manager"}, make_identity(service_account="capm3/manager")),
        ({"everyone": True}, make_identity(groups=())),
    ],
)
def test_a_subject_is_found_by_its_own_kind_and_issuer_only(
    subject: dict[str, Any], identity: Identity
) -> None:
    grant = {"namespaces": ["blue"], "role": "viewer"}
    ours = policies(policy(subjects=[{"issuer": "corp", **subject}], allow=[grant]))
    theirs = policies(policy(subjects=[{"issuer": "other", **subject}], allow=[grant]))
    nobody = make_identity(username="x", groups=("alice", "capm3", ""), client="/tenants/blue")
    assert ours.rules_for(identity).namespaces() == ("blue",)
    assert theirs.rules_for(identity).namespaces() == ()
    assert (ours.rules_for(nobody).namespaces() == ()) == ("everyone" not in subject)


def test_subjects_are_gone_through_once_however_many_rules_they_have() -> None:
    [one] = policies(policy(allow=[{"namespaces": ["blue"], "role": "viewer"}]))
    subjects = Looked(one.subjects)
    many = replace(one, subjects=subjects)
    assert len(PolicySet([many] * 100).rules_for(make_identity()).granted()["blue"]) == 1
    assert subjects.times == 1


def test_rules_of_the_same_subjects_may_stand_apart() -> None:
    other, grant = {"issuer": "corp", "user": "bob"}, {"namespaces": ["blue"], "role": "viewer"}
    [one] = policies(policy(allow=[grant]))
    [apart] = policies(policy(subjects=[other], allow=[grant]))
    red = replace(one, rule=replace(one.rule, namespaces=("red",)))
    found = PolicySet([one, apart, red])
    assert found.rules_for(make_identity()).namespaces() == ("blue", "red")


def test_somebody_whom_two_subjects_fit_has_each_rule_once() -> None:
    subjects = [{"issuer": "corp", "user": "alice"}, {"issuer": "corp", "everyone": True}]
    grant = {"namespaces": ["blue"], "role": "viewer"}
    found = policies(policy(subjects=subjects, allow=[grant]))
    assert len(found) == 1
    assert found.rules_for(make_identity()).namespaces() == ("blue",)


def claimed(*names: str, **grant: Any) -> tuple[str, ...]:
    """The namespaces that a token with these names in a claim reaches."""
    grant = {"namespacesFromClaim": "ns", "role": "viewer", **grant}
    identity = make_identity(claims={"ns": names})
    return policies(policy(allow=[grant])).rules_for(identity).namespaces()


def test_a_claim_grants_the_namespaces_that_it_lists() -> None:
    assert claimed("blue-dev", "red") == ("blue-dev", "red")


def test_a_token_without_the_claim_is_granted_nothing() -> None:
    assert claimed() == ()
    grant = {"namespacesFromClaim": "other", "role": "viewer"}
    assert policies(policy(allow=[grant])).rules_for(make_identity()).namespaces() == ()


@pytest.mark.parametrize("name", ["*", "blue-*", "Blue", "", "a.b", "a b", "kube-system", "a" * 64])
def test_a_claimed_namespace_that_is_none_grants_nothing(name: str) -> None:
    assert claimed(name, "blue") == ("blue",)


def test_namespaces_bound_what_a_claim_grants() -> None:
    assert claimed("blue-dev", "red", "blue", namespaces=["blue-*", "blue"]) == ("blue", "blue-dev")


def test_what_a_claim_grants_a_denial_takes() -> None:
    grant = {"namespacesFromClaim": "ns", "role": "editor"}
    tree = policy(allow=[grant], deny=[{"namespaces": ["blue-*"]}])
    identity = make_identity(claims={"ns": ("blue-prod", "red")})
    assert policies(tree).rules_for(identity).namespaces() == ("red",)
