"""What was found: step by step, up to the one that fails."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from proxy.core.kubeconfig import Login


class Step(StrEnum):
    """What has to hold, each only if those before it do."""

    KUBECONFIG = "kubeconfig"
    CREDENTIALS = "credentials"
    CONNECTION = "connection"
    IDENTITY = "identity"
    ACCESS = "access"


class Problem(Exception):  # noqa: N818 - what was found, not a fault of ours
    """A step fails. The message says why, and what would be right."""

    def __init__(self, step: Step, message: str) -> None:
        super().__init__(message)
        self.step = step
        self.message = message


@dataclass(frozen=True, slots=True)
class Finding:
    """How one step went."""

    step: Step
    ok: bool
    message: str


@dataclass(frozen=True, slots=True)
class Place:
    """What a context of a kubeconfig leads to; its `namespace` is empty if it names none.

    `cluster` and `user` are as the kubeconfig has them.
    """

    context: str
    server: str
    namespace: str
    login: Login
    cluster: Mapping[str, Any] = field(repr=False)
    user: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who the proxy says that somebody is; some of `namespaces` may be patterns."""

    username: str
    groups: tuple[str, ...]
    issuer: str
    namespaces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Access:
    """What may be done in one namespace: for each resource, the verbs, sorted."""

    namespace: str
    verbs: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Checkup:
    """All that was found, as far as it went."""

    findings: tuple[Finding, ...] = ()
    place: Place | None = None
    caller: Caller | None = None
    access: tuple[Access, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether a client gets what it wants: every step was taken, and none failed."""
        return tuple(found.step for found in self.findings if found.ok) == tuple(Step)

    def passed(self, step: Step, message: str, **found: Any) -> "Checkup":
        """The same, one step on; `found` are the fields that it fills."""
        return replace(
            self, findings=(*self.findings, Finding(step, ok=True, message=message)), **found
        )

    def failed(self, problem: Problem) -> "Checkup":
        """The same, with the step that ends it."""
        finding = Finding(problem.step, ok=False, message=problem.message)
        return replace(self, findings=(*self.findings, finding))
