"""What no record tells: claims that a token may have had, as far as rules go by them.

Nothing is guessed. What is made up here is to be tried: where it would be decided
otherwise than no claims at all, it cannot be known what was.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Final, TypeAlias

from proxy.core.attributes import HARDWAREDATA, ResourceRequest
from proxy.core.claims import MAX_VALUES
from proxy.core.entitlement import MAX_SPANNED
from proxy.core.identity import Identity
from proxy.core.personas import witness
from proxy.core.policy import ClaimGrants, PolicySet
from proxy.core.policy.subjects import Entry

Claims: TypeAlias = dict[str, tuple[str, ...]]
"""What claims list, by their names."""

_EVERYWHERE: Final = ("*",)


def spans(request: ResourceRequest) -> bool:
    """Whether a request goes by all namespaces that are granted, and not by the one it names."""
    return request.namespace is None or request.resource == HARDWAREDATA


@dataclass(slots=True)
class Untold:
    """Claims by which rules in files and the configuration grant something."""

    policies: PolicySet
    grants: ClaimGrants
    _entries: dict[str, list[Entry]] | None = field(default=None, init=False)

    def granting(self, who: Identity, request: ResourceRequest) -> Iterator[Claims]:
        """Claims of which some would let a request through, if any can."""
        if not spans(request) and request.namespace is not None:
            yield from self._listing(who, (request.namespace,))
            return
        # One namespace is enough, and more could be too many.
        reach = self._reach(who)
        known = {name for name in reach if not name.endswith("*")}
        for name in reach:
            if (namespace := witness(name, known)) is not None:
                yield from self._listing(who, (namespace,))

    def crowding(self, who: Identity, request: ResourceRequest) -> Iterator[Claims]:
        """Claims of which some list so many namespaces that a request is refused, if any do."""
        if not spans(request):
            return
        reach = self._reach(who)
        yield from self._listing(who, [name for name in reach if not name.endswith("*")])
        for pattern in reach:
            if pattern.endswith("*"):
                beginning = pattern.removesuffix("*")
                names = (f"{beginning}{number}" for number in count())
                yield from self._listing(who, [*islice(names, MAX_SPANNED + 1)])

    def _listing(self, who: Identity, namespaces: Iterable[str]) -> Iterator[Claims]:
        """Claims that all list some namespaces, if there are claims that count."""
        found: dict[str, dict[str, None]] = {}
        names = dict.fromkeys(islice(namespaces, MAX_VALUES))
        for entry in self._concerning(who):
            found.setdefault(entry.claim, {}).update(names)
        for claim, value in self.grants.values(who.issuer, names):
            found.setdefault(claim, {})[value] = None
        if found:
            yield {claim: tuple(values) for claim, values in found.items()}

    def _reach(self, who: Identity) -> list[str]:
        """Names and patterns by which rules tell the namespaces of somebody apart."""
        found = [
            *(grant.within for grant in self.grants if grant.issuer == who.issuer),
            *(entry.rule.namespaces or _EVERYWHERE for entry in self._concerning(who)),
        ]
        if found:
            found += [rule.namespaces for rule in self.policies.rules_for(who)]
        return sorted({name for names in found for name in names})

    def _concerning(self, who: Identity) -> list[Entry]:
        """The rules for somebody that go by a claim."""
        if self._entries is None:
            self._entries = {}
            for entry in self.policies:
                if entry.claim:
                    for issuer in {subject.issuer for subject in entry.subjects}:
                        self._entries.setdefault(issuer, []).append(entry)
        return [entry for entry in self._entries.get(who.issuer, ()) if entry.concerns(who)]
