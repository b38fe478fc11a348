"""What is known beyond the files: only that can be missed there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.core.identity import IssuerRules


@dataclass(frozen=True, slots=True)
class Directory:
    """Whom the IAM behind an issuer knows: groups by their paths, clients by their ids."""

    groups: frozenset[str]
    clients: frozenset[str]
    users: frozenset[str]


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
