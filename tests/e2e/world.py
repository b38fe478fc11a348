"""Where the end-to-end tests take place: a BMH cluster, an IAM, and `hostclaim-proxy serve`.

The same world twice. `embedded` runs the demo's stand-ins; `real` runs a
kube-apiserver with etcd, the proxy's rights as `deploy/` has them, and Keycloak.
The proxy is always the installed command, in a process of its own.
"""

import asyncio
import gc
import http.client
import json
import math
import os
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from proxy.demo import files, stack
from proxy.demo.access import Cluster, ClusterAccess
from proxy.demo.cluster import EmbeddedCluster
from proxy.demo.envtest import RealCluster
from proxy.demo.hosts import HostController
from proxy.demo.issuer import DEMO_REALM, Client, EmbeddedIssuer, Endpoint
from tests.real import admission, crds, gate
from tests.real.keycloak import PEOPLES_CLIENT, Keycloak, private_copy
from tests.real.parts import KEYCLOAK

PATIENCE = 30.0
"""Seconds within which whatever a test waits for must come."""

STARTED = 120.0
"""Seconds within which a process must be ready; it has much to load, beside others at times."""

RENEWED = 120.0
"""Seconds for which a token is used; an issuer's live for five minutes."""

DEPLOY = Path(__file__).parents[2] / "deploy" / "example"

SIGNER = "blue-signer"
"""A client of tenant blue that signs instead of telling a secret."""

T = TypeVar("T")


class Iam(Protocol):
    """Who vouches for the callers."""

    @property
    def url(self) -> str: ...

    @property
    def ca_file(self) -> Path: ...

    async def access_token(self, name: str) -> str:
        """An access token of a client's service account or a person."""
        ...

    async def wrong_tokens(self, name: str) -> Mapping[str, str]:
        """Real tokens of this issuer that are no access tokens for the proxy, by what they are."""
        ...

    @property
    def peoples_client(self) -> str:
        """The public client by which people log in."""
        ...

    def secret(self, client: str) -> str:
        """What a client shares with the IAM."""
        ...

    def key(self, client: str) -> bytes:
        """What a client signs with, in PEM."""
        ...

    async def token_requests(self, client: str) -> int:
        """How many tokens a client's service account was given; or more than that."""
        ...

    async def approve(self, page: str, username: str) -> None:
        """Have a person log in at the page that a device code came with."""
        ...


class EmbeddedIam:
    """The demo's issuer, with one client more, who signs."""

    def __init__(self, directory: Path) -> None:
        self.signing = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = self.signing.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        signer = Client(SIGNER, service_account=True, groups=("/tenants/blue",), public_key=public)
        realm = replace(DEMO_REALM, clients=(*DEMO_REALM.clients, signer))
        self.issuer = EmbeddedIssuer(directory, realm=realm)

    @property
    def url(self) -> str:
        return self.issuer.url

    @property
    def ca_file(self) -> Path:
        return self.issuer.ca_file

    async def access_token(self, name: str) -> str:
        return self.issuer.token_for(name)

    async def wrong_tokens(self, name: str) -> Mapping[str, str]:
        claims = self.issuer.claims_for(name)
        kinds = ("Refresh", "ID", "Offline")
        return {kind: self.issuer.mint({**claims, "typ": kind}) for kind in kinds}

    peoples_client = "demo-cli"

    def secret(self, client: str) -> str:
        found = self.issuer.realm.client(client)
        assert found is not None
        assert found.secret is not None
        return found.secret

    def key(self, client: str) -> bytes:
        assert client == SIGNER
        return pem(self.signing)

    async def token_requests(self, client: str) -> int:
        """Of all clients; during a test, there is no other."""
        assert client
        return self.issuer.requests[Endpoint.TOKEN]

    async def approve(self, page: str, username: str) -> None:
        self.issuer.approve(page.rpartition("user_code=")[2], username)


class KeycloakIam:
    """A real Keycloak."""

    def __init__(self, keycloak: Keycloak) -> None:
        self.keycloak = keycloak

    @property
    def url(self) -> str:
        return self.keycloak.issuer

    @property
    def ca_file(self) -> Path:
        return self.keycloak.ca_file

    async def access_token(self, name: str) -> str:
        if name in self.keycloak.client_secrets:
            return (await self.keycloak.tokens_of_client(name)).access
        return (await self.keycloak.tokens_of_person(name)).access

    async def wrong_tokens(self, name: str) -> Mapping[str, str]:
        tokens = await self.keycloak.tokens_of_person(name)
        offline = await self.keycloak.offline_token(name)
        kinds = {"Refresh": tokens.refresh, "ID": tokens.id, "Offline": offline}
        return {kind: token for kind, token in kinds.items() if token}

    peoples_client = PEOPLES_CLIENT

    def secret(self, client: str) -> str:
        return self.keycloak.client_secrets[client]

    def key(self, client: str) -> bytes:
        return pem(self.keycloak.client_keys[client])

    async def token_requests(self, client: str) -> int:
        return await self.keycloak.logins_of_client(client)

    async def approve(self, page: str, username: str) -> None:
        await self.keycloak.approve(page, username)


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer of the proxy."""

    code: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class World:
    """Everything that runs, and ways to look at it. Methods block."""

    def __init__(self, directory: Path, *, real: bool) -> None:
        self.directory = directory
        self.real = real
        self.cluster: Cluster
        self.access: ClusterAccess
        self.iam: Iam
        self.proxy: ServedProxy
        self._kubeconfigs: dict[str, tuple[str, float]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="world")
        self._stack = AsyncExitStack()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop that the cluster and the IAM live in."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=300)

    def start(self) -> None:
        self._thread.start()
        self.run(self._start())
        self.proxy = ServedProxy(self.directory)
        self.proxy.start()
        for tenant in files.TENANTS:
            self.kubeconfig(tenant.name, tenant.client_id, tenant.namespace)

    def stop(self) -> None:
        if hasattr(self, "proxy"):
            self.proxy.stop()
        # Libraries that ask Keycloak hold connections for as long as they are remembered.
        gc.collect()
        self.run(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        # Before the IAM, which is to trust the proxy that it tells of what has ended.
        trusted = stack.write_certificate(self.directory)
        self.iam = await self._start_iam(trusted)
        self.cluster = (
            RealCluster(gate.need_assets(), self.directory / "cluster")
            if self.real
            else EmbeddedCluster(self.directory)
        )
        self._stack.push_async_callback(self.cluster.stop)
        self.access = await self.cluster.start()
        if self.real:
            await stack.set_up(
                self.access,
                self.directory,
                definitions=crds.definitions(),
                rights=deployed_rights(),
            )
            # Its rights reach no further than what these two judge, so the third stays unseen.
            await admission.in_force(self.access, (admission.SECRETS, admission.HOSTCLAIMS))
        else:
            await stack.set_up(self.access, self.directory)
        hosts = HostController(self.access.server, self.access.ca_file, self.access.admin_token)
        self._stack.push_async_callback(hosts.stop)
        await hosts.start()
        stack.write_proxy_files(self.directory, self.iam.url, self.iam.ca_file)

    async def _start_iam(self, trusted: Path) -> Iam:
        if self.real:
            directory = self.directory / "keycloak"
            directory.mkdir()
            home = private_copy(gate.need(KEYCLOAK), directory)
            keycloak = Keycloak(home, directory, trusted)
            self._stack.push_async_callback(keycloak.stop)
            await keycloak.start()
            return KeycloakIam(keycloak)
        iam = EmbeddedIam(self.directory)
        self._stack.push_async_callback(iam.issuer.stop)
        await iam.issuer.start()
        return iam

    def token(self, name: str) -> str:
        """An access token for the proxy, of a client's service account or a person."""
        return self.run(self.iam.access_token(name))

    def kubeconfig(self, name: str, account: str, namespace: str) -> Path:
        """Write a kubeconfig that points at the proxy, with a token in a file beside it."""
        self._kubeconfigs[name] = (account, time.monotonic())
        token_file = self.directory / f"{name}.token"
        files.write(token_file, self.token(account))
        user = {"tokenFile": str(token_file)}
        text = files.kubeconfig(
            self.proxy.url, self.directory / "proxy-ca.crt", user, name=name, namespace=namespace
        )
        path = self.directory / f"{name}.kubeconfig"
        files.write(path, text)
        return path

    def kubectl(
        self, who: str, *arguments: str, stdin: str | None = None, program: str = "kubectl"
    ) -> "subprocess.CompletedProcess[str]":
        """Run kubectl as `blue`, `red`, `auditor` or `admin`, with a token that lives on."""
        account, issued = self._kubeconfigs.get(who, ("", math.inf))
        if issued < time.monotonic() - RENEWED:
            self._kubeconfigs[who] = (account, time.monotonic())
            files.write(self.directory / f"{who}.token", self.token(account))
        return subprocess.run(
            [program, f"--kubeconfig={self.directory / who}.kubeconfig", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={**os.environ, "HOME": str(self.directory), "KUBECTL_EXTERNAL_DIFF": "diff -u"},
        )

    def ask(
        self,
        method: str,
        target: str,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Response:
        """Send one request to the proxy, its target byte for byte."""
        return self.proxy.ask(method, target, token=token, headers=headers, body=body)

    def proxy_requests(self) -> int:
        """How many requests the apiserver has received from the proxy."""
        return self.run(self.cluster.proxy_requests())


class ServedProxy:
    """`hostclaim-proxy serve --config DIR/proxy.yaml`, in a process of its own."""

    def __init__(self, directory: Path, config: str = "proxy.yaml") -> None:
        self.directory = directory
        self.config = directory / config
        settings = yaml.safe_load(self.config.read_text())
        self.port = int(settings["server"]["address"].rpartition(":")[2])
        self.management_port = int(settings["management"]["address"].rpartition(":")[2])
        self.audit_file = directory / settings["audit"]["file"]
        self.log_file = self.config.with_suffix(".log")
        self.url = f"https://127.0.0.1:{self.port}"
        self.trust = ssl.create_default_context(cafile=str(directory / "proxy-ca.crt"))
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Return once it is ready."""
        command = shutil.which("hostclaim-proxy", path=Path(sys.executable).parent)
        assert command is not None, "the package is installed in the environment of the tests"
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [command, "serve", "--config", str(self.config), "--log-level", "debug"],
                stdout=log,
                stderr=log,
            )
        eventually(lambda: self.readiness()[0] == 200, f"readiness; see {self.log_file}", STARTED)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal it and wait for its end; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=60)

    def readiness(self, query: str = "") -> tuple[int, str]:
        """What `/readyz` says; 0 while nobody answers."""
        assert self.process.poll() is None, self.log_file.read_text()
        return self.management(f"/readyz{query}")

    def management(self, path: str) -> tuple[int, str]:
        """The answer of the management listener to a GET."""
        connection = http.client.HTTPConnection("127.0.0.1", self.management_port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except ConnectionError:
            return 0, ""
        finally:
            connection.close()

    def ask(
        self,
        method: str,
        target: str,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Response:
        """Send one request, its target byte for byte; an object as body goes as JSON."""
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=self.trust, timeout=PATIENCE
        )
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            for key, value in sent.items():
                connection.putheader(key, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return Response(response.status, response.headers, response.read())
        finally:
            connection.close()

    def audit(self) -> list[Any]:
        """All audit records so far."""
        if not self.audit_file.exists():
            return []
        return [json.loads(line) for line in self.audit_file.read_text().splitlines()]


def eventually(holds: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Wait until something holds, and fail if it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain for {what}"
        time.sleep(0.02)


def pem(key: rsa.RSAPrivateKey) -> bytes:
    """A private key as a client keeps it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def deployed_rights() -> list[dict[str, Any]]:
    """The proxy's service account, what is bound to it and what holds it, as `deploy/` has them."""
    rendered = subprocess.run(
        ["kubectl", "kustomize", str(DEPLOY)], capture_output=True, text=True, check=True
    )
    kinds = {
        "ServiceAccount",
        "ClusterRole",
        "RoleBinding",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }
    return [found for found in yaml.safe_load_all(rendered.stdout) if found["kind"] in kinds]


@contextmanager
def running(directory: Path, *, real: bool) -> Iterator[World]:
    """A world, from its start to its end."""
    world = World(directory, real=real)
    try:
        world.start()
        yield world
    finally:
        world.stop()
