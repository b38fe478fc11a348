"""What opens the issuer's door: a Secret with a client's credentials, read.

Its owner says in it, beside the secret itself, which issuer and which client it is
for, and by a label that it is for us. Who writes a kubeconfig can name such a
Secret of the same namespace, and can neither send another Secret to an issuer nor
this one to another issuer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from proxy.refresher.errors import RefreshError
from proxy.refresher.order import text_of

LABEL: Final = "hostclaim-proxy.metal3.io/refresh-credentials"
"""On a Secret with credentials: `"true"` lets tokens be got with them."""

_SECRET: Final = "client-secret"  # noqa: S105 - the name of a key
_KEY: Final = "private-key"


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A password that client and issuer share."""

    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A key in PEM whose public half the issuer knows (RFC 7523)."""

    pem: str = field(repr=False)


Proof: TypeAlias = ClientSecret | PrivateKey


@dataclass(frozen=True, slots=True)
class Credentials:
    """A client of an issuer, what proves it, and the scopes to ask for."""

    issuer: str
    client_id: str
    proof: Proof
    scopes: tuple[str, ...] = ()


def read(secret: Mapping[str, Any]) -> Credentials:
    """Read a Secret, a v1 Secret in JSON.

    Raises:
        RefreshError: it is not meant for this, or a key is missing or wrong.
    """
    name = secret["metadata"]["name"]
    if (secret["metadata"].get("labels") or {}).get(LABEL) != "true":
        raise RefreshError(f'Secret `{name}` must have the label `{LABEL}: "true"`')
    try:
        return _read(secret.get("data") or {})
    except RefreshError as exc:
        raise RefreshError(f"Secret `{name}`: {exc}") from exc


def _read(data: Mapping[str, str]) -> Credentials:
    if (_SECRET in data) is (_KEY in data):
        raise RefreshError(f"must have one of the keys `{_SECRET}` and `{_KEY}`")
    # Whoever makes a Secret from a file often has a newline at its end.
    proof: Proof = (
        ClientSecret(_line(data, _SECRET)) if _SECRET in data else PrivateKey(text_of(data, _KEY))
    )
    scopes = text_of(data, "scope").split() if "scope" in data else ()
    return Credentials(_line(data, "issuer-url"), _line(data, "client-id"), proof, tuple(scopes))


def _line(data: Mapping[str, str], key: str) -> str:
    text = text_of(data, key).rstrip("\r\n")
    if not text or not text.isprintable():
        raise RefreshError(f"the key `{key}` must hold one line of text")
    return text
