"""What runs in the demo: a cluster, an issuer, a host controller, and the proxy in front.

The proxy is the very one that `serve` runs, from the settings file in the demo's folder.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import trustme
import yaml

from proxy import settings
from proxy.demo import crds, files, provision
from proxy.demo.access import Cluster, ClusterAccess
from proxy.demo.cluster import EmbeddedCluster
from proxy.demo.envtest import RealCluster
from proxy.demo.files import TENANTS, Listening
from proxy.demo.hosts import HostController, demo_hosts
from proxy.demo.issuer import EmbeddedIssuer
from proxy.demo.provision import PROXY_ACCOUNT, PROXY_NAMESPACE, Admin, Manifest
from proxy.demo.tour import CLAIM
from proxy.serving import Single

# Tokens live for five minutes; client-go reads a token file again every minute.
_RENEW_SECONDS = 60
_ESTABLISHED_SECONDS = 60


@asynccontextmanager
async def running(directory: Path, assets: Path | None) -> AsyncIterator[None]:
    """Run everything, its files in `directory`, until the context is left.

    The folder has to be there. With `assets`, one with etcd and kube-apiserver, the
    cluster is a real one.
    """
    async with AsyncExitStack() as stack:
        cluster = _cluster(directory, assets)
        stack.push_async_callback(cluster.stop)
        access = await cluster.start()
        await set_up(access, directory, definitions=crds.definitions() if assets else ())
        issuer = EmbeddedIssuer(directory)
        stack.push_async_callback(issuer.stop)
        await issuer.start()
        hosts = HostController(access.server, access.ca_file, access.admin_token)
        stack.push_async_callback(hosts.stop)
        await hosts.start()
        write_certificate(directory)
        config = write_proxy_files(directory, issuer.url, issuer.ca_file)
        write_tenant_files(directory, issuer)
        served = Single(settings.load(config))
        await served.start()
        stack.push_async_callback(served.stop)
        renewing = asyncio.create_task(_keep_tokens_fresh(directory, issuer))
        stack.push_async_callback(_end, renewing)
        yield


async def set_up(
    access: ClusterAccess,
    directory: Path,
    *,
    definitions: Sequence[Manifest] = (),
    rights: Sequence[Manifest] | None = None,
) -> None:
    """Do in the cluster what an infrastructure manager does, and write the two ways into it.

    `definitions` are the CustomResourceDefinitions that the cluster does not know yet;
    `rights` are the proxy's, if not those that the demo comes with.
    """
    async with Admin(access) as admin:
        await _define(admin, definitions)
        await admin.create(provision.namespaces())
        await admin.create(provision.rights() if rights is None else rights)
        await admin.create(demo_hosts())
        token = await admin.token(PROXY_NAMESPACE, PROXY_ACCOUNT)
    for name, credential in (("admin", access.admin_token), ("proxy", token)):
        text = files.kubeconfig(access.server, access.ca_file, {"token": credential}, name=name)
        files.write(directory / f"{name}.kubeconfig", text)


def write_certificate(directory: Path) -> Path:
    """Write the proxy's certificate; returns the file of the authority it is known by."""
    authority = trustme.CA(organization_name="hostclaim-proxy demo")
    authority.cert_pem.write_to_path(directory / "proxy-ca.crt")
    server = authority.issue_cert("127.0.0.1", "localhost")
    files.write(directory / "proxy.key", server.private_key_pem.bytes().decode())
    files.write(
        directory / "proxy.crt", "".join(pem.bytes().decode() for pem in server.cert_chain_pems)
    )
    return directory / "proxy-ca.crt"


def write_proxy_files(directory: Path, issuer_url: str, issuer_ca: Path) -> Path:
    """Write policies and settings; returns the settings file."""
    files.write_policies(directory)
    port, management_port = _free_ports(2)
    listening = Listening(port, management_port, issuer_url, issuer_ca)
    return files.write_settings(directory, listening)


def write_tenant_files(directory: Path, issuer: EmbeddedIssuer) -> None:
    """Write each tenant's kubeconfig, the token file that it points at, and a claim to apply."""
    loaded = settings.load(directory / "proxy.yaml")
    server = f"https://127.0.0.1:{loaded.server.address.port}"
    for tenant in TENANTS:
        user = {"tokenFile": str((directory / f"{tenant.name}.token").resolve())}
        text = files.kubeconfig(
            server,
            directory / "proxy-ca.crt",
            user,
            name=tenant.name,
            namespace=tenant.namespace,
        )
        files.write(directory / f"{tenant.name}.kubeconfig", text)
    _write_tokens(directory, issuer)
    files.write(directory / "hostclaim.yaml", yaml.safe_dump(CLAIM, sort_keys=False))


def _cluster(directory: Path, assets: Path | None) -> Cluster:
    if assets is not None:
        return RealCluster(assets, directory / "cluster")
    return EmbeddedCluster(directory)


async def _define(admin: Admin, definitions: Sequence[Manifest]) -> None:
    await admin.create(definitions)
    async with asyncio.timeout(_ESTABLISHED_SECONDS):
        for definition in definitions:
            while not await admin.established(definition["metadata"]["name"]):  # noqa: ASYNC110 - it is the apiserver's event
                await asyncio.sleep(0.1)


def _write_tokens(directory: Path, issuer: EmbeddedIssuer) -> None:
    for tenant in TENANTS:
        files.write(directory / f"{tenant.name}.token", issuer.token_for(tenant.client_id))


async def _keep_tokens_fresh(directory: Path, issuer: EmbeddedIssuer) -> None:
    while True:
        await asyncio.sleep(_RENEW_SECONDS)
        _write_tokens(directory, issuer)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _free_ports(count: int) -> tuple[int, ...]:
    """Ports that were free a moment ago, so that files can name them before anybody listens."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return tuple(each.getsockname()[1] for each in sockets)
