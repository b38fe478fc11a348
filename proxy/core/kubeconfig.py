"""What a tenant's kubeconfig says: where the proxy is, how to trust it, and how to log in.

Nothing in it names another file but a `TokenFileLogin`'s: certificates are inlined,
so that the file can be handed over, or kept in a Secret, as it is.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, assert_never

from proxy.core.attributes import is_namespace

COMMAND: Final = "hostclaim-proxy"
"""The exec plugin, as it is found in the PATH."""

EXEC_API_VERSION: Final = "client.authentication.k8s.io/v1"
"""What a plugin is asked for, and has to print: its ExecCredential."""

_INSTALL_HINT: Final = (
    "The plugin that logs you in is missing. Install the package hostclaim-proxy"
    " (Python 3.11 or newer), and have its command in the PATH."
)
_ORIGIN: Final = re.compile(
    r"https://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?/?"
)
_CERTIFICATE: Final = "-----BEGIN CERTIFICATE-----"
# `b64token` of RFC 6750, 2.1: what can stand in an Authorization header.
_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")


@dataclass(frozen=True, slots=True)
class ExecLogin:
    """A client-go exec plugin gets the token: `hostclaim-proxy token` with its options.

    `args` are all of its arguments, `token` itself the first. `env` is set for the
    plugin besides what its caller has; a secret in it is in the kubeconfig.
    """

    args: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    command: str = COMMAND


@dataclass(frozen=True, slots=True)
class TokenFileLogin:
    """The token lies in a file that something else keeps fresh, as a kubelet does.

    A relative path is relative to the kubeconfig.
    """

    path: str


@dataclass(frozen=True, slots=True)
class StaticTokenLogin:
    """The token itself, for as long as it lives. Whoever reads the kubeconfig has it."""

    token: str = field(repr=False)


Login: TypeAlias = ExecLogin | TokenFileLogin | StaticTokenLogin


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """One way to one proxy.

    `server` is the proxy's URL and `ca_pem` the certificates that it is trusted by,
    instead of those of the client's system. `name` is what cluster, user and context
    are called; `namespace` is that of the context, where kubectl starts and CAPM3
    makes its claims.

    Raises:
        ValueError: a client could not use it, or it would give a key away.
    """

    server: str
    ca_pem: str | None
    login: Login
    name: str
    namespace: str

    def __post_init__(self) -> None:
        if not _is_origin(self.server):
            raise ValueError("server must be `https://HOST` or `https://HOST:PORT`")
        if self.ca_pem is not None and _CERTIFICATE not in self.ca_pem:
            raise ValueError("the CA must have certificates in PEM")
        # A server's key in the same file as its certificate would go to every tenant.
        if self.ca_pem is not None and "PRIVATE KEY-----" in self.ca_pem:
            raise ValueError("the CA must have certificates alone, and no private key")
        if not self.name:
            raise ValueError("name must not be empty")
        if not is_namespace(self.namespace):
            raise ValueError("namespace must be the name of a namespace")
        _check(self.login)


def render(config: Kubeconfig) -> dict[str, Any]:
    """A kubeconfig as client-go reads it (package clientcmd/api/v1), to be written in YAML."""
    name = config.name
    context = {"cluster": name, "user": name, "namespace": config.namespace}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": _cluster(config)}],
        "users": [{"name": name, "user": _user(config.login)}],
        "contexts": [{"name": name, "context": context}],
    }


def _cluster(config: Kubeconfig) -> dict[str, str]:
    if config.ca_pem is None:
        return {"server": config.server}
    data = base64.b64encode(config.ca_pem.encode()).decode()
    return {"server": config.server, "certificate-authority-data": data}


def _user(login: Login) -> dict[str, Any]:
    match login:
        case ExecLogin():
            return {"exec": _exec(login)}
        case TokenFileLogin(path):
            return {"tokenFile": path}
        case StaticTokenLogin(token):
            return {"token": token}
        case _:
            assert_never(login)


def _exec(login: ExecLogin) -> dict[str, Any]:
    return {
        "apiVersion": EXEC_API_VERSION,
        "command": login.command,
        "args": list(login.args),
        "env": [{"name": name, "value": value} for name, value in login.env.items()],
        "installHint": _INSTALL_HINT,
        # A plugin is told whether somebody sits there: a device code is no use to a controller.
        "interactiveMode": "IfAvailable",
        # Tokens are for the issuer's audience, not for one server.
        "provideClusterInfo": False,
    }


def _is_origin(server: str) -> bool:
    """Whether a URL is no more than a place: the proxy has no path before its own."""
    found = _ORIGIN.fullmatch(server)
    return found is not None and int(found["port"] or 443) in range(1, 2**16)


def _check(login: Login) -> None:
    match login:
        case ExecLogin():
            if not login.command:
                raise ValueError("command must not be empty")
        case TokenFileLogin(path):
            if not path:
                raise ValueError("the path of the token file must not be empty")
        case StaticTokenLogin(token):
            if not _TOKEN.fullmatch(token):
                raise ValueError("the token must be one that an Authorization header can hold")
        case _:
            assert_never(login)
