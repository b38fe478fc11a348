"""What is granted where: permissions, roles, and the rules that concern one identity.

A lookup costs the same however many rules there are, and cannot fail: no rule means no.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, TypeAlias, TypeVar

from proxy.core.attributes import HOSTCLAIMS, OPT_IN, SECRETS, SERVED, Resource, Verb
from proxy.core.bounds import UNBOUNDED, Bounds
from proxy.core.policy.origins import AnyOrigin

Permission = tuple[str, Verb]
"""The plural of a resource and what may be done with it."""


class Effect(StrEnum):
    """What a rule does where it matches. A denial wins over any number of grants."""

    ALLOW = "allow"
    DENY = "deny"


class Role(StrEnum):
    """A set of permissions with a name."""

    VIEWER = "viewer"
    EDITOR = "editor"


READ: Final = (Verb.GET, Verb.LIST, Verb.WATCH)
WRITE: Final = (Verb.CREATE, Verb.UPDATE, Verb.PATCH, Verb.DELETE)


_NOTHING: Final[frozenset[Permission]] = frozenset()


def product(plurals: Iterable[str], verbs: Collection[Verb]) -> frozenset[Permission]:
    """Each of the verbs on each of the resources."""
    return frozenset((plural, verb) for plural in plurals for verb in verbs)


# As with Kubernetes' ClusterRole `view`, who may only look sees no secrets. Unlike
# its `edit`, no role deletes whole collections: that is granted by name.
ROLES: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.VIEWER: product((HOSTCLAIMS.plural,), READ),
    Role.EDITOR: product((HOSTCLAIMS.plural, SECRETS.plural), READ + WRITE),
}
PLURALS: Final = tuple(resource.plural for resource in (*SERVED, *OPT_IN))
"""Every resource that a rule can name."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One grant or denial: these permissions in these namespaces.

    A namespace is an exact name, a prefix such as `blue-*`, or `*`. `bounds` are
    a grant's alone, and about the HostClaims that are written by it.
    """

    origin: AnyOrigin
    effect: Effect
    permissions: frozenset[Permission]
    # A claim may list thousands; a rule is told from others by its origin.
    namespaces: tuple[str, ...] = field(hash=False)
    bounds: Bounds = UNBOUNDED


@dataclass(frozen=True, slots=True)
class Reach:
    """Namespaces, sorted: those that are known by name, and patterns of others."""

    names: tuple[str, ...]
    patterns: tuple[str, ...]


_Asked: TypeAlias = tuple[str, Verb, str]
_T = TypeVar("_T")
_REMEMBERED: Final = 32


class RuleSet:
    """The rules that concern one identity. Asking cannot fail, and no rule means no.

    `shadow` is what would hold if rules that are only recorded counted, too; None
    if none of those concerns the identity. INVARIANT: nothing decides by it.
    """

    def __init__(self, rules: Iterable[Rule] = (), *, shadow: "RuleSet | None" = None) -> None:
        self._rules = tuple(rules)
        self.shadow = shadow
        self._index: dict[Effect, dict[str, list[Rule]]] = {effect: {} for effect in Effect}
        # By what was asked for, so there are no more than permissions.
        self._where: dict[Permission, Reach] = {}
        self._found: dict[_Asked, Any] = {}
        # What the rules that are kept permit, where there are several, within each bounds.
        reaches: dict[tuple[Effect, str], dict[Bounds, frozenset[Permission]]] = {}
        for rule in self._rules:
            index = self._index[rule.effect]
            for pattern in rule.namespaces:
                if (kept := index.get(pattern)) is None:
                    index[pattern] = [rule]
                    continue
                # INVARIANT: each rule kept adds a permission to those before it that
                # go as far, so there are at most as many as there are permissions for
                # each bounds, and a lookup costs the same however many rules there are.
                first = {kept[0].bounds: kept[0].permissions}
                reach = reaches.setdefault((rule.effect, pattern), first)
                here = reach.get(rule.bounds, _NOTHING)
                if not rule.permissions <= here | reach.get(UNBOUNDED, _NOTHING):
                    kept.append(rule)
                    reach[rule.bounds] = here | rule.permissions

    def __iter__(self) -> Iterator[Rule]:
        """All of them, as they were given."""
        return iter(self._rules)

    def size(self) -> int:
        """What it takes to remember them, shadows included: each counts once for a namespace."""
        shadow = 0 if self.shadow is None else self.shadow.size()
        return sum([max(1, len(rule.namespaces)) for rule in self._rules]) + shadow

    @cached_property
    def only_in_shadow(self) -> frozenset[Rule]:
        """The rules of `shadow` that do not count."""
        return frozenset() if self.shadow is None else frozenset(self.shadow).difference(self)

    def granted(self) -> Mapping[str, Sequence[Rule]]:
        """The grants that count, by each name or pattern that they are written for."""
        return self._index[Effect.ALLOW]

    def found(self, asked: _Asked, find: Callable[["RuleSet", _Asked], _T]) -> _T:
        """What one function finds in these rules, which it has to go by alone; it is kept.

        `asked` is the plural of a resource, a verb, and a namespace. Whoever asks names
        the namespace, so what is kept is bounded.
        """
        try:
            known: _T = self._found[asked]
        except KeyError:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            known = self._found[asked] = find(self, asked)
        return known

    def matching(self, effect: Effect, resource: str, verb: Verb, namespace: str) -> Rule | None:
        """A rule with this effect on the request: the one with the closest pattern.

        `resource` is a plural. Whoever decides asks for a denial first.
        """
        found = self.all_matching(effect, resource, verb, namespace)
        return found[0] if found else None

    def all_matching(self, effect: Effect, resource: str, verb: Verb, namespace: str) -> list[Rule]:
        """Every rule of different reach with this effect on the request, the closest first."""
        # Most have no denials at all.
        if not (index := self._index[effect]):
            return []
        asked = (resource, verb)
        return [
            rule
            for pattern in covering(namespace)
            for rule in index.get(pattern, ())
            if asked in rule.permissions
        ]

    def permissions(self, namespace: str) -> frozenset[Permission]:
        """All that may be done in a namespace, denials taken off."""
        granted = self._reach(Effect.ALLOW, namespace)
        return granted - self._reach(Effect.DENY, namespace) if granted else granted

    def namespaces(self) -> tuple[str, ...]:
        """Names and patterns of namespaces in which anything is allowed, sorted."""
        return self._namespaces

    def where(self, resource: str, verb: Verb) -> Reach:
        """Where something is allowed: the same as to ask for each of `namespaces`."""
        asked = (resource, verb)
        if (found := self._where.get(asked)) is None:
            granted = [name for name in self.namespaces() if asked in self.permissions(name)]
            found = self._where[asked] = Reach(
                tuple(name for name in granted if not name.endswith("*")),
                tuple(name for name in granted if name.endswith("*")),
            )
        return found

    def resources(self) -> tuple[Resource, ...]:
        """The resources that there are for the identity: some only if they are granted."""
        return self._resources

    @cached_property
    def _resources(self) -> tuple[Resource, ...]:
        granted = {plural for name in self.namespaces() for plural, _ in self.permissions(name)}
        return (*SERVED, *(resource for resource in OPT_IN if resource.plural in granted))

    @cached_property
    def _namespaces(self) -> tuple[str, ...]:
        patterns = sorted(self._index[Effect.ALLOW])
        if not self._index[Effect.DENY]:
            return tuple(patterns)
        return tuple(pattern for pattern in patterns if self.permissions(pattern))

    def _reach(self, effect: Effect, pattern: str) -> frozenset[Permission]:
        """The permissions of all rules that hold in the whole of a pattern."""
        if not (index := self._index[effect]):
            return _NOTHING
        return _union([rule for wider in covering(pattern) for rule in index.get(wider, ())])


def _union(rules: Iterable[Rule]) -> frozenset[Permission]:
    return _NOTHING.union(*[rule.permissions for rule in rules])


def covering(namespace: str) -> list[str]:
    """Every pattern that covers a name or a pattern, the closest first.

    A prefix ends with `-`, so there are no more of them than dashes.
    """
    patterns = [namespace]
    dash = namespace.rfind("-")
    while dash > 0:
        patterns.append(f"{namespace[: dash + 1]}*")
        dash = namespace.rfind("-", 0, dash)
    patterns.append("*")
    return patterns


def covers(patterns: Collection[str], namespace: str) -> bool:
    """Whether one of the patterns covers a name or a pattern."""
    return any(pattern in patterns for pattern in covering(namespace))
