"""Names of nothing that is there: issuers, namespaces, and whom the IAM does not know."""

from collections.abc import Callable, Collection, Iterator
from functools import cache
from typing import Final

from proxy.core.attributes import is_namespace
from proxy.core.policy.codes import Code
from proxy.core.policy.doubts.doubt import Doubt, all_rules, of_rule, of_subject, subjects
from proxy.core.policy.doubts.known import Directory, Known
from proxy.core.policy.faults import Fault, closest, ticked
from proxy.core.policy.located import shown
from proxy.core.policy.rules import covering
from proxy.core.policy.subjects import PolicySet, Subject, SubjectKind

_SUGGESTED: Final = 100
"""For how many names it is looked for one that is alike, which costs more than all the rest."""

_LISTED: Final = 5

_AMONG: Final = 2_000
"""Among how many."""

_UNKNOWN: Final = {
    SubjectKind.GROUP: Code.UNKNOWN_GROUP,
    SubjectKind.CLIENT: Code.UNKNOWN_CLIENT,
    SubjectKind.USER: Code.UNKNOWN_USER,
}


def issuers(policies: PolicySet, known: Known) -> Iterator[Doubt]:
    """Each subject of an issuer that the proxy does not have."""
    if known.issuers is None:
        return
    alike = _alike(known.issuers)
    for entry, number, subject in subjects(policies):
        if subject.issuer not in known.issuers:
            message = f"the proxy has no issuer {shown(subject.issuer)}"
            hint = alike(subject.issuer) or f"its issuers are {_few(known.issuers)}"
            fault = Fault(message, hint, Code.UNKNOWN_ISSUER)
            yield of_subject(entry, number, "issuer", fault)


def _few(names: Collection[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ticked(sorted(names)[:_LISTED], ", ") + more


def namespaces(policies: PolicySet, known: Known) -> Iterator[Doubt]:
    """Each name or pattern of namespaces, of rules and of bounds, that covers none."""
    if known.namespaces is None:
        return
    there = {pattern for name in known.namespaces for pattern in covering(name)} | {"*"}
    alike = _alike(known.namespaces)
    for entry in all_rules(policies):
        # What a claim names may be made when somebody comes who has it.
        named = [
            (("namespaces", number), name)
            for number, name in enumerate(() if entry.claim else entry.rule.namespaces)
        ]
        of_hosts = entry.rule.bounds.host_namespaces
        named_besides = [
            (("bounds", "hostSelector", "inNamespaces", number), name)
            for number, name in enumerate(of_hosts)
        ]
        for path, name in (*named, *named_besides):
            if name not in there:
                yield of_rule(entry, _no_namespace(name, alike), *path)


def _no_namespace(name: str, alike: Callable[[str], str]) -> Fault:
    if is_namespace(name):
        message = f"the cluster has no namespace `{name}`"
        return Fault(message, alike(name), Code.UNKNOWN_NAMESPACE)
    message = f"the cluster has no namespace that `{name}` covers"
    return Fault(message, "", Code.UNKNOWN_NAMESPACE)


def people(policies: PolicySet, known: Known) -> Iterator[Doubt]:
    """Each group, client and user that the IAM of its issuer does not know."""
    judges = {issuer: _judge(found) for issuer, found in known.directories.items()}
    for entry, number, subject in subjects(policies):
        judge = judges.get(subject.issuer)
        if judge is not None and (fault := judge(subject)) is not None:
            yield of_subject(entry, number, subject.kind.value, fault)


def _judge(directory: Directory) -> Callable[[Subject], Fault | None]:
    alike = {kind: _alike(there) for kind, there in directory.there.items()}

    def judge(subject: Subject) -> Fault | None:
        kind, value = subject.kind, subject.value
        if value not in directory.missing.get(kind, ()):
            return None
        message = f"the IAM of issuer `{subject.issuer}` has no {kind.value} {shown(value)}"
        return Fault(message, alike[kind](value), _UNKNOWN[kind])

    return judge


def _alike(names: Collection[str]) -> Callable[[str], str]:
    """The hint for a name that is none of these, as far as that can be found in time."""
    looked_for: set[str] = set()

    @cache
    def hint(name: str) -> str:
        if len(names) > _AMONG or len(looked_for) >= _SUGGESTED:
            return ""
        looked_for.add(name)
        found = closest(name, names)
        return f"did you mean {shown(found)}?" if found else ""

    return hint
