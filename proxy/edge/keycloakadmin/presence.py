"""Whom a realm knows: groups, clients and users that policies name, looked for and not changed."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from keycloak import KeycloakAdmin

from proxy.core.policy.doubts import Directory
from proxy.core.policy.subjects import SubjectKind
from proxy.edge.keycloakadmin import groups, sight
from proxy.edge.keycloakadmin.connection import doing
from proxy.edge.keycloakadmin.sight import READS

FEW: Final = 20
"""Up to so many groups below one are looked for by their paths; of more, all are listed."""

MOST: Final = 1_000
"""How many groups, and how many users, are looked for. Of the rest nothing is said."""


@dataclass(frozen=True, slots=True)
class Sought:
    """Whom to look for: groups by their paths, clients by their ids.

    Users are looked for by `user_field`, a field by which Keycloak searches them.
    """

    groups: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    user_field: str = "username"


def look(admin: KeycloakAdmin, sought: Sought, say: Callable[[str], None]) -> Directory:
    """Find out who of them is there.

    Raises:
        AdminError: Keycloak refused.
    """
    with doing("list the clients", READS):
        clients = frozenset(str(client["clientId"]) for client in admin.get_clients())
    there = frozenset(_groups(admin, sought.groups, say))
    users = _Users(admin, sought.user_field)
    known = frozenset(_each(sought.users, "users", say, users.has))
    missing = {
        SubjectKind.GROUP: _first(sought.groups) - there,
        SubjectKind.CLIENT: sought.clients - clients,
        SubjectKind.USER: _first(sought.users) - known,
    }
    if missing[SubjectKind.CLIENT]:
        sight.check_clients(admin)
    if missing[SubjectKind.USER]:
        sight.check_users(admin)
    names = {
        SubjectKind.GROUP: there,
        SubjectKind.CLIENT: clients,
        SubjectKind.USER: known | users.alike,
    }
    return Directory(missing, names)


def _first(names: frozenset[str]) -> frozenset[str]:
    return frozenset(sorted(names)[:MOST])


def _each(
    names: frozenset[str], what: str, say: Callable[[str], None], has: Callable[[str], bool]
) -> Iterator[str]:
    """Those that are there, looked for one by one."""
    for number, name in enumerate(sorted(_first(names))):
        if number % 100 == 0:
            say(f"asking about {what}, {number} of {len(names)}")
        if has(name):
            yield name
    if len(names) > MOST:
        say(f"asked about {MOST} of {len(names)} {what}")


def _groups(
    admin: KeycloakAdmin, paths: frozenset[str], say: Callable[[str], None]
) -> Iterator[str]:
    """Those that are there, and those beside them where it took a list to know."""
    below: defaultdict[str, set[str]] = defaultdict(set)
    for path in _first(paths):
        below[path.rpartition("/")[0]].add(path)
    alone: set[str] = set()
    for parent, children in below.items():
        if parent and len(children) > FEW:
            yield from _below(admin, parent)
        else:
            alone |= children
    yield from _each(frozenset(alone), "groups", say, partial(_is_group, admin))


def _is_group(admin: KeycloakAdmin, path: str) -> bool:
    """Whether there is a group that tokens name so."""
    found = groups.find(admin, path, READS)
    # `/tenants/blue/` is looked for as `/tenants/blue`, and a token says the latter alone.
    return found is not None and found["path"] == path


def _below(admin: KeycloakAdmin, parent: str) -> list[str]:
    found = groups.find(admin, parent, READS)
    return [] if found is None else groups.below(admin, found, READS)


class _Users:
    """The users of a realm, by one field; and the names of those that were found by another."""

    def __init__(self, admin: KeycloakAdmin, field: str) -> None:
        self.alike: frozenset[str] = frozenset()
        self._admin = admin
        self._field = field

    def has(self, name: str) -> bool:
        """Whether there is a user whose field is exactly that."""
        with doing(f"look for user `{name}`", READS):
            found = self._admin.get_users(
                {self._field: name, "exact": "true", "briefRepresentation": "true"}
            )
        names = frozenset(str(user.get(self._field)) for user in found)
        self.alike |= names
        return name in names
