"""Which service account: what a cluster's apiserver says in the tokens that it signs.

Two claims name the account, and both must name the same one, in full. Whoever
else such a token may be made for, a user, a node, is nobody here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.core import claims
from proxy.core.attributes import is_name, is_namespace
from proxy.core.errors import Unauthenticated

_PREFIX = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A service account of some cluster."""

    namespace: str
    name: str


def read(signed: Mapping[str, Any]) -> ServiceAccount:
    """Read the claims of a token as TokenRequest makes it (KEP-1205, and its apiserver's code).

    Raises:
        Unauthenticated: they are not those of a service account.
    """
    account = _by_subject(signed.get("sub"))
    # A token of before TokenRequest, which lies in a secret and never expires, has no
    # claim of this name, and an issuer that is no apiserver has no reason for one.
    private = (
        claims.find(signed, r"kubernetes\.io.namespace"),
        claims.find(signed, r"kubernetes\.io.serviceaccount.name"),
    )
    if private != (account.namespace, account.name):
        raise Unauthenticated(
            "claim `kubernetes.io` does not name the service account of `sub`:"
            " send a token made by TokenRequest"
        )
    return account


def _by_subject(subject: Any) -> ServiceAccount:
    """Exactly what `MakeUsername` of apiserver's package `serviceaccount` makes of an account."""
    if isinstance(subject, str) and subject.startswith(_PREFIX):
        namespace, _, name = subject.removeprefix(_PREFIX).partition(":")
        if is_namespace(namespace) and is_name(name):
            return ServiceAccount(namespace, name)
    raise Unauthenticated("claim `sub` is not `system:serviceaccount:NAMESPACE:NAME`")
