"""Whom to ask about: an identity for what documents call somebody, a name for a pattern.

Rules go by single names and add up, so what somebody may who has one name and
no other, and what takes from it, is all that there is to say of a set of rules.
"""

from collections.abc import Collection, Iterable, Mapping
from string import ascii_lowercase, digits
from types import MappingProxyType
from typing import Any, Final, assert_never

from proxy.core.attributes import is_namespace
from proxy.core.errors import Unauthenticated
from proxy.core.identity import Identity
from proxy.core.policy.subjects import Subject, SubjectKind
from proxy.core.supposed import Supposed, identify

_NO_CLAIMS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})
_LETTERS: Final = ascii_lowercase + digits


def persona(
    subjects: Collection[Subject], claims: Mapping[str, tuple[str, ...]] = _NO_CLAIMS
) -> Identity | None:
    """Somebody whom each of these subjects of one issuer fits, and none that they do not name.

    Returns None where nobody can be: of two issuers, two users or two clients, a service
    account in a group, or a name that no token has.
    """
    fields: dict[str, Any] = {}
    for subject in subjects:
        for key, value in _said(subject):
            known = fields.setdefault(key, value)
            if key == "groups":
                fields[key] = tuple(dict.fromkeys((*known, *value)))
            elif known != value:
                return None
    try:
        return identify(Supposed(**fields, claims=claims))
    except (ValueError, Unauthenticated):
        return None


def _said(subject: Subject) -> Iterable[tuple[str, Any]]:
    yield "issuer", subject.issuer
    match subject.kind:
        case SubjectKind.GROUP:
            yield "groups", (subject.value,)
        case SubjectKind.USER:
            yield "username", subject.value
        case SubjectKind.CLIENT:
            yield "client", subject.value
        case SubjectKind.SERVICE_ACCOUNT:
            yield "service_account", subject.value
        case SubjectKind.EVERYONE:
            return
        case _:
            assert_never(subject.kind)


def witness(pattern: str, known: Collection[str]) -> str | None:
    """A namespace that a pattern covers and that stands for all that are not `known` by name.

    No pattern that is closer covers it, as it has no dash of its own. A name stands for itself.
    Returns None where every name that could is known.
    """
    if not pattern.endswith("*"):
        return pattern
    beginning = pattern.removesuffix("*")
    # One of them is not known, and the longest patterns leave room for a single letter.
    names = (f"{beginning}{_word(number)}" for number in range(len(known) + 1))
    return next((name for name in names if is_namespace(name) and name not in known), None)


def _word(number: int) -> str:
    """A word for each number, the short ones first."""
    more, letter = divmod(number, len(_LETTERS))
    return (_word(more - 1) if more else "") + _LETTERS[letter]
