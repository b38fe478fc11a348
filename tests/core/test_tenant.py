"""What lets a tenant in: documents that the proxy itself would take."""

from typing import Any

import pytest

from proxy.core import rights, tenant
from proxy.core.attributes import Verb
from proxy.core.policy import Effect, PolicySet, Role, parse
from proxy.core.rights import Account
from proxy.core.tenant import EntitledBy, Tenant
from tests.core.policy.documents import document
from tests.identities import make_identity

BLUE: dict[str, Any] = {
    "name": "blue",
    "client_id": "hostclaim-blue",
    "issuer": "corp",
    "namespaces": ("blue-dev", "blue-prod"),
    "group": "/tenants/blue",
}
ACCOUNT = Account("hostclaim-proxy", "hostclaim-proxy")


def blue(**overrides: Any) -> Tenant:
    return Tenant(**BLUE | overrides)


def rules_of(of: Tenant) -> PolicySet:
    found = parse([document(tenant.policy(of))])
    assert isinstance(found, PolicySet)
    return found


@pytest.mark.parametrize(
    ("of", "who", "stranger"),
    [
        (blue(), {"groups": ("/tenants/blue",)}, {"groups": ("/tenants/blue/guests",)}),
        (
            blue(by=EntitledBy.CLIENT, group=""),
            {"client": "hostclaim-blue", "groups": ()},
            {"client": "hostclaim-blu", "groups": ()},
        ),
    ],
)
def test_the_policy_lets_in_the_tenant_alone(
    of: Tenant, who: dict[str, Any], stranger: dict[str, Any]
) -> None:
    rules = rules_of(of).rules_for(make_identity(**who))
    assert rules.namespaces() == ("blue-dev", "blue-prod")
    assert rules.matching(Effect.ALLOW, "secrets", Verb.CREATE, "blue-prod")
    assert rules_of(of).rules_for(make_identity(**stranger)).namespaces() == ()


def test_a_viewer_writes_nothing() -> None:
    rules = rules_of(blue(role=Role.VIEWER)).rules_for(make_identity())
    assert rules.permissions("blue-dev") == {
        ("hostclaims", verb) for verb in (Verb.GET, Verb.LIST, Verb.WATCH)
    }


def test_a_tenant_that_the_iam_entitles_needs_no_policy() -> None:
    assert tenant.policy(blue(by=EntitledBy.PERMISSIONS, group="")) is None


@pytest.mark.parametrize("of", [blue(), blue(by=EntitledBy.PERMISSIONS, group="")])
def test_the_proxy_is_given_what_it_needs_for_the_tenant_where_it_is(of: Tenant) -> None:
    role, binding, *others = tenant.bindings(of, ACCOUNT)
    assert [m["metadata"]["namespace"] for m in (role, binding, *others)] == [
        *["blue-dev"] * 2,
        *["blue-prod"] * 2,
    ]
    needed = rights.needed(rules_of(blue()), "blue-dev")
    assert role["rules"] == rights.manifests(needed, "blue-dev", ACCOUNT)[0]["rules"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "namespace": "hostclaim-proxy", "name": "hostclaim-proxy"}
    ]


def test_rights_for_two_tenants_of_a_namespace_stand_side_by_side() -> None:
    role, binding, *_ = tenant.bindings(blue(), ACCOUNT)
    other, *_ = tenant.bindings(blue(name="green"), ACCOUNT)
    assert role["metadata"]["name"] == binding["metadata"]["name"] == binding["roleRef"]["name"]
    assert role["metadata"]["name"] != other["metadata"]["name"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"name": "Blue"}, "`Blue` is not a name of RFC 1123"),
        ({"namespaces": ()}, "give 1 to 100 namespaces"),
        ({"namespaces": tuple(f"ns-{n}" for n in range(101))}, "give 1 to 100 namespaces"),
        ({"namespaces": ("blue-*",)}, r"`blue-\*` is not the name of a namespace"),
        ({"namespaces": ("blue", "blue")}, "a namespace is given twice"),
        ({"group": ""}, "a group goes with a tenant that is entitled by one"),
        ({"by": EntitledBy.CLIENT}, "a group goes with a tenant that is entitled by one"),
        ({"group": "tenants/blue"}, "is not the path of a group, such as /tenants/blue"),
        ({"group": "/tenants//blue"}, "is not the path of a group"),
        ({"group": "/"}, "is not the path of a group"),
        ({"group": "/tenants/ blue"}, "is not the path of a group"),
        ({"group": "/tenants/../admins"}, "is not the path of a group"),
        ({"group": "/tenants/./blue"}, "is not the path of a group"),
        ({"group": "/tenants/a~/blue"}, "is not the path of a group"),
        ({"group": "/tenants/blue\x1b[2J"}, "is not the path of a group"),
        ({"issuer": "system:corp"}, "spec.subjects"),
        ({"by": EntitledBy.CLIENT, "group": "", "client_id": ""}, "spec.subjects"),
    ],
)
def test_what_no_document_could_hold_is_refused(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        blue(**overrides)
