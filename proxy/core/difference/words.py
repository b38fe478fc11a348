"""A change in words: as a sentence for people, and as plain values for programs."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from proxy.core import wording
from proxy.core.attributes import Verb
from proxy.core.difference.findings import Because, Change, Finding, Place
from proxy.core.policy import ROLES, Permission
from proxy.core.policy.rules import PLURALS, product
from proxy.core.policy.subjects import Subject
from proxy.core.terminal import printable

_LISTED: Final = 100
"""How many of a kind a sentence lists; the rest is a number, behind which little can hide."""

_EVERYTHING: Final = product(PLURALS, tuple(Verb))

_ONE: Final = {
    Change.GAINS: "gains",
    Change.LOSES: "loses",
    Change.WIDENED: "gets wider bounds for",
    Change.NARROWED: "gets narrower bounds for",
    Change.FREED: "is no longer denied",
    Change.BARRED: "is now denied",
    Change.TOGETHER: "may now ask for",
    Change.APART: "may no longer ask for",
}
_SEVERAL: Final = {
    Change.GAINS: "gain",
    Change.LOSES: "lose",
    Change.WIDENED: "get wider bounds for",
    Change.NARROWED: "get narrower bounds for",
    Change.FREED: "are no longer denied",
    Change.BARRED: "are now denied",
    Change.TOGETHER: "may now ask for",
    Change.APART: "may no longer ask for",
}
# Of what another rule grants, in a namespace of hosts.
_BETWEEN: Final = {
    Change.FREED: "no longer in the way of",
    Change.BARRED: "now in the way of",
}
_BECAUSE: Final = {
    (Because.ALLOWED, True): "allowed before",
    (Because.ALLOWED, False): "still allowed",
    (Because.REFUSED, True): "denied",
    (Because.REFUSED, False): "not allowed before",
    (Because.UNCHANGED, True): "as before",
    (Because.UNCHANGED, False): "as before",
    (Because.OTHERWISE, True): "told apart",
    (Because.OTHERWISE, False): "told apart",
}


def sentence(finding: Finding) -> str:
    """Who gains or loses what, and where."""
    one = len(finding.subjects) == 1
    what = (_ONE if one else _SEVERAL)[finding.change]
    if finding.hosts and finding.change in _BETWEEN:
        what = f"{'is' if one else 'are'} {_BETWEEN[finding.change]}"
    return " ".join(
        (
            _and(map(whom, finding.subjects)),
            what,
            permissions(finding.permissions),
            where(finding),
        )
    )


def reasons(finding: Finding) -> Iterator[str]:
    """By which rules it is so, and what it means to whom, each a line."""
    after = _is_after(finding.change)
    if finding.rule is not None:
        label = "by" if after else "until now by"
        yield f"{label} {printable(str(finding.rule))}"
    if finding.denial is not None:
        label = "until now denied by" if after else "denied by"
        yield f"{label} {printable(str(finding.denial))}"
    if finding.refusal:
        yield f"{'before' if after else 'now'}: {printable(finding.refusal)}"
    was, now = finding.bounds
    if was or now:
        yield printable(f"before: {'; or '.join(map(wording.bounds, was))}")
        yield printable(f"now: {'; or '.join(map(wording.bounds, now))}")
    for met in finding.met:
        yield f"who is {whom(*met.subjects)} as well {_ONE[met.change]} {_same(met)}"
    if finding.more:
        yield "and others who are granted it, too"


def whom(subject: Subject) -> str:
    """Somebody as messages call them: `corp group /tenants/blue`."""
    return printable(wording.subject(subject))


def permissions(what: Iterable[Permission]) -> str:
    """What may be done, with the name of the role where it is just that."""
    what = frozenset(what)
    if what == _EVERYTHING:
        return "everything"
    said = wording.permissions(what)
    role = next((role for role in ROLES if ROLES[role] == what), None)
    return f"{role} ({said})" if role else said


def where(finding: Finding) -> str:
    """In which namespaces."""
    places = _and(_place(place, gains=finding.change.widens) for place in finding.places)
    claim = printable(finding.claim)
    if finding.change in {Change.TOGETHER, Change.APART}:
        return "of all namespaces at once" + (f", with the claim {claim}" if claim else "")
    if finding.hosts:
        return f"of hosts in {places}" + (f", with the claim {claim}" if claim else "")
    if not claim:
        return f"in {places}"
    return f"in namespaces that the claim {claim} of its token lists, within {places}"


def _is_after(change: Change) -> bool:
    """Whether the rule that grants it is one of those that are new."""
    return change.widens or change is Change.TOGETHER


def value(finding: Finding) -> dict[str, Any]:
    """A finding for programs, in the words of policy documents; what is empty is left out."""
    was, now = finding.bounds
    found = {
        "subjects": [wording.subject_value(subject) for subject in finding.subjects],
        "permissions": wording.verbs_by_resource(finding.permissions),
        "namespaces": [_place_value(place) for place in finding.places],
        "ofHosts": finding.hosts,
        "namespacesFromClaim": finding.claim,
        "rule": str(finding.rule or ""),
        "denial": str(finding.denial or ""),
        "refusal": finding.refusal,
        "boundsBefore": [wording.bounds_value(one) for one in was],
        "boundsAfter": [wording.bounds_value(one) for one in now],
        "together": [value(met) for met in finding.met],
        "more": finding.more,
    }
    head = {"change": finding.change.value, "widens": finding.change.widens}
    return head | {key: what for key, what in found.items() if what}


def _place_value(place: Place) -> dict[str, Any]:
    left = [{"namespace": one.namespace, "because": one.because.value} for one in place.but]
    return {"namespace": place.namespace} | ({"except": left} if left else {})


def _place(place: Place, *, gains: bool) -> str:
    if not place.but:
        return place.namespace
    alike: dict[Because, list[str]] = {}
    for left in place.but:
        alike.setdefault(left.because, []).append(left.namespace)
    said = (f"{_and(names)}: {_BECAUSE[because, gains]}" for because, names in alike.items())
    return f"{place.namespace} (but {'; '.join(said)})"


def _same(met: Finding) -> str:
    rule = f", by {printable(str(met.rule))}" if met.rule else ""
    return f"{permissions(met.permissions)} {where(met)}{rule}"


def _and(names: Iterable[str]) -> str:
    said = [*names]
    if len(said) > _LISTED:
        said = [*said[: _LISTED - 1], f"{len(said) - _LISTED + 1} more"]
    *most, last = said
    return f"{', '.join(most)} and {last}" if most else last
