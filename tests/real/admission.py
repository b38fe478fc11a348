"""When is the proxy held to its promise: the apiserver takes up new policies in its own time."""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final, NamedTuple

from proxy.demo.access import ClusterAccess
from proxy.demo.provision import PROXY_ACCOUNT, PROXY_NAMESPACE, Admin, ProvisionError

SECONDS: Final = 60


class Probe(NamedTuple):
    """A write that one policy refuses once it is in force.

    No dry run: those of the proxy's two resources are let through.
    """

    policy: str
    target: str
    manifest: dict[str, Any]


SECRETS: Final = "hostclaim-proxy-secrets"
HOSTCLAIMS: Final = "hostclaim-proxy-hostclaims"
OTHERS: Final = "hostclaim-proxy-others"
PROBES: Final = (
    Probe(
        SECRETS,
        "/api/v1/namespaces/blue-dev/secrets",
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "probe"}},
    ),
    Probe(
        HOSTCLAIMS,
        "/apis/metal3.io/v1alpha1/namespaces/blue-dev/hostclaims",
        {
            "apiVersion": "metal3.io/v1alpha1",
            "kind": "HostClaim",
            "metadata": {"name": "probe"},
            "spec": {
                "poweredOn": False,
                "image": {"url": "oci://example.com/probe", "ociAuthSecretName": "probe"},
            },
        },
    ),
    Probe(
        OTHERS,
        "/api/v1/namespaces/blue-dev/configmaps",
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"}},
    ),
)


async def in_force(access: ClusterAccess, policies: Collection[str]) -> str:
    """Return once these policies refuse what the proxy's account writes; gives a token of it.

    RBAC is asked first, so the account needs the right to what a policy is to refuse.
    """
    wanted = [probe for probe in PROBES if probe.policy in policies]
    async with asyncio.timeout(SECONDS), Admin(access) as admin:
        token = await admin.token(PROXY_NAMESPACE, PROXY_ACCOUNT)
        async with Admin(replace(access, admin_token=token)) as proxy:
            for probe in wanted:
                while not await _refuses(proxy, probe):
                    await admin.request("DELETE", f"{probe.target}/probe")
                    await asyncio.sleep(0.1)
    return token


async def _refuses(proxy: Admin, probe: Probe) -> bool:
    try:
        await proxy.request("POST", probe.target, probe.manifest)
    except ProvisionError as exc:
        return f"'{probe.policy}'" in str(exc)
    return False
