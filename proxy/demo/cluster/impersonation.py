"""Whom do they speak for: the Impersonate-* headers.

As kube-apiserver's impersonation filter: a separate permission for the user, each group and each
extra value, and a refusal rather than a guess where one is missing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from proxy.demo.cluster.rbac import Attributes, User, authorize, denial
from proxy.demo.cluster.resources import Resource
from proxy.demo.cluster.status import bad_request, forbidden
from proxy.demo.cluster.store import Store
from proxy.demo.cluster.tokens import AUTHENTICATED, account_groups

_AUTHENTICATION = "authentication.k8s.io"
_ACCOUNT = "system:serviceaccount:"
_VERB = "impersonate"
_PREFIX = "impersonate-"
_EXTRA = "impersonate-extra-"

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    uid: str
    groups: tuple[str, ...]
    extra: tuple[tuple[str, str], ...]


def impersonate(user: User, headers: Headers, store: Store) -> User:
    """Give the user that a request is to be taken for.

    Raises:
        ApiError: the caller may not speak for them.
    """
    wanted = _read(headers)
    if wanted is None:
        return user
    if not wanted.name:
        raise bad_request("requested groups or extra without impersonating a user name")
    for asked in _permissions(wanted):
        if not authorize(user, asked, store).allowed:
            row = Resource(asked.group, "v1", asked.resource, "", "", {})
            raise forbidden(row, asked.name, denial(user, asked))
    groups = wanted.groups
    if wanted.name.startswith(_ACCOUNT) and not groups:
        groups = account_groups(wanted.name.removeprefix(_ACCOUNT).partition(":")[0])
    if AUTHENTICATED not in groups:
        groups = (*groups, AUTHENTICATED)
    return User(wanted.name, groups, wanted.uid, wanted.extra)


def _read(headers: Headers) -> _Wanted | None:
    told = [(name.lower(), value) for name, value in headers if name.lower().startswith(_PREFIX)]
    if not told:
        return None
    first = dict(reversed(told))
    return _Wanted(
        first.get("impersonate-user", ""),
        first.get("impersonate-uid", ""),
        tuple(value for name, value in told if name == "impersonate-group"),
        tuple(
            (name.removeprefix(_EXTRA), value) for name, value in told if name.startswith(_EXTRA)
        ),
    )


def _permissions(wanted: _Wanted) -> Iterator[Attributes]:
    if wanted.name.startswith(_ACCOUNT):
        namespace, _, name = wanted.name.removeprefix(_ACCOUNT).partition(":")
        yield Attributes(_VERB, resource="serviceaccounts", namespace=namespace, name=name)
    else:
        yield Attributes(_VERB, resource="users", name=wanted.name)
    for group in wanted.groups:
        yield Attributes(_VERB, resource="groups", name=group)
    if wanted.uid:
        yield Attributes(_VERB, group=_AUTHENTICATION, resource="uids", name=wanted.uid)
    for key, value in wanted.extra:
        yield Attributes(
            _VERB, group=_AUTHENTICATION, resource="userextras", subresource=key, name=value
        )
