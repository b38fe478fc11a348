"""Which rights at Keycloak `hostclaim-proxy tenant` needs: those that its help names, no fewer."""

import asyncio
import os
import secrets
import subprocess
from dataclasses import dataclass

import jwt
import pytest
import yaml

from tests.e2e.serving import command
from tests.real.keycloak import Keycloak


@dataclass(frozen=True)
class Admin:
    """A client with some roles of `realm-management`."""

    keycloak: Keycloak
    client_id: str
    secret: str

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        keycloak = self.keycloak
        where = (f"--issuer-url={keycloak.issuer}", f"--ca-file={keycloak.ca_file}")
        return subprocess.run(
            [command(), "tenant", *where, f"--admin-client-id={self.client_id}", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=os.environ | {"HOSTCLAIM_PROXY_ADMIN_CLIENT_SECRET": self.secret},
        )

    def add(self, name: str, by: str) -> "subprocess.CompletedProcess[str]":
        what = ("--issuer=corp", f"--namespace={name}", "--proxy-url=https://proxy.example.com")
        return self.run("add", name, *what, f"--by={by}")


def administrator(keycloak: Keycloak, name: str, roles: tuple[str, ...]) -> Admin:
    admin = Admin(keycloak, name, secrets.token_urlsafe())
    asyncio.run(keycloak.add_admin(name, admin.secret, roles))
    return admin


@pytest.mark.parametrize(
    ("by", "needed"),
    [
        ("client", ("manage-clients",)),
        ("permissions", ("manage-clients",)),
        ("group", ("manage-clients", "manage-users")),
    ],
)
def test_the_rights_that_the_help_names_suffice_and_fewer_do_not(
    keycloak: Keycloak, by: str, needed: tuple[str, ...]
) -> None:
    enough = administrator(keycloak, f"enough-{by}", needed)
    for step in (enough.add(f"by-{by}", by), enough.run("remove", f"by-{by}", "--yes")):
        assert step.returncode == 0, step.stderr
    refused = administrator(keycloak, f"less-{by}", needed[:-1]).add(f"not-by-{by}", by)
    assert refused.returncode == 1
    assert "lacks a role of `realm-management`" in refused.stderr
    assert needed[-1] in refused.stderr


def test_a_tenants_tokens_carry_no_roles_of_the_realm(keycloak: Keycloak) -> None:
    admin = administrator(keycloak, "roles-admin", ("manage-clients",))
    *_, config = yaml.safe_load_all(admin.add("bare", "client").stdout)
    [variable] = config["users"][0]["user"]["exec"]["env"]
    tokens = asyncio.run(keycloak.tokens_by_secret("hostclaim-bare", variable["value"]))
    claims = jwt.decode(tokens.access, options={"verify_signature": False})
    assert not {"realm_access", "resource_access"} & claims.keys()
