"""Which tokens of a management cluster are a service account's, and what they are worth."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core import serviceaccount
from proxy.core.errors import Unauthenticated
from proxy.core.identity import (
    Identity,
    IssuerRules,
    OidcNaming,
    ServiceAccountNaming,
    SignedClaims,
    identify,
)
from proxy.core.serviceaccount import ServiceAccount
from tests.core.policy.documents import policies, policy

NOW = 1_800_000_000.0
URL = "https://kubernetes.default.svc.cluster.local"
POD_BOUND: dict[str, Any] = {
    "aud": ["hostclaim-proxy"],
    "exp": int(NOW) + 3600,
    "iat": int(NOW),
    "iss": URL,
    "jti": "5a1c7f0e-6d0c-4c0e-9a53-0f8a0a2f4d11",
    "kubernetes.io": {
        "namespace": "capm3-system",
        "node": {"name": "worker-1", "uid": "0c1b"},
        "pod": {"name": "capm3-manager-7d9f-x2x", "uid": "a72d"},
        "serviceaccount": {"name": "capm3-manager", "uid": "b81e"},
        "warnafter": int(NOW) + 3607,
    },
    "nbf": int(NOW),
    "sub": "system:serviceaccount:capm3-system:capm3-manager",
}
"""What a kube-apiserver says of the service account of a pod."""

LEGACY: dict[str, Any] = {
    "iss": "kubernetes/serviceaccount",
    "kubernetes.io/serviceaccount/namespace": "capm3-system",
    "kubernetes.io/serviceaccount/secret.name": "capm3-manager-token-pnj77",
    "kubernetes.io/serviceaccount/service-account.name": "capm3-manager",
    "kubernetes.io/serviceaccount/service-account.uid": "b81e",
    "sub": "system:serviceaccount:capm3-system:capm3-manager",
}
"""What lay in the secret of every service account, before TokenRequest."""


def rules(**overrides: Any) -> IssuerRules:
    usual: dict[str, Any] = {"name": "green-cluster", "url": URL, "audiences": ("hostclaim-proxy",)}
    return IssuerRules(**usual | {"naming": ServiceAccountNaming()} | overrides)


def read(claims: dict[str, Any], issuer: IssuerRules | None = None) -> Identity:
    header = {"alg": "RS256", "kid": "k1"}
    return identify(issuer or rules(), SignedClaims(header, claims, "d1"), NOW)


def private(**overrides: Any) -> dict[str, Any]:
    """The claims of the pod, but for some of `kubernetes.io`."""
    return {**POD_BOUND, "kubernetes.io": {**POD_BOUND["kubernetes.io"], **overrides}}


def test_a_token_of_a_pod_is_its_service_account() -> None:
    capm3 = read(POD_BOUND)
    assert capm3.service_account == "capm3-system/capm3-manager"
    assert capm3.username == "serviceaccount:capm3-system:capm3-manager"
    assert capm3.display == "green-cluster:serviceaccount:capm3-system:capm3-manager"
    assert capm3.subject == POD_BOUND["sub"]
    assert capm3.token_id == POD_BOUND["jti"]


@pytest.mark.parametrize("bound_to", [{}, {"secret": {"name": "x", "uid": "y"}}])
def test_a_token_need_not_be_bound_to_a_pod(bound_to: dict[str, Any]) -> None:
    account = {"name": "capm3-manager", "uid": "b81e"}
    said = {"namespace": "capm3-system", "serviceaccount": account, **bound_to}
    assert read({**POD_BOUND, "kubernetes.io": said}).service_account


def test_the_name_of_an_account_may_have_dots() -> None:
    claims = private(serviceaccount={"name": "capm3.manager"})
    claims["sub"] = "system:serviceaccount:capm3-system:capm3.manager"
    assert read(claims).service_account == "capm3-system/capm3.manager"


def test_nothing_else_that_a_cluster_signs_counts() -> None:
    forged = {"groups": ["/tenants/blue"], "azp": "blue-capm3", "email": "alice@blue.example"}
    capm3 = read({**POD_BOUND, **forged, "hostclaim_namespaces": ["blue-dev"]})
    assert (capm3.groups, capm3.client, dict(capm3.claims)) == ((), "", {})


@pytest.mark.parametrize(
    "subject",
    [
        "alice",
        "kubernetes-admin",
        "capm3-system:capm3-manager",
        "system:admin",
        "system:node:worker-1",
        "system:serviceaccounts:capm3-system:capm3-manager",
        "system:serviceaccount",
        "system:serviceaccount:",
        "system:serviceaccount:capm3-system",
        "system:serviceaccount:capm3-system:",
        "system:serviceaccount::capm3-manager",
        "system:serviceaccount:capm3-system:capm3-manager:x",
        "system:serviceaccount:capm3-system:capm3-manager\n",
        "system:serviceaccount:capm3-system: capm3-manager",
        "system:serviceaccount:capm3-system:CAPM3",
        "system:serviceaccount:capm3.system:capm3-manager",
        "system:serviceaccount:capm3-system/capm3-manager",
        "System:serviceaccount:capm3-system:capm3-manager",
        " system:serviceaccount:capm3-system:capm3-manager",
        f"system:serviceaccount:{'n' * 64}:capm3-manager",
        f"system:serviceaccount:capm3-system:{'n' * 254}",
    ],
)
def test_a_subject_that_is_no_service_account_is_refused(subject: str) -> None:
    with pytest.raises(Unauthenticated, match="`sub`"):
        read({**POD_BOUND, "sub": subject})


@pytest.mark.parametrize("subject", [None, 7, ["system:serviceaccount:a:b"]])
def test_a_subject_that_is_no_text_is_no_service_account(subject: object) -> None:
    with pytest.raises(Unauthenticated, match="`sub`"):
        serviceaccount.read({**POD_BOUND, "sub": subject})


@pytest.mark.parametrize(
    "claims",
    [
        private(namespace="kube-system"),
        private(namespace=None),
        private(namespace=["capm3-system"]),
        private(serviceaccount={"name": "default"}),
        private(serviceaccount={"uid": "b81e"}),
        private(serviceaccount="capm3-manager"),
        private(serviceaccount=None),
        {**POD_BOUND, "kubernetes.io": {}},
        {**POD_BOUND, "kubernetes.io": "capm3-system"},
        {**POD_BOUND, "kubernetes.io": None},
        {**POD_BOUND, "kubernetes": {"io": POD_BOUND["kubernetes.io"]}, "kubernetes.io": None},
        {**POD_BOUND, **LEGACY, "iss": URL, "kubernetes.io": None},
    ],
)
def test_claims_that_do_not_agree_name_nobody(claims: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated, match=r"claim `kubernetes\.io`"):
        read(claims)


def test_a_token_from_a_secret_is_refused() -> None:
    with pytest.raises(Unauthenticated):
        read(LEGACY)
    with pytest.raises(Unauthenticated, match="`aud`"):
        read(LEGACY, rules(url=LEGACY["iss"]))


@pytest.mark.parametrize(
    ("claim", "values"),
    [
        ("aud", [None, [], [URL], ["vault"], "https://kubernetes.default.svc"]),
        ("exp", [None, NOW - 3600, NOW + 365 * 86_400]),
        ("iat", [None, NOW + 3600]),
        ("nbf", [NOW + 3600]),
        ("iss", [None, "https://other"]),
        ("typ", ["Refresh"]),
    ],
)
def test_what_holds_for_every_token_holds_for_these(claim: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(Unauthenticated, match=f"`{claim}`|expired|at most"):
            read({**POD_BOUND, claim: value})


def test_a_required_claim_may_bound_a_cluster_to_some_namespace() -> None:
    only = rules(required_claims={r"kubernetes\.io.namespace": "capi-system"})
    with pytest.raises(Unauthenticated, match="required here"):
        read(POD_BOUND, only)


def test_a_token_for_the_clusters_own_apiserver_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="issuer `green-cluster`: audiences must not hold its url"):
        rules(audiences=("hostclaim-proxy", URL))
    assert IssuerRules(name="corp", url=URL, audiences=(URL,)).naming == OidcNaming()


def test_an_oidc_provider_names_no_service_account() -> None:
    oidc = rules(naming=OidcNaming())
    with pytest.raises(Unauthenticated, match="begins with `system:`"):
        read(POD_BOUND, oidc)
    alias = "serviceaccount:capm3-system:capm3-manager"
    assert read({**POD_BOUND, "sub": alias}, oidc).service_account == ""


@pytest.mark.parametrize(
    ("subject", "concerned"),
    [
        ({"serviceAccount": "capm3-system/capm3-manager"}, True),
        ({"serviceAccount": "capm3-system/default"}, False),
        ({"user": "serviceaccount:capm3-system:capm3-manager"}, True),
        ({"user": "capm3-manager"}, False),
        ({"group": "/tenants/blue"}, False),
        ({"client": "blue-capm3"}, False),
        ({"everyone": True}, True),
    ],
)
def test_a_policy_finds_a_service_account_by_its_own_name(
    subject: dict[str, Any], *, concerned: bool
) -> None:
    capm3 = read({**POD_BOUND, "groups": ["/tenants/blue"], "azp": "blue-capm3"})
    grant = {"namespaces": ["green"], "role": "editor"}
    for issuer, fits in (("green-cluster", concerned), ("corp", False)):
        written = policy(subjects=[{"issuer": issuer, **subject}], allow=[grant])
        assert bool(policies(written).rules_for(capm3).namespaces()) == fits


def test_no_cluster_claims_its_own_namespaces() -> None:
    grant = {"namespacesFromClaim": "hostclaim_namespaces", "role": "editor"}
    written = policy(subjects=[{"issuer": "green-cluster", "everyone": True}], allow=[grant])
    capm3 = read({**POD_BOUND, "hostclaim_namespaces": ["blue-dev"]})
    assert policies(written).rules_for(capm3).namespaces() == ()


NAMES = st.from_regex(r"\A[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?\Z")


@given(namespace=NAMES, name=NAMES)
def test_every_account_of_a_cluster_is_read_as_itself(namespace: str, name: str) -> None:
    claims = private(namespace=namespace, serviceaccount={"name": name})
    claims["sub"] = f"system:serviceaccount:{namespace}:{name}"
    assert serviceaccount.read(claims) == ServiceAccount(namespace, name)


@given(st.text(alphabet="syetm:rvicaoun-./ \n\u017f", max_size=60))
def test_no_other_subject_is_read(subject: str) -> None:
    with pytest.raises(Unauthenticated):
        serviceaccount.read({**POD_BOUND, "sub": subject})
