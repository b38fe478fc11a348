"""The refresher on a real apiserver and a real Keycloak.

What it may write there, whatever its token is used for; and that it renews a token by
itself, before the token expires.
"""

import asyncio
import base64
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.demo import files
from proxy.demo.provision import Admin
from proxy.refresher import credentials, order, service
from proxy.refresher.config import Config
from proxy.refresher.schedule import Lifetime, lifetime_of
from tests.deploy.rendered import DEPLOY
from tests.e2e.world import eventually
from tests.real.cluster import Running
from tests.real.keycloak import Keycloak
from tests.real.kubectl import Kubectl, KubectlError
from tests.real.test_admission import APPLY, FORCED, JSON_PATCH, MERGE, Proxy, Sent, thing
from tests.refresher.worlds import PROXY, kubeconfig

HOME = "hostclaim-proxy-refresh"
NAMESPACE = "blue-clusters"
CORE = f"/api/v1/namespaces/{NAMESPACE}"
SECRETS = f"{CORE}/secrets"
ONE, BARE = f"{SECRETS}/one", f"{SECRETS}/bare"
LEASES = "/apis/coordination.k8s.io/v1/namespaces"
SECONDS = 60
LIFETIME = 35

NOT_ASKED = "nobody asked for a token"
DATA = "data may change in the key of the kubeconfig alone"
NOTES = "may change in the notes of the refresher alone"
REST = "labels, finalizers, ownerReferences and immutable may not change"
NOTHING_ELSE = "and nothing else"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def annotated(**annotations: str | None) -> dict[str, Any]:
    return {"metadata": {"annotations": annotations}}


def lease(name: str = "other", **spec: Any) -> Any:
    return thing("Lease", "coordination.k8s.io/v1", name=name, spec=spec)


FORBIDDEN = (
    Sent("PATCH", BARE, {"data": {"value": "eA=="}}, NOT_ASKED, MERGE),
    Sent("PATCH", BARE, {"metadata": {"labels": {order.LABEL: "true"}}}, NOT_ASKED, MERGE),
    Sent("PATCH", f"{BARE}{FORCED}", thing("Secret", name="bare"), NOT_ASKED, APPLY),
    Sent("PATCH", ONE, {"data": {"other": "eQ=="}}, DATA, MERGE),
    Sent("PATCH", ONE, {"data": {"new": "eA=="}}, DATA, MERGE),
    Sent("PATCH", ONE, {"data": {"other": None}}, DATA, MERGE),
    Sent("PATCH", ONE, {"stringData": {"other": "y"}}, DATA, MERGE),
    Sent("PATCH", ONE, [{"op": "remove", "path": "/data/value"}], DATA, JSON_PATCH),
    Sent("PATCH", f"{SECRETS}/named", {"data": {"value": "eQ=="}}, DATA, MERGE),
    Sent("PATCH", ONE, annotated(theirs="x"), NOTES, MERGE),
    Sent("PATCH", ONE, annotated(theirs=None), NOTES, MERGE),
    Sent("PATCH", ONE, annotated(**{order.FROM: "secret/x"}), NOTES, MERGE),
    Sent("PATCH", ONE, annotated(**{order.KEY: "other"}), NOTES, MERGE),
    Sent("PATCH", ONE, {"metadata": {"annotations": None}}, NOTES, MERGE),
    Sent("PATCH", ONE, {"metadata": {"labels": {"a": "b"}}}, REST, MERGE),
    Sent("PATCH", ONE, {"metadata": {"labels": None}}, REST, MERGE),
    Sent("PATCH", ONE, {"metadata": {"finalizers": ["a.b/c"]}}, REST, MERGE),
    Sent("PATCH", ONE, {"immutable": True}, REST, MERGE),
    Sent("POST", SECRETS, thing("Secret"), NOTHING_ELSE),
    Sent("DELETE", ONE, None, NOTHING_ELSE),
    Sent("DELETE", SECRETS, None, NOTHING_ELSE),
    Sent("POST", f"{CORE}/configmaps", thing("ConfigMap"), NOTHING_ELSE),
    Sent(
        "POST",
        f"{CORE}/serviceaccounts/robot/token",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
        NOTHING_ELSE,
    ),
    Sent("POST", f"{LEASES}/{NAMESPACE}/leases", lease(), NOTHING_ELSE),
    Sent("DELETE", f"{LEASES}/{HOME}/leases/first", None, NOTHING_ELSE),
)

ALLOWED = (
    Sent("PATCH", ONE, {"data": {"value": "eA=="}}, media=MERGE),
    Sent("PATCH", f"{SECRETS}/named", {"data": {"my.conf": "eA=="}}, media=MERGE),
    Sent("PATCH", ONE, annotated(**{order.ERROR: "away", order.EXPIRES_AT: "then"}), media=MERGE),
    Sent("PATCH", ONE, annotated(**{order.ERROR: None, order.REFRESHED_AT: "now"}), media=MERGE),
    Sent("POST", f"{LEASES}/{HOME}/leases", lease("second", holderIdentity="a")),
    Sent("PATCH", f"{LEASES}/{HOME}/leases/second", {"spec": {"holderIdentity": ""}}, media=MERGE),
)


@pytest.fixture(scope="module")
def account(running: Running, admin: Kubectl) -> Iterator[Proxy]:
    """Whoever has the refresher's token, in a cluster as `deploy/refresh` makes it."""
    admin.run("create", "namespace", NAMESPACE)
    admin.run("apply", "--server-side", "-k", str(DEPLOY / "refresh"))
    labels = {order.LABEL: "true"}
    theirs = {"theirs": "y", order.FROM: "secret/iam"}
    data = {"value": encoded(kubeconfig()), "other": "eA==", "my.conf": "eA=="}
    asks = {"labels": labels, "annotations": theirs}
    named = {"labels": labels, "annotations": {**theirs, order.KEY: "my.conf"}}
    objects = [
        thing("Secret", name="one", metadata=asks, data=data),
        thing("Secret", name="named", metadata=named, data=data),
        thing("Secret", name="bare", data=data),
        thing("ServiceAccount", name="robot"),
    ]
    items = {"apiVersion": "v1", "kind": "List", "items": objects}
    admin.run("create", f"--namespace={NAMESPACE}", "-f", "-", manifest=items)
    admin.run("create", f"--namespace={HOME}", "-f", "-", manifest=lease("first"))
    yield Proxy(running.access, asyncio.run(_token(running)), admin)
    admin.run("delete", "--wait=false", "-k", str(DEPLOY / "refresh"))
    admin.run("delete", "namespace", NAMESPACE, "--wait=false")


async def _token(running: Running) -> str:
    async with Admin(running.access) as admin:
        return await admin.token(HOME, HOME)


@pytest.fixture(scope="module")
def cluster_admin(account: Proxy) -> Iterator[Proxy]:
    """The same, where RBAC lets that account do anything, and the policies are in force."""
    bound = ("--clusterrole=cluster-admin", f"--serviceaccount={HOME}:{HOME}")
    account.admin.run("create", "clusterrolebinding", "refresh-far-too-much", *bound)
    _in_force(account)
    yield account
    account.admin.run("delete", "clusterrolebinding", "refresh-far-too-much")


def _in_force(account: Proxy) -> None:
    labels = {"metadata": {"labels": {"probe": "x"}}}
    for target in (BARE, f"/api/v1/namespaces/{HOME}"):
        eventually(partial(_refuses, account, Sent("PATCH", target, labels, media=MERGE)), target)


def _refuses(account: Proxy, sent: Sent) -> bool:
    return "ValidatingAdmissionPolicy" in account.send(sent)[1].get("message", "")


def versions(admin: Kubectl) -> dict[str, str]:
    items = admin.get("secrets,configmaps", f"--namespace={NAMESPACE}")["items"]
    return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in items}


def test_in_a_namespace_it_was_bound_in_it_makes_and_deletes_no_secret(account: Proxy) -> None:
    who = f"--as=system:serviceaccount:{HOME}:{HOME}"
    for verb, allowed in {"get": True, "list": True, "watch": True, "patch": True}.items():
        assert _can(account.admin, verb, "secrets", who, f"-n{NAMESPACE}") is allowed
    for verb in ("create", "update", "delete", "deletecollection"):
        assert not _can(account.admin, verb, "secrets", who, f"-n{NAMESPACE}")
    for verb in ("get", "list", "watch", "patch"):
        assert not _can(account.admin, verb, "secrets", who, f"-n{HOME}")


def _can(admin: Kubectl, *question: str) -> bool:
    try:
        return admin.run("auth", "can-i", *question).strip() == "yes"
    except KubectlError:
        return False


@pytest.mark.parametrize("sent", FORBIDDEN, ids=str)
def test_what_it_would_not_write_its_token_cannot(cluster_admin: Proxy, sent: Sent) -> None:
    before = versions(cluster_admin.admin)
    code, answer = cluster_admin.send(sent)
    assert (code, answer["reason"]) == (403, "Forbidden"), answer
    assert "ValidatingAdmissionPolicy" in answer["message"]
    assert sent.says in answer["message"]
    assert versions(cluster_admin.admin) == before


def test_what_it_sends_is_let_through(cluster_admin: Proxy) -> None:
    for sent in ALLOWED:
        code, answer = cluster_admin.send(sent)
        assert code in {200, 201}, (str(sent), answer)


async def test_a_token_of_keycloak_is_renewed_before_it_expires(
    account: Proxy, keycloak: Keycloak, tmp_path: Path
) -> None:
    """It takes half of a minute: no token that lives shorter is taken at all."""
    client = {
        "clientId": "short-lived",
        "secret": "s3cret",
        "serviceAccountsEnabled": True,
        "standardFlowEnabled": False,
        "attributes": {"access.token.lifespan": str(LIFETIME)},
    }
    realm = keycloak.issuer.rpartition("/")[2]
    await keycloak.admin("POST", f"/realms/{realm}/clients", client)
    data = {"issuer-url": keycloak.issuer, "client-id": "short-lived", "client-secret": "s3cret"}
    iam = thing(
        "Secret",
        name="iam",
        metadata={"labels": {credentials.LABEL: "true"}},
        stringData=data,
    )
    account.admin.run("create", f"--namespace={NAMESPACE}", "-f", "-", manifest=iam)
    access = account.access
    text = files.kubeconfig(access.server, access.ca_file, {"token": account.token}, name="us")
    (tmp_path / "kubeconfig").write_text(text)
    config = Config(
        namespaces=(NAMESPACE,),
        proxies=(PROXY,),
        issuers=(keycloak.issuer,),
        ca_file=keycloak.ca_file,
        kubeconfig=tmp_path / "kubeconfig",
        lease=(HOME, HOME),
        port=0,
    )
    patch = json.dumps({"data": {"value": encoded(kubeconfig())}})
    account.admin.run(
        "patch", "secret", "one", f"-n{NAMESPACE}", "--type=merge", f"--patch={patch}"
    )
    told = asyncio.Event()
    task = asyncio.create_task(service.run(config, told))
    async with asyncio.timeout(2 * SECONDS), Admin(access) as admin:
        first = await _lifetime_after(admin, 0)
        second = await _lifetime_after(admin, first.begins)
    told.set()
    assert await task
    assert first.ends - first.begins == LIFETIME
    assert first.begins + LIFETIME / 2 < second.begins < first.ends


async def _lifetime_after(admin: Admin, moment: float) -> Lifetime:
    """The lifetime of a token that was given after a moment, as soon as it is there."""
    while True:
        found = await admin.request("GET", ONE)
        text = base64.b64decode(found["data"]["value"])
        lifetime = lifetime_of(yaml.safe_load(text)["users"][0]["user"]["token"])
        if lifetime is not None and lifetime.begins > moment:
            return lifetime
        await asyncio.sleep(0.2)
