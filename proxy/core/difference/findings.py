"""What is told of a change: whom it concerns, what they may now, where, and by which rule."""

from dataclasses import dataclass
from enum import StrEnum

from proxy.core.bounds import Bounds
from proxy.core.policy import AnyOrigin, Permission
from proxy.core.policy.subjects import Subject


class Change(StrEnum):
    """What is other than before for somebody.

    `freed` and `barred` are about a denial alone: they change something for those who
    are also somebody else, whom another rule grants what is denied. `together` and `apart`
    say whether all namespaces can be asked for at once: nothing is seen by it that is not
    granted in one of them.
    """

    GAINS = "gains"
    LOSES = "loses"
    WIDENED = "widened"
    NARROWED = "narrowed"
    FREED = "freed"
    BARRED = "barred"
    TOGETHER = "together"
    APART = "apart"

    @property
    def widens(self) -> bool:
        """Whether anybody may more than before."""
        return self in {Change.GAINS, Change.WIDENED, Change.FREED}

    @property
    def narrows(self) -> bool:
        """Whether anybody may less than before."""
        return self in {Change.LOSES, Change.NARROWED, Change.BARRED}


class Because(StrEnum):
    """Why a change is not one in a namespace, or not this one."""

    ALLOWED = "allowed"
    """It was and is allowed there."""
    REFUSED = "refused"
    """It was and is refused there."""
    UNCHANGED = "unchanged"
    """Some of it was and is allowed there, and the rest refused."""
    OTHERWISE = "otherwise"
    """It changes there as well, and is told apart."""


@dataclass(frozen=True, slots=True, order=True)
class Left:
    """A name, or a pattern, that something does not hold in."""

    namespace: str
    because: Because


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A name, or a pattern but for what is left out of it."""

    namespace: str
    but: tuple[Left, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One change, for each of some subjects of an issuer and whoever is one of them.

    With `hosts`, the places are those of the hosts whose HardwareData it is about.
    With a `claim`, it is one in those of the places that the claim of a token lists.
    `rule` grants it now or did before; `denial` stood in its way before or does now, or
    it was or is refused for what `refusal` says.
    `bounds` are of HostClaims, what was and what is; each of them is an alternative.
    `met` has, of a denial, the changes for those who are also one of other subjects,
    and not all of them where there are `more`.
    """

    change: Change
    subjects: tuple[Subject, ...]
    permissions: frozenset[Permission]
    places: tuple[Place, ...]
    hosts: bool = False
    claim: str = ""
    rule: AnyOrigin | None = None
    denial: AnyOrigin | None = None
    refusal: str = ""
    bounds: tuple[tuple[Bounds, ...], tuple[Bounds, ...]] = ((), ())
    met: tuple["Finding", ...] = ()
    more: bool = False
