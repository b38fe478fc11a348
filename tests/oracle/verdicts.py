"""What should come of a request, and what may be looked at to tell."""

from dataclasses import dataclass
from typing import Any, Protocol

from tests.oracle.questions import Object, Request


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal, after which the cluster is as it was.

    A request may have several faults, and any of them may be told, so there may be
    several codes. What is refused unheard sends nothing upstream at all; what the
    cluster refuses, for the proxy has no rights there, was sent.
    """

    codes: frozenset[int]
    unheard: bool = False
    by_cluster: bool = False


@dataclass(frozen=True, slots=True)
class Pass:
    """The cluster's answer: its code, what it shows, and what it stores (None: nothing new)."""

    code: int
    shown: Any = None
    stored: Object | None = None


Expected = Refusal | Pass


class Cluster(Protocol):
    """What the judge may look at."""

    def find(self, plural: str, namespace: str, name: str) -> Object | None:
        """An object as it is stored."""
        ...

    def every(self, plural: str, namespace: str) -> list[Object]:
        """All objects of a namespace."""
        ...

    def tell_owner(self, request: Request) -> tuple[int, Any]:
        """What the owner would be answered; a write is only rehearsed."""
        ...

    def lets_proxy(self, plural: str, namespace: str) -> bool:
        """Whether the proxy's service account has rights on a resource in a namespace."""
        ...


def unless(faults: set[int], answered: Pass) -> Expected:
    """The cluster's answer, unless there are faults; its own refusal may be told before them."""
    if not faults:
        return answered
    return Refusal(frozenset(faults | ({answered.code} if answered.code >= 400 else set())))


def names_in(shown: Object) -> list[str]:
    """The names in a list, a Table or a list of metadata."""
    if shown.get("kind") == "Table":
        # A row need not have its object, but the first column is the name.
        return [row["cells"][0] for row in shown["rows"]]
    return [item["metadata"]["name"] for item in shown["items"]]
