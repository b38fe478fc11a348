"""What does the infrastructure manager set up: namespaces, hosts, and the proxy's few rights.

The same requests serve the embedded cluster and a real one; they are sent as the admin.
"""

import json
import ssl
from collections.abc import Iterable, Mapping
from typing import Any, Final, Self

import aiohttp

from proxy.demo.access import ClusterAccess

Manifest = Mapping[str, Any]

PROXY_NAMESPACE: Final = "hostclaim-proxy"
PROXY_ACCOUNT: Final = "hostclaim-proxy"
TENANT_ROLE: Final = "hostclaim-proxy-tenant-namespace"
TENANT_NAMESPACES: Final = ("blue-dev", "blue-prod", "red")
OTHER_NAMESPACE: Final = "green"
"""A namespace that nobody in the demo is entitled to, and the proxy has no rights in."""

_TOKEN_SECONDS = 7 * 86_400
_PLURALS = {
    "BareMetalHost": "baremetalhosts",
    "ClusterRole": "clusterroles",
    "CustomResourceDefinition": "customresourcedefinitions",
    "HardwareData": "hardwaredata",
    "HostDeployPolicy": "hostdeploypolicies",
    "Namespace": "namespaces",
    "RoleBinding": "rolebindings",
    "Secret": "secrets",
    "ServiceAccount": "serviceaccounts",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}


class ProvisionError(Exception):
    """The cluster refused to be set up; the message is its own."""


class Admin:
    """The cluster as its admin sees it."""

    def __init__(self, access: ClusterAccess) -> None:
        """Describe the connection; leaving the context closes it."""
        self._access = access

    async def __aenter__(self) -> Self:
        trust = ssl.create_default_context(cafile=str(self._access.ca_file))
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trust),
            headers={"Authorization": f"Bearer {self._access.admin_token}"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def request(self, method: str, path: str, body: Manifest | None = None) -> dict[str, Any]:
        """Send one request; returns the object in the answer.

        Raises:
            ProvisionError: the answer is not a success.
        """
        async with self._session.request(method, self._access.server + path, json=body) as response:
            text = await response.text()
            if response.status >= 300:
                raise ProvisionError(f"{method} {path}: {response.status} {text}")
            found: dict[str, Any] = json.loads(text)
            return found

    async def create(self, manifests: Iterable[Manifest]) -> None:
        """Create objects, in order; what is there already stays as it is.

        Raises:
            ProvisionError: one was refused.
        """
        for manifest in manifests:
            try:
                await self.request("POST", _collection(manifest), manifest)
            except ProvisionError as exc:
                if '"AlreadyExists"' not in str(exc):
                    raise

    async def token(self, namespace: str, account: str) -> str:
        """A token of a service account (TokenRequest, authentication.k8s.io/v1)."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        asked = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": _TOKEN_SECONDS},
        }
        found = await self.request("POST", path, asked)
        return str(found["status"]["token"])

    async def established(self, name: str) -> bool:
        """Whether the apiserver serves what a CustomResourceDefinition defines."""
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
        found = await self.request("GET", path)
        # A definition that is brand new has `conditions: null`.
        conditions = found.get("status", {}).get("conditions") or ()
        return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


def namespaces() -> list[Manifest]:
    """The namespaces of the proxy, of the tenants, and one of nobody's."""
    names = (PROXY_NAMESPACE, *TENANT_NAMESPACES, OTHER_NAMESPACE)
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n}} for n in names]


def rights() -> list[Manifest]:
    """The proxy's service account and what it may, as `deploy/` has it: nothing cluster-wide."""
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    account = {"kind": "ServiceAccount", "name": PROXY_ACCOUNT, "namespace": PROXY_NAMESPACE}
    role_ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": TENANT_ROLE}
    verbs = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": PROXY_ACCOUNT, "namespace": PROXY_NAMESPACE},
        },
        {
            **rbac,
            "kind": "ClusterRole",
            "metadata": {"name": TENANT_ROLE},
            "rules": [
                {"apiGroups": ["metal3.io"], "resources": ["hostclaims"], "verbs": verbs},
                {"apiGroups": ["metal3.io"], "resources": ["hostclaims/status"], "verbs": ["get"]},
                {"apiGroups": [""], "resources": ["secrets"], "verbs": verbs},
            ],
        },
        *(
            {
                **rbac,
                "kind": "RoleBinding",
                "metadata": {"name": TENANT_ROLE, "namespace": namespace},
                "subjects": [account],
                "roleRef": role_ref,
            }
            for namespace in TENANT_NAMESPACES
        ),
    ]


def _collection(manifest: Manifest) -> str:
    group_version = manifest["apiVersion"]
    root = f"/apis/{group_version}" if "/" in group_version else f"/api/{group_version}"
    namespace = manifest["metadata"].get("namespace")
    where = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{where}/{_PLURALS[manifest['kind']]}"
