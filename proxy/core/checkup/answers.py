"""What a server answered: whether it is the proxy, who we are to it, and what we may."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from proxy.core.attributes import HOSTCLAIMS, OPT_IN, SERVED, is_namespace
from proxy.core.checkup.findings import Access, Caller, Place, Problem, Step
from proxy.core.checkup.reading import entry, texts
from proxy.core.review import ISSUER, NAMESPACES

_DEFAULT: Final = "default"
"""Where client-go asks when the context names no namespace."""

_CLAIMS: Final = HOSTCLAIMS.plural
# The rest of an answer are the reviews, which everybody may make everywhere.
_GROUPS: Final = frozenset(resource.group for resource in (*SERVED, *OPT_IN))


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; `document` is its JSON, or None if it is not JSON."""

    code: int
    document: Any


def who(answer: Answer) -> Caller:
    """Read the answer to a SelfSubjectReview.

    Raises:
        Problem: we are nobody there, or it is not a HostClaim proxy.
    """
    info = entry(entry(_reviewed(answer, Step.IDENTITY), "status"), "userInfo")
    username, extra = entry(info, "username"), entry(info, "extra")
    if not isinstance(username, str) or not username:
        raise _not_a_proxy("its answer cannot be read")
    issuer = texts(entry(extra, ISSUER))
    if not issuer:
        # An apiserver: the token is one of its own, or it lets anybody in.
        raise _not_a_proxy(f"it knows you as `{username}`, and by no issuer")
    return Caller(
        username, texts(entry(info, "groups")), issuer[0], texts(entry(extra, NAMESPACES))
    )


def where(place: Place, caller: Caller) -> tuple[str, ...]:
    """The namespaces to ask about: the context's, then the others that the proxy names."""
    named = filter(is_namespace, caller.namespaces)
    return tuple(dict.fromkeys([place.namespace or _DEFAULT, *named]))


def what(answer: Answer, namespace: str) -> Access:
    """Read the answer to a SelfSubjectRulesReview; what everybody may is left out.

    Raises:
        Problem: we are not told.
    """
    rules = entry(entry(_reviewed(answer, Step.ACCESS), "status"), "resourceRules")
    verbs: dict[str, set[str]] = {}
    for rule in rules if isinstance(rules, list) else ():
        if _GROUPS.isdisjoint(texts(entry(rule, "apiGroups"))):
            continue
        for resource in texts(entry(rule, "resources")):
            verbs.setdefault(resource, set()).update(texts(entry(rule, "verbs")))
    return Access(namespace, {name: tuple(sorted(verbs[name])) for name in sorted(verbs)})


def judge(place: Place, caller: Caller, access: Iterable[Access]) -> str:
    """What may be done with HostClaims where the context leads, in words.

    Raises:
        Problem: nothing.
    """
    namespace = place.namespace or _DEFAULT
    found = next((one.verbs for one in access if one.namespace == namespace), {})
    if found.get(_CLAIMS):
        return f"{_CLAIMS} in `{namespace}`: {', '.join(found[_CLAIMS])}"
    yours = "no namespace is granted to you"
    if caller.namespaces:
        yours = f"your namespaces are {', '.join(caller.namespaces)}"
    if not place.namespace:
        raise Problem(Step.ACCESS, f"the context names no namespace: give it one; {yours}")
    raise Problem(
        Step.ACCESS, f"no policy grants you {_CLAIMS} in the context's `{namespace}`; {yours}"
    )


def _reviewed(answer: Answer, step: Step) -> Any:
    """The document of an answer that is one; else why there is none."""
    if answer.code in {200, 201}:
        return answer.document
    message = entry(answer.document, "message")
    if entry(answer.document, "kind") != "Status" or not isinstance(message, str):
        raise _not_a_proxy(f"it answers with HTTP status {answer.code}")
    match answer.code:
        case 401:
            raise Problem(Step.IDENTITY, f"your token is refused: {message}: get a new one")
        case 404:
            raise _not_a_proxy(f"it says: {message}")
        case 429 | 500 | 502 | 503 | 504:
            raise Problem(step, f"the proxy cannot answer now: {message}: try again later")
        case _:
            raise Problem(step, f"you are refused: {message}")


def _not_a_proxy(why: str) -> Problem:
    return Problem(
        Step.IDENTITY, f"this is no HostClaim proxy: {why}: look where `server` leads to"
    )
