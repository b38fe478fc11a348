"""The cluster holds the proxy to its promise, whatever its token is used for.

Everything here is sent with the proxy's own token, straight to the apiserver, and RBAC
lets that token do anything: what is refused, the admission policies refuse.
"""

import asyncio
import json
import ssl
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from proxy.core.attributes import PatchType
from proxy.core.narrowing import STAMP
from proxy.demo.access import ClusterAccess
from tests.deploy.rendered import DEPLOY
from tests.real import admission, cluster, crds, gate
from tests.real.kubectl import Kubectl, kubeconfig
from tests.real.parts import KUBECTL

HOME = "hostclaim-proxy"
ACCOUNT = f"{HOME}:hostclaim-proxy"
CORE = "/api/v1/namespaces/blue-dev"
SECRETS = f"{CORE}/secrets"
METAL3 = "/apis/metal3.io/v1alpha1/namespaces/blue-dev"
CLAIMS = f"{METAL3}/hostclaims"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
STAMP_PATH = f"/metadata/labels/{STAMP.replace('/', '~1')}"

JSON = "application/json"
MERGE = PatchType.MERGE.value
JSON_PATCH = PatchType.JSON.value
STRATEGIC = PatchType.STRATEGIC.value
APPLY = PatchType.APPLY.value
FORCED = "?fieldManager=test&force=true"

STAMPED = {"labels": {STAMP: "true"}}
FINALIZER = "metal3.io/hostclaim"
A_POD = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u-1"}
A_CLAIM = {**A_POD, "apiVersion": "metal3.io/v1alpha1", "kind": "HostClaim", "name": "owner"}


def thing(kind: str, api_version: str = "v1", *, name: str = "new", **fields: Any) -> Any:
    metadata = {"name": name, **fields.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def secret(name: str = "new", *, metadata: Any = STAMPED, **fields: Any) -> Any:
    return thing("Secret", name=name, metadata=metadata, **fields)


def claim(name: str = "new", *, metadata: Any = None, **spec: Any) -> Any:
    spec = {"poweredOn": True, **spec}
    return thing("HostClaim", "metal3.io/v1alpha1", name=name, metadata=metadata or {}, spec=spec)


def binding(kind: str) -> Any:
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"}
    return thing(kind, "rbac.authorization.k8s.io/v1", roleRef=role)


class Sent(NamedTuple):
    """One request, and what the refusal of it says."""

    method: str
    target: str
    body: Any = None
    says: str = "and nothing else"
    media: str = JSON

    def __str__(self) -> str:
        kind = "" if self.media == JSON else f" {self.media.partition('/')[2]}"
        return f"{self.method} {self.target}{kind} ({self.says})"


NOT_A_TENANTS = "it is not a tenant's"
UNSTAMPED = f"must have {STAMP}=true"
WRONG_TYPE = "type must be Opaque or"
FOREIGN_OWNER = "may name HostClaims"
OTHER_NAMESPACE = "must be the claim's own namespace"
KEEPS = f"must keep {FINALIZER}"
ADDED = f"none added but {FINALIZER}"
ELSEWHERE = {"name": "user-data", "namespace": "red"}
BMC, OURS, BOUND = f"{SECRETS}/bmc", f"{SECRETS}/ours", f"{CLAIMS}/bound"

FORBIDDEN_SECRETS = (
    Sent("POST", SECRETS, secret(metadata={}), UNSTAMPED),
    Sent("POST", SECRETS, secret(metadata={"labels": {STAMP: "false"}}), UNSTAMPED),
    Sent("PATCH", f"{SECRETS}/new{FORCED}", secret(metadata={}), UNSTAMPED, APPLY),
    Sent(
        "POST",
        SECRETS,
        secret(
            metadata={**STAMPED, "annotations": {"kubernetes.io/service-account.name": "sa"}},
            type="kubernetes.io/service-account-token",
        ),
        WRONG_TYPE,
    ),
    Sent(
        "POST",
        SECRETS,
        secret(type="kubernetes.io/tls", data={"tls.crt": "", "tls.key": ""}),
        WRONG_TYPE,
    ),
    Sent("POST", SECRETS, secret(type="example.com/anything"), WRONG_TYPE),
    Sent("PATCH", f"{SECRETS}/registry", {"metadata": {"labels": {"a": "b"}}}, WRONG_TYPE, MERGE),
    Sent("POST", SECRETS, secret(metadata={**STAMPED, "ownerReferences": [A_POD]}), FOREIGN_OWNER),
    Sent("PATCH", OURS, {"metadata": {"ownerReferences": [A_POD]}}, FOREIGN_OWNER, MERGE),
    Sent(
        "PATCH",
        f"{SECRETS}/owned",
        [{"op": "replace", "path": "/metadata/ownerReferences/0/uid", "value": "u-2"}],
        FOREIGN_OWNER,
        JSON_PATCH,
    ),
    Sent("PUT", BMC, secret("bmc", metadata={}), NOT_A_TENANTS),
    Sent("PUT", BMC, secret("bmc"), NOT_A_TENANTS),
    Sent("PATCH", BMC, {"data": {"password": "eA=="}}, NOT_A_TENANTS, MERGE),
    Sent("PATCH", BMC, {"metadata": STAMPED}, NOT_A_TENANTS, STRATEGIC),
    Sent(
        "PATCH",
        BMC,
        [{"op": "add", "path": "/metadata/labels", "value": {STAMP: "true"}}],
        NOT_A_TENANTS,
        JSON_PATCH,
    ),
    Sent("PATCH", f"{BMC}{FORCED}", secret("bmc"), NOT_A_TENANTS, APPLY),
    Sent("DELETE", BMC, None, NOT_A_TENANTS),
    Sent("DELETE", f"{SECRETS}?labelSelector=!{STAMP}", None, NOT_A_TENANTS),
    Sent("PUT", OURS, secret("ours", metadata={}), UNSTAMPED),
    Sent("PATCH", OURS, {"metadata": {"labels": None}}, UNSTAMPED, MERGE),
    Sent("PATCH", OURS, [{"op": "remove", "path": STAMP_PATH}], UNSTAMPED, JSON_PATCH),
)

FORBIDDEN_CLAIMS = (
    Sent("POST", CLAIMS, claim(userData=ELSEWHERE), OTHER_NAMESPACE),
    Sent("POST", CLAIMS, claim(networkData=ELSEWHERE), OTHER_NAMESPACE),
    Sent("POST", CLAIMS, claim(metaData=ELSEWHERE), OTHER_NAMESPACE),
    Sent("POST", CLAIMS, claim(metaData={"namespace": "red"}), OTHER_NAMESPACE),
    Sent(
        "POST",
        CLAIMS,
        claim(image={"url": "oci://example.com/i", "ociAuthSecretName": "pull"}),
        "ociAuthSecretName must be left out",
    ),
    Sent("POST", CLAIMS, claim(metadata={"finalizers": ["example.com/mine"]}), ADDED),
    Sent("POST", CLAIMS, claim(metadata={"ownerReferences": [A_POD]}), FOREIGN_OWNER),
    Sent("PATCH", BOUND, {"metadata": {"finalizers": None}}, KEEPS, MERGE),
    Sent("PATCH", BOUND, [{"op": "remove", "path": "/metadata/finalizers"}], KEEPS, JSON_PATCH),
    Sent(
        "PATCH",
        BOUND,
        [{"op": "add", "path": "/metadata/finalizers/-", "value": "example.com/mine"}],
        ADDED,
        JSON_PATCH,
    ),
    Sent("PATCH", BOUND, {"metadata": {"ownerReferences": [A_POD]}}, FOREIGN_OWNER, MERGE),
    Sent("PATCH", BOUND, {"spec": {"userData": ELSEWHERE}}, OTHER_NAMESPACE, MERGE),
    Sent("PATCH", f"{BOUND}{FORCED}", claim("bound", metaData=ELSEWHERE), OTHER_NAMESPACE, APPLY),
    Sent("PATCH", f"{CLAIMS}/new{FORCED}", claim(userData=ELSEWHERE), OTHER_NAMESPACE, APPLY),
    Sent("PATCH", f"{BOUND}/status", {"status": {"poweredOn": True}}, media=MERGE),
    Sent(
        "PATCH",
        f"{BOUND}/status{FORCED}",
        {**claim("bound"), "status": {"poweredOn": True}},
        media=APPLY,
    ),
)

FORBIDDEN_OTHERS = (
    Sent("POST", f"{CORE}/configmaps", thing("ConfigMap")),
    Sent("POST", f"{CORE}/configmaps?dryRun=All", thing("ConfigMap")),
    Sent("PATCH", f"{CORE}/configmaps/settings", {"data": {"a": "b"}}, media=MERGE),
    Sent("DELETE", f"{CORE}/configmaps/settings"),
    Sent("DELETE", f"{CORE}/configmaps"),
    Sent("POST", f"{CORE}/serviceaccounts", thing("ServiceAccount")),
    Sent(
        "POST",
        f"{CORE}/serviceaccounts/robot/token",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
    ),
    Sent(
        "POST",
        f"{CORE}/serviceaccounts/robot/token?dryRun=All",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}},
    ),
    Sent("POST", "/api/v1/namespaces", thing("Namespace")),
    Sent("PATCH", "/api/v1/namespaces/red", {"metadata": {"labels": {"a": "b"}}}, media=MERGE),
    Sent("DELETE", "/api/v1/namespaces/red"),
    Sent("POST", f"{RBAC}/namespaces/blue-dev/rolebindings", binding("RoleBinding")),
    Sent("POST", f"{RBAC}/clusterrolebindings", binding("ClusterRoleBinding")),
    Sent("POST", f"{RBAC}/clusterroles", thing("ClusterRole", "rbac.authorization.k8s.io/v1")),
    Sent("POST", f"{CORE}/events", thing("Event", involvedObject={"namespace": "blue-dev"})),
    Sent(
        "PATCH",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/hostclaims.metal3.io",
        {"metadata": {"labels": {"a": "b"}}},
        media=MERGE,
    ),
    Sent(
        "POST",
        f"{METAL3}/baremetalhosts",
        thing("BareMetalHost", "metal3.io/v1alpha1", spec={"online": True}),
    ),
    Sent("POST", f"{CORE}/pods/p/exec?command=id&stdout=true"),
    Sent("GET", f"{CORE}/pods/p/exec?command=id&stdout=true"),
    Sent("POST", f"{CORE}/pods/p/portforward"),
    Sent("GET", f"{CORE}/services/s/proxy"),
    Sent("GET", "/api/v1/nodes/n/proxy"),
)
FORBIDDEN = (*FORBIDDEN_SECRETS, *FORBIDDEN_CLAIMS, *FORBIDDEN_OTHERS)

# How the proxy asks what a write would store, before it judges that in its own words.
REHEARSED = (
    Sent("POST", f"{SECRETS}?dryRun=All", secret(metadata={})),
    Sent("PATCH", f"{OURS}?dryRun=All", {"metadata": {"labels": None}}, media=MERGE),
    Sent("DELETE", f"{BMC}?dryRun=All"),
    Sent("POST", f"{CLAIMS}?dryRun=All", claim(userData=ELSEWHERE)),
    Sent("PATCH", f"{BOUND}?dryRun=All", {"metadata": {"finalizers": None}}, media=MERGE),
    Sent("PATCH", f"{CLAIMS}/new{FORCED}&dryRun=All", claim(metaData=ELSEWHERE), media=APPLY),
)

# What the proxy itself sends, in the order of an object's life.
ALLOWED = (
    Sent("POST", f"{SECRETS}?dryRun=All", secret("s1")),
    Sent("POST", SECRETS, secret("s1")),
    Sent("POST", SECRETS, secret("s2", type="infrastructure.cluster.x-k8s.io/secret")),
    Sent("POST", SECRETS, secret("s3", metadata={**STAMPED, "ownerReferences": [A_CLAIM]})),
    Sent("PUT", f"{SECRETS}/s1", secret("s1", data={"value": "eA=="})),
    Sent("PATCH", f"{SECRETS}/s1", {"data": {"value": "eQ=="}}, media=MERGE),
    Sent("PATCH", f"{SECRETS}/s1", {"stringData": {"value": "z"}}, media=STRATEGIC),
    Sent(
        "PATCH",
        f"{SECRETS}/s1",
        [{"op": "add", "path": "/metadata/labels/a", "value": "b"}],
        media=JSON_PATCH,
    ),
    Sent("PATCH", f"{SECRETS}/s4{FORCED}", secret("s4"), media=APPLY),
    Sent("PATCH", f"{SECRETS}/s4{FORCED}", secret("s4", immutable=True), media=APPLY),
    Sent("PATCH", f"{SECRETS}/owned", {"data": {"value": "eQ=="}}, media=MERGE),
    Sent(
        "PATCH",
        f"{SECRETS}/owned",
        [{"op": "add", "path": "/metadata/ownerReferences/0/blockOwnerDeletion", "value": True}],
        media=JSON_PATCH,
    ),
    Sent("DELETE", f"{SECRETS}/s1", thing("DeleteOptions", preconditions={})),
    Sent("DELETE", f"{SECRETS}?labelSelector={STAMP}%3Dtrue,!keep"),
    Sent("POST", f"{CLAIMS}?dryRun=All", claim("c1")),
    Sent("POST", CLAIMS, claim("c1")),
    Sent(
        "POST",
        CLAIMS,
        claim(
            "c2",
            metadata={"finalizers": [FINALIZER], "ownerReferences": [A_CLAIM]},
            userData={"name": "s1", "namespace": "blue-dev"},
            networkData={"name": "s2"},
            image={"url": "https://images.example.com/i"},
        ),
    ),
    Sent("PATCH", f"{CLAIMS}/c1", {"spec": {"poweredOn": False}}, media=MERGE),
    Sent(
        "PATCH",
        f"{CLAIMS}/c1",
        [{"op": "replace", "path": "/spec/poweredOn", "value": True}],
        media=JSON_PATCH,
    ),
    Sent("PATCH", f"{CLAIMS}/c3{FORCED}", claim("c3"), media=APPLY),
    Sent("PATCH", f"{CLAIMS}/c3{FORCED}", claim("c3", metaData={"name": "s1"}), media=APPLY),
    Sent("PATCH", f"{CLAIMS}/held", {"spec": {"poweredOn": False}}, media=MERGE),
    Sent(
        "PATCH",
        f"{CLAIMS}/held",
        [{"op": "add", "path": "/metadata/ownerReferences/0/blockOwnerDeletion", "value": True}],
        media=JSON_PATCH,
    ),
    Sent("DELETE", f"{CLAIMS}/c1"),
    Sent("DELETE", f"{CLAIMS}?labelSelector=!keep"),
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """Whoever has the proxy's token; and the admin, who sees what came of it."""

    access: ClusterAccess
    token: str
    admin: Kubectl

    def send(self, sent: Sent) -> tuple[int, Any]:
        """Returns the code and the object in the answer."""
        server = urlsplit(self.access.server)
        trust = ssl.create_default_context(cafile=self.access.ca_file)
        connection = HTTPSConnection(server.hostname or "", server.port, context=trust, timeout=30)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": sent.media}
        body = None if sent.body is None else json.dumps(sent.body)
        with closing(connection):
            connection.request(sent.method, sent.target, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def stored(self) -> dict[str, str]:
        """Everything that a write here could have touched, by name and version."""
        kinds = "secrets,hostclaims,configmaps,serviceaccounts,rolebindings,events,baremetalhosts"
        wide = "namespaces,clusterroles,clusterrolebindings,customresourcedefinitions"
        items = [
            *self.admin.get(kinds, "--namespace=blue-dev")["items"],
            *self.admin.get(wide)["items"],
        ]
        return {
            f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
            for item in items
        }


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A cluster as `deploy/base` makes it, in which the proxy's account is cluster-admin."""
    directory = tmp_path_factory.mktemp("admission")
    with cluster.running(directory / "cluster") as running:
        access = running.access
        config = directory / "kubeconfig"
        config.write_text(json.dumps(kubeconfig(access.server, access.ca_file, access.admin_token)))
        admin = Kubectl(gate.need(KUBECTL), config)
        definitions = {"apiVersion": "v1", "kind": "List", "items": crds.definitions()}
        admin.run("create", "-f", "-", manifest=definitions)
        admin.run("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        for namespace in (HOME, "blue-dev", "red"):
            admin.run("create", "namespace", namespace)
        admin.run("apply", "--server-side", "-k", str(DEPLOY / "base"))
        bound = ("--clusterrole=cluster-admin", f"--serviceaccount={ACCOUNT}")
        admin.run("create", "clusterrolebinding", "far-too-much", *bound)
        everything = (admission.SECRETS, admission.HOSTCLAIMS, admission.OTHERS)
        token = asyncio.run(admission.in_force(access, everything))
        furnish(admin)
        yield Proxy(access, token, admin)


def furnish(admin: Kubectl) -> None:
    """What is there already, made by the cluster's owner, whom no policy concerns."""
    kept = {**STAMPED["labels"], "keep": ""}
    registry = {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "e30="}}
    objects = [
        thing("ServiceAccount", name="robot"),
        thing("ConfigMap", name="settings"),
        secret("bmc", metadata={}, data={"password": "eA=="}),
        secret("ours", metadata={"labels": kept}),
        secret("registry", metadata={"labels": kept}, **registry),
        secret("owned", metadata={"labels": kept, "ownerReferences": [A_POD]}),
        claim("bound", metadata={"labels": {"keep": ""}, "finalizers": [FINALIZER]}),
        claim(
            "held",
            metadata={
                "labels": {"keep": ""},
                "finalizers": [FINALIZER, "example.com/theirs"],
                "ownerReferences": [A_POD],
            },
        ),
    ]
    items = {"apiVersion": "v1", "kind": "List", "items": objects}
    admin.run("create", "--namespace=blue-dev", "-f", "-", manifest=items)


def test_rbac_lets_the_account_do_anything(proxy: Proxy) -> None:
    everything = {"verb": "*", "group": "*", "version": "*", "resource": "*"}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": everything},
    }
    target = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    code, answer = proxy.send(Sent("POST", target, review))
    assert (code, answer["status"]["allowed"]) == (201, True)


@pytest.mark.parametrize("sent", FORBIDDEN, ids=str)
def test_what_the_proxy_would_refuse_its_token_cannot_write(proxy: Proxy, sent: Sent) -> None:
    code, answer = proxy.send(sent)
    assert (code, answer["reason"]) == (403, "Forbidden"), answer
    assert "ValidatingAdmissionPolicy" in answer["message"]
    assert sent.says in answer["message"]


def test_of_all_forbidden_writes_none_changes_anything(proxy: Proxy) -> None:
    before = proxy.stored()
    codes = {str(sent): proxy.send(sent)[0] for sent in FORBIDDEN}
    assert len(codes) >= 25
    assert set(codes.values()) == {403}
    assert proxy.stored() == before


def test_a_dry_run_of_its_two_resources_is_let_through_and_stores_nothing(proxy: Proxy) -> None:
    before = proxy.stored()
    assert {proxy.send(sent)[0] for sent in REHEARSED} <= {200, 201}
    assert proxy.stored() == before


def test_what_the_proxy_sends_is_let_through(proxy: Proxy) -> None:
    for sent in ALLOWED:
        code, answer = proxy.send(sent)
        assert code in {200, 201}, (str(sent), answer)


def test_an_update_of_a_claim_is_let_through(proxy: Proxy) -> None:
    _, live = proxy.send(Sent("GET", f"{CLAIMS}/held"))
    live["spec"]["hostSelector"] = {"matchLabels": {"pool": "a"}}
    assert proxy.send(Sent("PUT", f"{CLAIMS}/held", live))[0] == 200


@pytest.mark.parametrize("part", ["", "/status"])
def test_a_whole_claim_cannot_be_put_with_what_is_not_allowed(proxy: Proxy, part: str) -> None:
    _, live = proxy.send(Sent("GET", BOUND))
    live["spec"]["userData"] = ELSEWHERE
    code, answer = proxy.send(Sent("PUT", f"{BOUND}{part}", live))
    assert (code, "ValidatingAdmissionPolicy" in answer["message"]) == (403, True)


def test_a_refusal_leaves_a_mark_in_the_clusters_audit_log(proxy: Proxy) -> None:
    proxy.send(Sent("POST", f"{SECRETS}?pretty=mark", secret(metadata={})))
    log = proxy.access.ca_file.parent / "audit.log"
    events = [json.loads(line) for line in log.read_text().splitlines() if "pretty=mark" in line]
    marks = [key for event in events for key in event.get("annotations", ())]
    assert "validation.policy.admission.k8s.io/validation_failure" in marks


@pytest.mark.parametrize(
    "kind", ["validatingadmissionpolicies", "validatingadmissionpolicybindings"]
)
def test_no_policy_guards_the_policies_so_rbac_has_to(proxy: Proxy, kind: str) -> None:
    """The apiserver has it so. `deploy/README.md` says it; nothing there grants it."""
    target = f"/apis/admissionregistration.k8s.io/v1/{kind}/{admission.SECRETS}?dryRun=All"
    assert proxy.send(Sent("DELETE", target))[0] == 200
