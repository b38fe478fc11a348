"""What else is other: nobody may more or less for it, and a reviewer would want to know."""

from collections.abc import Iterable, Iterator
from typing import Final

from proxy.core.policy import Placed, PolicySet, Read, places
from proxy.core.policy.subjects import Entry
from proxy.core.terminal import printable

_LISTED: Final = 100


def notes(old: Read, new: Read) -> tuple[str, ...]:
    """Documents that count no longer or only now, and tests that are gone, each a line."""
    found = [*_shadows(old.policies, new.policies), *_tests(old.tests, new.tests)]
    more = len(found) - _LISTED
    return (*found[:_LISTED], f"{more} more") if more > 0 else tuple(found)


def _shadows(old: PolicySet, new: PolicySet) -> Iterator[str]:
    counted, tried = _names(old), _names(old.shadows())
    for name in _names(new.shadows()):
        if name in counted:
            yield f"`{name}` is in shadow now, and decides nothing any more"
        elif name not in tried:
            yield f"`{name}` is new and in shadow, it decides nothing"
    for name in _names(new):
        if name in tried:
            yield f"`{name}` counts now, it was in shadow"


def _names(entries: Iterable[Entry]) -> dict[str, None]:
    return dict.fromkeys(place.document for entry in entries for place in places(entry.rule.origin))


def _tests(old: Iterable[Placed], new: Iterable[Placed]) -> Iterator[str]:
    """Of each test that is there no longer; it may have moved to another document."""
    present: dict[str, list[Placed]] = {}
    for placed in new:
        present.setdefault(placed.trial.name, []).append(placed)
    for was in old:
        alike = present.get(was.trial.name, [])
        if any(placed.trial == was.trial for placed in alike):
            continue
        document = was.origin.document
        changed = any(placed.origin.document == document for placed in alike)
        what = "asks or expects something else" if changed else "is gone"
        yield printable(f"test `{was.trial.name}` of `{document}` {what}")
