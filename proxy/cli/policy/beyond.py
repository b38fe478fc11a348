"""What there is beyond the files, asked once: a cluster's namespaces, and whom an IAM knows.

Clients of either are imported only when there is something to ask.
"""

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proxy.core.identity import IssuerRules, OidcNaming
from proxy.core.policy.doubts import Directory
from proxy.core.policy.subjects import PolicySet, SubjectKind
from proxy.core.terminal import printable

if TYPE_CHECKING:
    from proxy.cli.tenant.realm import Realm

Say = Callable[[str], None]

_SEARCHED: Final = {"preferred_username": "username", "email": "email"}
"""The field by which Keycloak finds a user, for each claim that may be the username."""

_GROUPS: Final = "groups"
_CLIENTS: Final = frozenset({"azp", "client_id"})


class BeyondError(Exception):
    """There is no answer. The message says why, and what to mend."""


def namespaces(kubeconfig: Path | None, context: str | None, say: Say) -> frozenset[str]:
    """The namespaces of the cluster that a kubeconfig leads to, kubectl's own without one.

    Raises:
        BeyondError: the cluster cannot be asked.
    """
    from proxy.edge.namespaces import NamespacesError, listed  # noqa: PLC0415 - loads a cluster's client
    from proxy.refresher.cluster import ConfigError, connect  # noqa: PLC0415 - as above

    async def ask() -> frozenset[str]:
        async with await connect(kubeconfig or _usual(), context) as client:
            return await listed(client)

    say("listing the cluster's namespaces")
    try:
        return asyncio.run(ask())
    except (ConfigError, NamespacesError) as exc:
        raise BeyondError(f"--cluster: {exc}") from exc


def _usual() -> Path:
    """Where kubectl looks."""
    return Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")


def directory(
    issuer: str, rules: IssuerRules | None, policies: PolicySet, realm: "Realm", say: Say
) -> Directory:
    """Who of those whom policies name the realm behind an issuer knows.

    `rules` say how its tokens are read, where that is known. What they do not name by
    something that Keycloak can be asked about, is not asked about.

    Raises:
        BeyondError: Keycloak cannot be asked.
        click.UsageError: an option is missing or wrong.
    """
    from proxy.edge.keycloakadmin import AdminError, Sought, connect, look  # noqa: PLC0415 - loads Keycloak's

    naming = None if rules is None else rules.naming
    if naming is not None and not isinstance(naming, OidcNaming):
        raise BeyondError(f"--iam: issuer `{issuer}` is a cluster, and no Keycloak")
    named = naming or OidcNaming()
    values = _values(issuer, policies)
    # Others are roles, or groups by their names alone, of which there may be several.
    paths = [group for group in values[SubjectKind.GROUP] if group.startswith("/")]
    field = _SEARCHED.get(named.username_claim) if naming else None
    sought = Sought(
        frozenset(paths if named.groups_claim == _GROUPS else ()),
        frozenset(values[SubjectKind.CLIENT] if named.client_claim in _CLIENTS else ()),
        frozenset(values[SubjectKind.USER] if field else ()),
        field or "",
    )
    access = realm.access()
    say(f"asking Keycloak at {access.issuer_url}")
    try:
        return look(connect(access), sought, say)
    except AdminError as exc:
        raise BeyondError(printable(f"--iam: {exc}")) from exc


def _values(issuer: str, policies: PolicySet) -> dict[SubjectKind, Iterable[str]]:
    found: dict[SubjectKind, dict[str, None]] = {kind: {} for kind in SubjectKind}
    for entry in (*policies, *policies.shadows()):
        for subject in entry.subjects:
            if subject.issuer == issuer:
                found[subject.kind][subject.value] = None
    return {kind: tuple(values) for kind, values in found.items()}
