"""What is granted: policy documents, read strictly and compiled into rules.

Reading reports every problem at once. What was read is held in indexes, so that
asking costs the same however many rules concern somebody else, and cannot fail.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Final

from proxy.core.attributes import HOSTCLAIMS, SECRETS, SERVED, Verb, is_namespace
from proxy.core.identity import Identity

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


_READ = (Verb.GET, Verb.LIST, Verb.WATCH)
_WRITE = (Verb.CREATE, Verb.UPDATE, Verb.PATCH, Verb.DELETE)


def _product(plurals: Iterable[str], verbs: Collection[Verb]) -> frozenset[Permission]:
    return frozenset((plural, verb) for plural in plurals for verb in verbs)


# As Kubernetes' own ClusterRoles `view` and `edit`: who may only look sees no
# secrets, and nobody deletes whole collections who was not told so by name.
ROLES: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.VIEWER: _product((HOSTCLAIMS.plural,), _READ),
    Role.EDITOR: _product((HOSTCLAIMS.plural, SECRETS.plural), _READ + _WRITE),
}
_PLURALS: Final = tuple(resource.plural for resource in SERVED)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a rule was written: shown in audit records and refusals' details.

    `document` is its `metadata.name`; `path` is the field in it, such as
    `spec.allow[0]`; `line` counts from 1.
    """

    file: str
    document: str
    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.document} {self.path}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One grant or denial: these permissions in these namespaces.

    A namespace is an exact name, a prefix such as `blue-*`, or `*`.
    """

    origin: Origin
    effect: Effect
    permissions: frozenset[Permission]
    # A claim may list thousands; a rule is told from others by its origin.
    namespaces: tuple[str, ...] = field(hash=False)


class RuleSet:
    """The rules that concern one identity. Asking cannot fail, and no rule means no."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._index: dict[Effect, dict[str, list[Rule]]] = {effect: {} for effect in Effect}
        for rule in rules:
            index = self._index[rule.effect]
            for pattern in rule.namespaces:
                kept = index.setdefault(pattern, [])
                # INVARIANT: each rule kept adds a permission to those before it, so
                # there are at most as many as there are permissions, and a lookup
                # costs the same however many rules name one namespace.
                if not rule.permissions <= _union(kept):
                    kept.append(rule)

    def matching(self, effect: Effect, resource: str, verb: Verb, namespace: str) -> Rule | None:
        """A rule with this effect on the request: the one with the closest pattern.

        `resource` is a plural. Whoever decides asks for a denial first.
        """
        index = self._index[effect]
        for pattern in _covering(namespace):
            for rule in index.get(pattern, ()):
                if (resource, verb) in rule.permissions:
                    return rule
        return None

    def permissions(self, namespace: str) -> frozenset[Permission]:
        """All that may be done in a namespace, denials taken off."""
        return self._reach(Effect.ALLOW, namespace) - self._reach(Effect.DENY, namespace)

    def namespaces(self) -> tuple[str, ...]:
        """Names and patterns of namespaces in which anything is allowed, sorted."""
        return self._namespaces

    @cached_property
    def _namespaces(self) -> tuple[str, ...]:
        patterns = sorted(self._index[Effect.ALLOW])
        if not self._index[Effect.DENY]:
            return tuple(patterns)
        return tuple(pattern for pattern in patterns if self.permissions(pattern))

    def _reach(self, effect: Effect, pattern: str) -> frozenset[Permission]:
        """The permissions of all rules that hold in the whole of a pattern."""
        index = self._index[effect]
        return _union(rule for wider in _covering(pattern) for rule in index.get(wider, ()))


def _union(rules: Iterable[Rule]) -> frozenset[Permission]:
    return frozenset[Permission]().union(*(rule.permissions for rule in rules))


def _covering(namespace: str) -> Iterator[str]:
    """Every pattern that covers a name or a pattern, the closest first.

    A prefix ends with `-`, so there are no more of them than dashes.
    """
    yield namespace
    dash = namespace.rfind("-")
    while dash > 0:
        yield f"{namespace[: dash + 1]}*"
        dash = namespace.rfind("-", 0, dash)
    yield "*"


class SubjectKind(StrEnum):
    """How a document may name somebody; the value is the field's name on the wire."""

    GROUP = "group"
    USER = "user"
    CLIENT = "client"
    SERVICE_ACCOUNT = "serviceAccount"
    EVERYONE = "everyone"


@dataclass(frozen=True, slots=True)
class _Subject:
    """Somebody of an issuer; the value is empty for everyone of it."""

    issuer: str
    kind: SubjectKind
    value: str


@dataclass(frozen=True, slots=True)
class _Entry:
    """A rule and whom it concerns.

    With a `claim`, it holds in the namespaces that the claim of a token names,
    as far as `rule.namespaces` cover them.
    """

    subjects: tuple[_Subject, ...]
    rule: Rule
    claim: str = ""

    def rule_for(self, identity: Identity) -> Rule:
        if not self.claim:
            return self.rule
        bounds = self.rule.namespaces
        names = tuple(
            name
            for name in identity.claims.get(self.claim, ())
            if _may_be_claimed(name) and any(pattern in bounds for pattern in _covering(name))
        )
        return replace(self.rule, namespaces=names)


def _may_be_claimed(name: str) -> bool:
    """An exact name, and none of the cluster's own namespaces.

    A token's patterns mean nothing: the IAM must not grant more than it can list.
    """
    return is_namespace(name) and not name.startswith("kube-")


class PolicySet:
    """All rules of all documents, indexed by whom they concern. Immutable."""

    def __init__(self, entries: Iterable[_Entry] = ()) -> None:
        self._entries = tuple(entries)
        self._index: dict[tuple[str, SubjectKind], dict[str, list[int]]] = {}
        for number, entry in enumerate(self._entries):
            for subject in entry.subjects:
                values = self._index.setdefault((subject.issuer, subject.kind), {})
                values.setdefault(subject.value, []).append(number)

    def __len__(self) -> int:
        return len(self._entries)

    def rules_for(self, identity: Identity) -> RuleSet:
        """The rules that concern an identity, in the order of the documents."""
        found: set[int] = set()
        for kind, values in _names(identity).items():
            index = self._index.get((identity.issuer, kind), {})
            for value in values:
                found.update(index.get(value, ()))
        return RuleSet(self._entries[number].rule_for(identity) for number in sorted(found))


def _names(identity: Identity) -> dict[SubjectKind, tuple[str, ...]]:
    """What a document may call an identity.

    INVARIANT: an attribute that a token lacks is empty, and no document names that.
    """
    return {
        SubjectKind.GROUP: identity.groups,
        SubjectKind.USER: (identity.username,),
        SubjectKind.CLIENT: (identity.client,),
        SubjectKind.SERVICE_ACCOUNT: (identity.service_account,),
        SubjectKind.EVERYONE: ("",),
    }
