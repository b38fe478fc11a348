"""What goes by all that somebody is granted: HardwareData, and a list of all namespaces.

HardwareData is granted where claims are and read where hosts are. It is let through, as
is a list or watch of all namespaces at once, if each of them is granted by name. So it
is not decided by what is granted in one, and a pattern more takes it away.
"""

from collections.abc import Collection
from typing import Final, NamedTuple

from proxy.core.attributes import HARDWAREDATA, HOSTCLAIMS, SECRETS, Verb
from proxy.core.difference.findings import Change
from proxy.core.difference.sides import Rules
from proxy.core.difference.views import Key, View
from proxy.core.entitlement import Allow, Decision, Deny
from proxy.core.policy import Effect, Permission
from proxy.core.policy.rules import Reach, product
from proxy.core.policy.subjects import Entry

HARDWARE: Final = product((HARDWAREDATA.plural,), HARDWAREDATA.verbs)
EVERYWHERE: Final = "*"

_LISTS: Final = product((HOSTCLAIMS.plural, SECRETS.plural), (Verb.LIST, Verb.WATCH))
_NOWHERE: Final = Reach((), ())


def concerns(entry: Entry) -> bool:
    """Whether a rule can make a difference to any of it."""
    return not entry.rule.permissions.isdisjoint(HARDWARE | _LISTS)


def stands_between(entry: Entry) -> bool:
    """Whether a rule can make one to HardwareData that another rule grants."""
    rule = entry.rule
    return not rule.permissions.isdisjoint(HARDWARE) and (
        rule.effect is Effect.DENY or any(name.endswith("*") for name in rule.namespaces)
    )


def mark_hardware(
    view: View, name: str, namespace: str, rules: Rules, less: Collection[Rules]
) -> None:
    """Note what is other of the HardwareData of hosts in a namespace."""
    asked = _Asked(HARDWARE, namespace, Change.GAINS, Change.LOSES)
    _mark(view, name, asked, rules, less)


def mark_lists(view: View, rules: Rules, less: Collection[Rules]) -> None:
    """Note what is other of lists and watches of all namespaces at once."""
    asked = _Asked(_LISTS, None, Change.TOGETHER, Change.APART)
    _mark(view, EVERYWHERE, asked, rules, less)


class _Asked(NamedTuple):
    """What is asked for, and what it is called that it is let through now, or no longer."""

    permissions: frozenset[Permission]
    namespace: str | None
    now: Change
    no_longer: Change

    def decisions(self, rules: Rules) -> dict[Permission, tuple[Decision, Decision]]:
        return {one: rules.decide(one, self.namespace) for one in sorted(self.permissions)}


def _mark(view: View, name: str, asked: _Asked, rules: Rules, less: Collection[Rules]) -> None:
    decided = asked.decisions(rules)
    view.allowed[name] = _let(decided, 0), _let(decided, 1)
    others = [asked.decisions(other) for other in less]
    for permission, decisions in decided.items():
        match decisions:
            case Allow() as let, Deny() as refused:
                change, refusing = asked.no_longer, rules.new
            case Deny() as refused, Allow() as let:
                change, refusing = asked.now, rules.old
            case _:
                continue
        # Where nothing is granted, that it is on the other side says it all.
        if refusing.where(*permission) == _NOWHERE:
            continue
        if any([*map(type, other[permission])] == [*map(type, decisions)] for other in others):
            continue
        denial = refused.rule.origin if refused.rule else None
        key = Key(change, let.rules[0].origin, denial, refusal="" if denial else refused.reason)
        view.mark(key, name, permission)


def _let(decided: dict[Permission, tuple[Decision, Decision]], side: int) -> frozenset[Permission]:
    return frozenset(one for one, both in decided.items() if isinstance(both[side], Allow))
