"""What shadow policies would have changed in requests that were recorded, alike ones counted.

Reads what `audit` wrote. A record may be anything by the time that it is read, so
what is missing in it is empty, and nothing here fails.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

from proxy.core.audit import SHADOW_DECISION, SHADOW_REASON

MOST: Final = 10_000
"""How many kinds of requests are told apart. Who asks names the namespace, so there is no end."""

# Of a text; as long as the longest that is recorded.
_LONGEST: Final = 2048


_Kind = TypeVar("_Kind", bound=Hashable)


class Change(NamedTuple):
    """What would have been changed: for whom and what, how, and why.

    `user` is `ISSUER:USERNAME`, `resource` a plural with its subresource; `namespace`
    is empty for all of them. `decision` is `allow` or `forbid`, `reason` names the rules.
    """

    user: str
    verb: str
    resource: str
    namespace: str
    decision: str
    reason: str


@dataclass(slots=True)
class Times:
    """How often something was, first and last; times as records have them."""

    count: int
    first: str
    last: str


class Kinds(Generic[_Kind]):
    """How often there was something of each kind, in bounded memory."""

    def __init__(self, most: int = MOST) -> None:
        """Tell no more than `most` kinds apart; what is of others is counted together."""
        self._most = most
        self._found: dict[_Kind, Times] = {}
        self.left_out = 0

    def add(self, kind: _Kind, time: str) -> None:
        """Count one more, at some time."""
        if (known := self._found.get(kind)) is not None:
            known.count += 1
            known.first = min(known.first, time)
            known.last = max(known.last, time)
        elif len(self._found) < self._most:
            self._found[kind] = Times(1, time, time)
        else:
            self.left_out += 1

    def items(self) -> Iterable[tuple[_Kind, Times]]:
        """Each kind, in the order in which they came."""
        return self._found.items()


class Tally:
    """Counts what is added, in bounded memory."""

    def __init__(self, most: int = MOST) -> None:
        """Tell no more than `most` kinds apart."""
        self._kinds: Kinds[Change] = Kinds(most)
        self.records = 0
        self.changed = 0

    @property
    def left_out(self) -> int:
        """How many changes are of more kinds than are told apart."""
        return self._kinds.left_out

    def add(self, event: Mapping[str, Any]) -> None:
        """Count a record."""
        self.records += 1
        if (change := _read(event)) is None:
            return
        self.changed += 1
        self._kinds.add(change, _text(event, "requestReceivedTimestamp"))

    def changes(self) -> Iterator[tuple[Change, Times]]:
        """What was counted, the most frequent first."""
        yield from sorted(self._kinds.items(), key=lambda each: (-each[1].count, each[0]))


def _read(event: Mapping[str, Any]) -> Change | None:
    """What would have been changed; None, if it is nothing."""
    decision = _text(event, "annotations", SHADOW_DECISION)
    if not decision:
        return None
    resource, subresource = (_text(event, "objectRef", f) for f in ("resource", "subresource"))
    return Change(
        _text(event, "user", "username"),
        _text(event, "verb"),
        f"{resource}/{subresource}" if subresource else resource,
        _text(event, "objectRef", "namespace"),
        decision,
        _text(event, "annotations", SHADOW_REASON),
    )


def _text(event: Mapping[str, Any], *path: str) -> str:
    value: Any = event
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value[:_LONGEST] if isinstance(value, str) else ""
