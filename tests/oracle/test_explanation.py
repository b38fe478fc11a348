"""`policy explain` and the running proxy, asked the same at random; they never differ.

One is asked about somebody who is described, in words, as on a command line; the other is sent
the request with a token. Compared are the decision and the rule, as the audit record names it.
"""

import os
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from proxy.core.attributes import PATCH_TYPES
from proxy.core.explanation import explain, question
from proxy.core.policy import ClaimGrant, ClaimGrants, Combination, Combine, Role
from proxy.core.supposed import Supposed, identify
from tests.oracle import strategies
from tests.oracle.questions import Caller, Object, Request
from tests.oracle.test_machine import PROFILES
from tests.oracle.world import NAMESPACES, POOLS, VAULT, World, compiled, path_of

MOSTLY = ["blue", "blue-dev"] * 3
ORACLE = os.environ.get("ORACLE", "")
EXAMPLES = {"": 300, "full": 10_000}
METHODS = {
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETE",
}
OF_COLLECTIONS = {"list", "watch", "create", "deletecollection"}
PEOPLE = st.builds(
    Caller,
    issuer=st.sampled_from([*["corp"] * 5, "lab"]),
    username=st.sampled_from(["alice", "bob"]),
    groups=st.lists(
        st.sampled_from(["/tenants/blue", "/tenants/red"]), unique=True, min_size=1
    ).map(tuple),
    client=st.sampled_from(["", "capm3", "kubectl"]),
    claims=st.dictionaries(
        st.just("spaces"),
        st.lists(st.sampled_from([*NAMESPACES, "blue-*", "kube-system"]), min_size=1).map(tuple),
    ),
)
# What a claim grants, beside the policies or only together with them.
CLAIMED = st.builds(
    ClaimGrant,
    issuer=st.just("corp"),
    claim=st.just("spaces"),
    pattern=st.just("{namespace}"),
    role=st.sampled_from(Role),
    within=st.sampled_from([("*",), ("blue-*", "red")]),
)
COMBINATIONS = st.none() | st.builds(
    lambda how, grant: Combination(how, ClaimGrants([grant])), st.sampled_from(Combine), CLAIMED
)
ACCOUNTS = st.sampled_from(["capm3/manager", "capm3/other"]).map(
    lambda account: Caller(
        "mgmt", f"serviceaccount:{account.replace('/', ':')}", service_account=account
    )
)


@dataclass(frozen=True)
class Asked:
    """A question in words, as somebody types it."""

    verb: str
    resource: str
    namespace: str | None
    name: str | None
    subresource: str = ""
    patch: str = ""

    def request(self) -> Request:
        """The request that it is about, as a client sends it."""
        name = self.name or ""
        path = path_of(self.resource, self.namespace or "", name)
        path += f"/{self.subresource}" if self.subresource else ""
        headers: tuple[tuple[str, str], ...] = ()
        if self.patch:
            headers = (("Content-Type", PATCH_TYPES[self.patch].value),)
        elif self.verb in {"create", "update"}:
            headers = (("Content-Type", "application/json"),)
        query = "?watch=true" if self.verb == "watch" else ""
        query = "?fieldManager=me" if self.patch == "apply" else query
        body = b"{}" if self.verb in {"create", "update", "patch"} else b""
        return Request(METHODS.get(self.verb, "GET"), path + query, headers, body)


@st.composite
def questions(draw: st.DrawFn) -> Asked:
    resource = draw(st.sampled_from(["hostclaims", "hostclaims", "secrets", "hardwaredata"]))
    verb = draw(st.sampled_from(strategies.VERBS))
    spanning = verb in {"list", "watch"} and draw(st.integers(0, 3)) == 0
    namespace = None if spanning else draw(st.sampled_from([*NAMESPACES, *MOSTLY, *POOLS, VAULT]))
    name = None if verb in OF_COLLECTIONS else draw(strategies.names)
    status = resource == "hostclaims" and verb in {"get", "update", "patch"}
    subresource = "status" if status and draw(st.integers(0, 4)) == 0 else ""
    served = (
        list(PATCH_TYPES) if resource == "secrets" else [p for p in PATCH_TYPES if p != "strategic"]
    )
    patch = draw(st.sampled_from(served)) if verb == "patch" else ""
    return Asked(verb, resource, namespace, name, subresource, patch)


def as_told(caller: Caller) -> Supposed:
    """Somebody as the options of a command describe them."""
    if caller.service_account:
        return Supposed(issuer=caller.issuer, service_account=caller.service_account)
    return Supposed(
        issuer=caller.issuer,
        username=caller.username,
        groups=caller.groups,
        client=caller.client,
        claims=caller.claims,
    )


def answered(
    documents: list[Object], combination: Combination | None, caller: Caller, request: Request
) -> dict[str, Any]:
    """What the proxy does: its code, what it sent upstream, and its record."""
    world = World({"token": caller}, combination)
    try:
        world.become(documents)
        served = world.serve("token", request)
        sent = len(served.sent)
        if not served.task.done():
            world.leave(served)
        [record] = world.audit.events
    finally:
        world.close()
    return {"code": served.client.code, "sent": sent, **record["annotations"]}


@pytest.mark.timeout(3600)
@settings(PROFILES[ORACLE], max_examples=EXAMPLES[ORACLE])
@given(strategies.policies(), COMBINATIONS, PEOPLE | PEOPLE | PEOPLE | ACCOUNTS, questions())
def test_explain_says_what_the_proxy_does(
    documents: list[Object], combination: Combination | None, caller: Caller, asked: Asked
) -> None:
    request = question(
        asked.verb,
        asked.resource,
        asked.namespace,
        name=asked.name,
        subresource=asked.subresource,
        patch=asked.patch,
    )
    who, rules = identify(as_told(caller)), compiled(documents)
    said = explain(who, request, rules, combination or Combination())
    event("allowed" if said.allowed else "denied" if said.made_by else "not granted")
    did = answered(documents, combination, caller, asked.request())
    named = did["authorization.k8s.io/reason"]
    if said.allowed:
        assert did["authorization.k8s.io/decision"] == "allow", named
        assert named == "; ".join(str(rule.origin) for rule in said.made_by)
    else:
        assert did["authorization.k8s.io/decision"] == "forbid", named
        origins = [str(rule.origin) for rule in said.made_by[:1]]
        assert named == "; ".join([said.decision.reason, *origins])
        assert (did["code"], did["sent"]) == (403, 0)
