"""Who the proxy is to the apiserver, and whom it takes for the apiserver.

Credentials come from kubernetes_asyncio's loaders. What would have the proxy talk
to an apiserver that it cannot verify is not loaded.
"""

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from kubernetes_asyncio.client import Configuration
from kubernetes_asyncio.config import (
    ConfigException,
    load_incluster_config,
    load_kube_config,
)

from proxy import http1
from proxy.edge.upstream.resumption import ResumingContext


class ClusterError(Exception):
    """The configuration of the cluster cannot be used. The message names the field."""


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """Where the proxy's own credentials are: a kubeconfig, or the pod's service account."""

    kubeconfig: Path | None = None
    context: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """One apiserver, as it is reached and as it is verified.

    INVARIANT: what is verified in one way is equal only to what is verified in the same.
    """

    host: str
    port: int
    server_name: str
    certificates: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """All that a request needs beside what was asked for; rendered once, not for each."""

    origin: Origin
    tls: ResumingContext
    prefix: str
    host: tuple[str, str]
    authorization: bytes = field(repr=False)


_NAME = re.compile(r"[0-9A-Za-z._-]{1,253}|[0-9A-Fa-f:.]{2,45}")
_SERVER = re.compile(
    r"https://(?P<host>[0-9A-Za-z._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])"
    r'(?::(?P<port>[0-9]{1,5}))?(?P<path>/[!"$->@-~]*)?'
)
_PORTS = range(1, 65536)


async def load(access: ClusterAccess, known: Credentials | None) -> Credentials:
    """Read the credentials; what has not changed of the `known` ones is taken from them.

    Raises:
        ClusterError: they are missing, or would have the proxy talk to an
            apiserver that it cannot verify.
    """
    fresh = await _configuration(access)
    server = _server(fresh.host or "")
    if not fresh.verify_ssl:
        raise ClusterError("cluster: insecure-skip-tls-verify is not allowed, give the CA")
    if fresh.proxy:
        raise ClusterError("cluster: proxy-url is not supported, connect directly")
    token = _one_line(await fresh.get_api_key_with_prefix("BearerToken") or "")
    if not token and not fresh.cert_file:
        raise ClusterError("cluster: the credentials hold neither a token nor a certificate")
    host, port = server["host"].strip("[]"), server["port"] or "443"
    origin = Origin(
        host=host,
        port=int(port),
        server_name=_server_name(fresh.tls_server_name or host),
        certificates=_certificates(fresh),
    )
    return Credentials(
        origin=origin,
        tls=known.tls if known is not None and known.origin == origin else _trust(fresh),
        prefix=(server["path"] or "").rstrip("/"),
        # RFC 9110, 4.2.2: without the port that goes without saying.
        host=("Host", server["host"] if port == "443" else f"{server['host']}:{port}"),
        authorization=_authorization(token),
    )


async def _configuration(access: ClusterAccess) -> Configuration:
    fresh = Configuration()
    try:
        if access.kubeconfig is None:
            load_incluster_config(client_configuration=fresh)  # type: ignore[no-untyped-call] # kubernetes_asyncio
        else:
            await load_kube_config(
                config_file=str(access.kubeconfig),
                context=access.context,
                client_configuration=fresh,
                persist_config=False,
            )
    except (ConfigException, OSError) as exc:
        raise ClusterError(f"cluster: the credentials cannot be loaded: {exc}") from exc
    except Exception as exc:
        # The loaders raise whatever a broken file makes them raise, and may quote it.
        kind = type(exc).__name__
        raise ClusterError(f"cluster: the credentials cannot be loaded: {kind}") from exc
    return fresh


def _server(url: str) -> re.Match[str]:
    if not url.startswith("https://"):
        raise ClusterError("cluster: the server must be an https:// address")
    found = _SERVER.fullmatch(url)
    if found is None or not _is_name(found["host"]) or int(found["port"] or 443) not in _PORTS:
        raise ClusterError("cluster: the server must be https://HOST[:PORT][/PATH]")
    return found


def _is_name(name: str) -> bool:
    """Whether it can be looked up, and verified: no part of it is empty or too long."""
    return all(0 < len(label) < 64 for label in name.removesuffix(".").split("."))


def _server_name(name: str) -> str:
    """The name in TLS, which has no dot at its end (RFC 6066, 3)."""
    if not _NAME.fullmatch(name) or not _is_name(name):
        raise ClusterError("cluster: tls-server-name is no name of a server")
    return name.removesuffix(".")


def _one_line(token: str) -> str:
    """A mounted token file may end in a newline, which a header may not."""
    return " ".join(token.split())


def _authorization(token: str) -> bytes:
    if not token.isascii() or not token.isprintable():
        raise ClusterError("cluster: the token holds characters that no header may")
    return http1.fields((("Authorization", token),)) if token else b""


def _certificates(fresh: Configuration) -> tuple[bytes, ...]:
    paths = (fresh.ssl_ca_cert, fresh.cert_file, fresh.key_file)
    try:
        return tuple(Path(path).read_bytes() if path else b"" for path in paths)
    except OSError as exc:
        raise _unusable(exc) from exc


def _trust(fresh: Configuration) -> ResumingContext:
    """A new context, and not the old one amended: what is gone is trusted no more."""
    tls = ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.set_alpn_protocols(["http/1.1"])
    # Else what is written would have to wait, in TLS 1.2, for what is read.
    tls.options |= ssl.OP_NO_RENEGOTIATION
    try:
        if fresh.ssl_ca_cert:
            tls.load_verify_locations(cafile=fresh.ssl_ca_cert)
        else:
            tls.load_default_certs()
        if fresh.cert_file:
            tls.load_cert_chain(fresh.cert_file, fresh.key_file)
    except (OSError, ssl.SSLError) as exc:
        raise _unusable(exc) from exc
    return tls


def _unusable(exc: OSError) -> ClusterError:
    return ClusterError(f"cluster: the certificates cannot be loaded: {exc}")
