"""What goes further than the rest: writing everywhere, where others name their namespaces."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from proxy.core.attributes import HARDWAREDATA
from proxy.core.policy.codes import Code
from proxy.core.policy.doubts.doubt import Doubt, Kinds, of_rule, origin_of
from proxy.core.policy.faults import Fault, ticked
from proxy.core.policy.rules import READ, ROLES, Effect, Role, product
from proxy.core.policy.subjects import Entry, PolicySet, SubjectKind

_READS: Final = ROLES[Role.VIEWER] | product((HARDWAREDATA.plural,), READ)
"""What is read by people who look at everything, and tells no secret."""

_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class _Kept:
    """The first grants of an issuer that keep to namespaces, and to somebody."""

    to_namespaces: Entry | None = None
    to_somebody: Entry | None = None


def wide(policies: PolicySet, besides: frozenset[int]) -> Iterator[Doubt]:
    """Each grant that goes further than most would mean it to, but for some rules."""
    grants = [
        entry
        for number, entry in enumerate(policies)
        if number not in besides and entry.rule.effect is Effect.ALLOW
    ]
    kinds = Kinds()
    kept = _kept(grants, kinds)
    for entry in grants:
        if entry.claim or _only_reads(entry):
            continue
        beside = kept[entry.subjects[0].issuer]
        if "*" in entry.rule.namespaces:
            message = "grants more than reading in every namespace"
            other = beside.to_namespaces
            hint = "name the namespaces" + (f", as {_example(other)}" if other else "")
            where = entry.rule.namespaces.index("*")
            fault = Fault(message, hint, Code.WIDE)
            yield of_rule(entry, fault, "namespaces", where)
            continue
        patterns = [name for name in entry.rule.namespaces if name.endswith("*")]
        if patterns and _is_for_everyone(entry, kinds) and beside.to_somebody is not None:
            message = f"lets everyone of an issuer write in {ticked(patterns[:_SHOWN], ', ')}"
            hint = f"name a group or a client, as {_example(beside.to_somebody)}"
            yield of_rule(entry, Fault(message, hint, Code.WIDE))


def _kept(grants: list[Entry], kinds: Kinds) -> dict[str, _Kept]:
    found: dict[str, _Kept] = {}
    for entry in grants:
        for issuer in kinds.issuers(entry):
            kept = found.get(issuer, _Kept())
            to_namespaces = None if "*" in entry.rule.namespaces or entry.claim else entry
            to_somebody = None if _is_for_everyone(entry, kinds) else entry
            found[issuer] = _Kept(
                _better(kept.to_namespaces, to_namespaces), _better(kept.to_somebody, to_somebody)
            )
    return found


def _better(one: Entry | None, other: Entry | None) -> Entry | None:
    """The first is an example already; one that writes, too, is a better one."""
    if one is None or (other is not None and _only_reads(one) and not _only_reads(other)):
        return other
    return one


def _only_reads(entry: Entry) -> bool:
    return entry.rule.permissions <= _READS


def _is_for_everyone(entry: Entry, kinds: Kinds) -> bool:
    return any(kind is SubjectKind.EVERYONE for _, kind in kinds.of(entry))


def _example(entry: Entry) -> str:
    origin = origin_of(entry)
    named = entry.rule.namespaces
    more = ", ..." if len(named) > _SHOWN else ""
    where = f" in {ticked(named[:_SHOWN], ', ')}{more}" if named else ""
    what = "only reads" if _only_reads(entry) else "writes"
    return f"{origin.file}:{origin.line} {origin.document} does, which {what}{where}"
