"""Where an IAM is asked for tokens: its metadata, by OIDC Discovery 1.0."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.edge.oidc.faults import LoginError
from proxy.https import Conversation, is_https

_WELL_KNOWN = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Provider:
    """An IAM, by its issuer's url.

    `ca_file` holds the PEM certificates that it is trusted by, instead of the system's;
    `ca_pem` is such certificates themselves, where there is no file.
    A question and its answer, discovery included, are given up after `timeout` seconds.

    Raises:
        ValueError: the url does not begin with `https://`.
    """

    url: str
    ca_file: Path | None = None
    timeout: float = 10
    ca_pem: str | None = None

    def __post_init__(self) -> None:
        if not is_https(self.url):
            raise ValueError("the url of an issuer must begin with `https://`")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What an IAM says of itself: where it is asked, and how clients show who they are."""

    token: str
    device_authorization: str | None
    methods: tuple[str, ...]


async def discover(provider: Provider, iam: Conversation) -> Endpoints:
    """Find where the IAM is asked.

    Raises:
        HttpsError: it cannot be asked.
        LoginError: its metadata is not its own, or names no place that is fit.
    """
    metadata = await iam.fetch(provider.url.removesuffix("/") + _WELL_KNOWN)
    # OIDC Discovery 1.0, 4.3. Whoever could put another here would be told the secret.
    if not isinstance(metadata, Mapping) or metadata.get("issuer") != provider.url:
        raise LoginError("its metadata is that of another issuer")
    token = _place(metadata, "token_endpoint")
    if token is None:
        raise LoginError("its metadata names no `token_endpoint` that begins with `https://`")
    device = _place(metadata, "device_authorization_endpoint")
    return Endpoints(token, device, _methods(metadata))


def _place(metadata: Mapping[str, Any], member: str) -> str | None:
    url = metadata.get(member)
    return url if isinstance(url, str) and is_https(url) else None


def _methods(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """OIDC Discovery 1.0, 3: where none are named, it is `client_secret_basic`."""
    found = metadata.get("token_endpoint_auth_methods_supported")
    if not isinstance(found, list):
        return ("client_secret_basic",)
    return tuple(method for method in found if isinstance(method, str))
