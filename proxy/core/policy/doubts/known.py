"""What is known beyond the files: only that can be missed there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.core.identity import IssuerRules
from proxy.core.policy.subjects import SubjectKind


@dataclass(frozen=True, slots=True)
class Directory:
    """Whom the IAM behind an issuer was asked about and does not know, and who is there.

    Whom it was not asked about, it may know.
    """

    missing: Mapping[SubjectKind, frozenset[str]]
    there: Mapping[SubjectKind, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Known:
    """What there is. None, or nothing by a name, is not known.

    `issuers` are all that the proxy trusts; with them is how their tokens are read, where
    that is known. `granted_elsewhere` are the issuers whose callers the IAM entitles,
    besides policy files. `namespaces` are all of the cluster.
    """

    issuers: Mapping[str, IssuerRules | None] | None = None
    granted_elsewhere: frozenset[str] | None = None
    namespaces: frozenset[str] | None = None
    directories: Mapping[str, Directory] = field(default_factory=dict)

    def rules(self, issuer: str) -> IssuerRules | None:
        """How the tokens of an issuer are read."""
        return None if self.issuers is None else self.issuers.get(issuer)
