"""What does the story look like on a real apiserver: run etcd and kube-apiserver for it.

Everything they need is made at run time under one directory, readable by its owner alone.
No controllers run: a namespace has no default service account unless somebody makes it, and
a deleted namespace stays `Terminating`.
"""

import asyncio
import json
import secrets
import shutil
import ssl
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import aiohttp
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from proxy.demo.access import ClusterAccess
from proxy.demo.process import ServerProcess, start_on_free_port

PROXY_USER = "system:serviceaccount:hostclaim-proxy:hostclaim-proxy"
START_SECONDS = 180
PROBE_TIMEOUT = aiohttp.ClientTimeout(total=5)

# The files that more than one of the functions below names.
ETCD_DATA = "etcd"
ETCD_CA = "etcd-ca.crt"
ETCD_SERVER = "etcd-server.pem"
ETCD_CLIENT = "etcd-client.pem"
CA = "ca.crt"
SERVER = "kube-apiserver.pem"
SERVICE_ACCOUNT_KEY = "service-account.key"
TOKENS = "tokens.csv"
AUDIT_POLICY = "audit-policy.json"
AUDIT_LOG = "audit.log"

SERVER_NAMES = (
    "127.0.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
)


class RealCluster:
    """A kube-apiserver and its etcd, from a folder that holds both programs."""

    def __init__(self, assets: Path, directory: Path) -> None:
        """Describe the cluster; nothing happens before `start`.

        Args:
            assets: the folder with `etcd` and `kube-apiserver`, as KUBEBUILDER_ASSETS names it.
            directory: the cluster's own; its state, keys and logs go there, and the state of an
                earlier run is removed.
        """
        self._assets = assets.resolve()
        self._directory = directory.resolve()
        self._etcd: ServerProcess | None = None
        self._apiserver: ServerProcess | None = None
        self._received = _Received(self.audit_log)

    @property
    def audit_log(self) -> Path:
        """The apiserver's audit log: one `audit.k8s.io/v1` Event a line, without bodies."""
        return self._directory / AUDIT_LOG

    async def start(self) -> ClusterAccess:
        """Return once the apiserver is ready.

        Raises:
            StartError: a program ended, or was not ready in time. Nothing is left running.
        """
        admin_token = secrets.token_urlsafe(32)
        self._received = _Received(self.audit_log)
        await asyncio.to_thread(_lay_out, self._directory, admin_token)
        try:
            self._etcd, etcd_port = await start_on_free_port(
                self._make_etcd, self._etcd_is_ready, seconds=START_SECONDS
            )
            self._apiserver, port = await start_on_free_port(
                partial(self._make_apiserver, etcd_port=etcd_port),
                partial(self._apiserver_is_ready, admin_token=admin_token),
                seconds=START_SECONDS,
            )
        except BaseException:
            await self.stop()
            raise
        return ClusterAccess(_url(port), self._directory / CA, admin_token)

    async def stop(self) -> None:
        """End the apiserver, then the etcd that it writes to."""
        for process in (self._apiserver, self._etcd):
            if process is not None:
                await process.stop()

    async def proxy_requests(self) -> int:
        """Count what the apiserver has received from the proxy's service account.

        The audit log is written before a request is answered, so whoever has an answer finds
        its request counted.
        """
        return await asyncio.to_thread(self._received.count)

    def _make_etcd(self, port: int) -> ServerProcess:
        return self._server("etcd", _etcd_flags(self._directory, port))

    def _make_apiserver(self, port: int, *, etcd_port: int) -> ServerProcess:
        return self._server("kube-apiserver", _apiserver_flags(self._directory, port, etcd_port))

    def _server(self, program: str, flags: Mapping[str, object]) -> ServerProcess:
        return ServerProcess(
            [self._assets / program, *_render(flags)],
            log=self._directory / f"{program}.log",
            directory=self._directory,
        )

    async def _etcd_is_ready(self, port: int) -> bool:
        tls = ssl.create_default_context(cafile=self._directory / ETCD_CA)
        tls.load_cert_chain(self._directory / ETCD_CLIENT)
        return await _answers(f"{_url(port)}/readyz", tls)

    async def _apiserver_is_ready(self, port: int, *, admin_token: str) -> bool:
        tls = ssl.create_default_context(cafile=self._directory / CA)
        return await _answers(f"{_url(port)}/readyz", tls, admin_token)


class _Received:
    """Counts the proxy's requests in an audit log, reading each byte of it once."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._offset = 0
        self._count = 0

    def count(self) -> int:
        with self._lock:
            if self._log.exists():
                self._count += sum(_is_from_proxy(line) for line in self._new_lines())
            return self._count

    def _new_lines(self) -> Iterator[bytes]:
        with self._log.open("rb") as log:
            log.seek(self._offset)
            for line in log:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                yield line


def _is_from_proxy(line: bytes) -> bool:
    event = json.loads(line)
    return bool(
        event["stage"] == "RequestReceived" and event.get("user", {}).get("username") == PROXY_USER
    )


def _lay_out(directory: Path, admin_token: str) -> None:
    """Make the keys and files that the two programs read, and drop what an earlier run left."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    shutil.rmtree(directory / ETCD_DATA, ignore_errors=True)
    (directory / AUDIT_LOG).unlink(missing_ok=True)

    # Its own CA: who may speak to etcd has passed every check of the apiserver.
    etcd_ca = trustme.CA(organization_name="hostclaim-proxy demo etcd")
    etcd_ca.cert_pem.write_to_path(directory / ETCD_CA)
    for name in (ETCD_SERVER, ETCD_CLIENT):
        etcd_ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
            directory / name
        )

    ca = trustme.CA(organization_name="hostclaim-proxy demo cluster")
    ca.cert_pem.write_to_path(directory / CA)
    ca.issue_cert(*SERVER_NAMES).private_key_and_cert_chain_pem.write_to_path(directory / SERVER)

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (directory / SERVICE_ACCOUNT_KEY).write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (directory / TOKENS).write_text(f'{admin_token},admin,admin,"system:masters"\n')
    (directory / AUDIT_POLICY).write_text(json.dumps(_audit_policy()))


def _audit_policy() -> Mapping[str, object]:
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "rules": [
            # What the apiserver asks itself all the time is of no interest here.
            {"level": "None", "users": ["system:apiserver"]},
            {"level": "Metadata"},
        ],
    }


def _etcd_flags(directory: Path, port: int) -> Mapping[str, object]:
    return {
        "data-dir": directory / ETCD_DATA,
        "unsafe-no-fsync": "true",
        "listen-client-urls": _url(port),
        "advertise-client-urls": _url(port),
        "client-cert-auth": "true",
        "trusted-ca-file": directory / ETCD_CA,
        "cert-file": directory / ETCD_SERVER,
        "key-file": directory / ETCD_SERVER,
        # It has no peers, but listens for them all the same.
        "listen-peer-urls": _url(0),
        "peer-client-cert-auth": "true",
        "peer-trusted-ca-file": directory / ETCD_CA,
        "peer-cert-file": directory / ETCD_SERVER,
        "peer-key-file": directory / ETCD_SERVER,
    }


def _apiserver_flags(directory: Path, port: int, etcd_port: int) -> Mapping[str, object]:
    return {
        "bind-address": "127.0.0.1",
        "advertise-address": "127.0.0.1",
        "secure-port": port,
        "cert-dir": directory,
        "tls-cert-file": directory / SERVER,
        "tls-private-key-file": directory / SERVER,
        "etcd-servers": _url(etcd_port),
        "etcd-cafile": directory / ETCD_CA,
        "etcd-certfile": directory / ETCD_CLIENT,
        "etcd-keyfile": directory / ETCD_CLIENT,
        "authorization-mode": "RBAC",
        "token-auth-file": directory / TOKENS,
        # Its own address, so that the tokens it mints can be verified by OIDC discovery.
        "service-account-issuer": _url(port),
        "service-account-signing-key-file": directory / SERVICE_ACCOUNT_KEY,
        "service-account-key-file": directory / SERVICE_ACCOUNT_KEY,
        "service-cluster-ip-range": "10.0.0.0/24",
        # Nothing is served under the `kubernetes` service here.
        "endpoint-reconciler-type": "none",
        "audit-policy-file": directory / AUDIT_POLICY,
        "audit-log-path": directory / AUDIT_LOG,
        "audit-log-format": "json",
        "audit-log-mode": "blocking",
        # Megabytes before it is rotated, which would lose count.
        "audit-log-maxsize": 1_000_000,
    }


def _render(flags: Mapping[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]


def _url(port: int) -> str:
    return f"https://127.0.0.1:{port}"


async def _answers(url: str, tls: ssl.SSLContext, token: str | None = None) -> bool:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(timeout=PROBE_TIMEOUT, headers=headers) as session:
        try:
            async with session.get(url, ssl=tls) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False
