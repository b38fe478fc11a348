"""What is found out about somebody: what is allowed where, and what of it is other."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from proxy.core.bounds import Bounds
from proxy.core.difference.findings import Change, Finding
from proxy.core.difference.places import Allowed, Ground
from proxy.core.policy import AnyOrigin, Permission
from proxy.core.policy.subjects import Subject


class Persona(NamedTuple):
    """Somebody who is these subjects, whose token has one claim if any."""

    subjects: tuple[Subject, ...]
    claim: str = ""


class Key(NamedTuple):
    """What is told in one finding, of all places and permissions of which it is so."""

    change: Change
    rule: AnyOrigin | None = None
    denial: AnyOrigin | None = None
    refusal: str = ""
    bounds: tuple[tuple[Bounds, ...], tuple[Bounds, ...]] = ((), ())


Marks: TypeAlias = dict[Key, dict[str, set[Permission]]]


@dataclass(slots=True)
class View:
    """What is found out about one persona: what is allowed where, and what is other.

    With `hosts`, it is the HardwareData of the hosts that are there.
    """

    persona: Persona
    hosts: bool = False
    allowed: dict[str, Allowed] = field(default_factory=dict)
    marks: Marks = field(default_factory=dict)

    def mark(self, key: Key, name: str, permission: Permission) -> None:
        """Note that something is other in a name or pattern."""
        self.marks.setdefault(key, {}).setdefault(name, set()).add(permission)

    def findings(self) -> Iterator[Finding]:
        """What was noted, with names and patterns of which the same is so together."""
        ground = Ground(self.allowed)
        for key, marked in self.marks.items():
            alike: dict[frozenset[Permission], dict[str, None]] = {}
            for name, permissions in marked.items():
                alike.setdefault(frozenset(permissions), {})[name] = None
            for what, names in alike.items():
                yield Finding(
                    change=key.change,
                    subjects=self.persona.subjects[:1],
                    permissions=what,
                    places=ground.places(names, what),
                    hosts=self.hosts,
                    claim=self.persona.claim,
                    rule=key.rule,
                    denial=key.denial,
                    refusal=key.refusal,
                    bounds=key.bounds,
                )
