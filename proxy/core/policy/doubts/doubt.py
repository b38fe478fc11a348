"""What is doubtful and where: a piece of a document, found again by the document's name."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from proxy.core.policy.codes import Code
from proxy.core.policy.faults import Fault
from proxy.core.policy.located import Path
from proxy.core.policy.origins import Origin
from proxy.core.policy.subjects import Entry, PolicySet, Subject, SubjectKind

_NUMBER: Final = re.compile(r"\[([0-9]+)\]$")


@dataclass(frozen=True, slots=True)
class Doubt:
    """A piece of a document that most likely does not say what was meant."""

    file: str
    document: str
    path: Path
    fault: Fault

    @property
    def code(self) -> Code:
        """What kind of doubt it is."""
        return self.fault.code


def of_rule(entry: Entry, fault: Fault, *below: str | int) -> Doubt:
    """A doubt about a rule, or a piece of it."""
    origin = origin_of(entry)
    found = _NUMBER.search(origin.path)
    number = int(found[1]) if found else 0
    path = ("spec", entry.rule.effect.value, number, *below)
    return Doubt(origin.file, origin.document, path, fault)


def of_subject(entry: Entry, number: int, field: str, fault: Fault) -> Doubt:
    """A doubt about a field of one of the subjects of a document."""
    origin = origin_of(entry)
    return Doubt(origin.file, origin.document, ("spec", "subjects", number, field), fault)


def all_rules(policies: PolicySet) -> Iterator[Entry]:
    """Those that count, and those that will once they are no longer shadows."""
    yield from policies
    yield from policies.shadows()


def origin_of(entry: Entry) -> Origin:
    """Where a rule of a file is written; all rules of a `PolicySet` are."""
    origin = entry.rule.origin
    if not isinstance(origin, Origin):
        raise TypeError("a rule that is in no file is in no policy set")
    return origin


class Kinds:
    """Of which issuers and kinds the subjects of a rule are.

    They are looked at once for all rules of a document, since a small file may have
    thousands of both.
    """

    def __init__(self) -> None:
        self._found: dict[int, frozenset[tuple[str, SubjectKind]]] = {}

    def of(self, entry: Entry) -> frozenset[tuple[str, SubjectKind]]:
        """Each issuer with each kind that there is of it."""
        document = id(entry.subjects)
        if document not in self._found:
            kinds = frozenset((subject.issuer, subject.kind) for subject in entry.subjects)
            self._found[document] = kinds
        return self._found[document]

    def issuers(self, entry: Entry) -> frozenset[str]:
        """The issuers alone."""
        return frozenset(issuer for issuer, _ in self.of(entry))


def subjects(policies: PolicySet) -> Iterator[tuple[Entry, int, Subject]]:
    """Every subject of every document once, with a rule of the document and its number there."""
    before: tuple[str, str] | None = None
    for entry in all_rules(policies):
        origin = origin_of(entry)
        if (here := (origin.file, origin.document)) != before:
            yield from ((entry, number, subject) for number, subject in enumerate(entry.subjects))
        before = here
