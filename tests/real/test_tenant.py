"""`hostclaim-proxy tenant` at a real Keycloak, with the rights that its help says it needs."""

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest
import yaml

from tests.real.keycloak import Keycloak

ALL_ROLES = ("manage-clients", "manage-users")
SERVER = "https://hostclaims.example.com"


@dataclass
class Admin:
    """Who types the command, with a client of its own at the realm."""

    keycloak: Keycloak
    client_id: str
    secret: str = field(default_factory=secrets.token_urlsafe, repr=False)

    def run(self, *arguments: str, secret: str | None = None) -> "subprocess.CompletedProcess[str]":
        command = shutil.which("hostclaim-proxy", path=Path(sys.executable).parent)
        assert command is not None, "the package is installed in the environment of the tests"
        return subprocess.run(
            [
                command,
                "tenant",
                f"--issuer-url={self.keycloak.issuer}",
                f"--admin-client-id={self.client_id}",
                f"--ca-file={self.keycloak.ca_file}",
                *arguments,
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=os.environ | {"HOSTCLAIM_PROXY_ADMIN_CLIENT_SECRET": secret or self.secret},
        )

    def add(self, name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return self.run(
            *("add", name, "--issuer=corp", f"--namespace={name}-dev", f"--proxy-url={SERVER}"),
            *arguments,
        )

    def tenants(self) -> dict[str, Any]:
        listed = self.run("list", "--output=json")
        assert listed.returncode == 0, listed.stderr
        return {tenant["name"]: tenant for tenant in json.loads(listed.stdout)}


def make_admin(keycloak: Keycloak, name: str, roles: tuple[str, ...]) -> Admin:
    admin = Admin(keycloak, name)
    asyncio.run(keycloak.add_admin(name, admin.secret, roles))
    return admin


@pytest.fixture(scope="module")
def admin(keycloak: Keycloak) -> Admin:
    return make_admin(keycloak, "tenant-admin", ALL_ROLES)


def documents(printed: str) -> dict[str, Any]:
    return {document["kind"]: document for document in yaml.safe_load_all(printed)}


def secret_in(config: Any) -> str:
    (user,) = config["users"]
    env = {each["name"]: each["value"] for each in user["user"]["exec"]["env"]}
    return str(env["HOSTCLAIM_PROXY_CLIENT_SECRET"])


def claims_of(keycloak: Keycloak, client: str, secret: str) -> dict[str, Any]:
    """What a token of a client's service account says."""
    tokens = asyncio.run(keycloak.tokens_by_secret(client, secret))
    claims: dict[str, Any] = jwt.decode(tokens.access, options={"verify_signature": False})
    return claims


def test_a_tenant_that_is_added_gets_tokens_that_say_what_its_policy_asks_for(admin: Admin) -> None:
    added = admin.add("green")
    assert added.returncode == 0, added.stderr
    printed = documents(added.stdout)
    claims = claims_of(admin.keycloak, "hostclaim-green", secret_in(printed["Config"]))
    assert "hostclaim-proxy" in claims["aud"]
    (subject,) = printed["AccessPolicy"]["spec"]["subjects"]
    assert claims["groups"] == [subject["group"]] == ["/tenants/green"]
    assert "realm_access" not in claims
    assert printed["RoleBinding"]["metadata"]["namespace"] == "green-dev"


def test_adding_twice_is_adding_once(admin: Admin) -> None:
    first, second = admin.add("twice"), admin.add("twice")
    assert "0 changes made" not in first.stderr
    assert second.stderr == "tenant `twice` is as wanted, 0 changes made\n"
    assert first.stdout == second.stdout


def test_what_somebody_has_changed_is_put_right(admin: Admin) -> None:
    admin.add("drift")
    keycloak = admin.keycloak
    client = asyncio.run(keycloak.client("hostclaim-drift"))
    changed = client | {"directAccessGrantsEnabled": True, "description": "ours to keep"}
    asyncio.run(keycloak.admin("PUT", f"/realms/metal3/clients/{client['id']}", changed))
    assert "set directAccessGrantsEnabled of client `hostclaim-drift`" in admin.add("drift").stderr
    mended = asyncio.run(keycloak.client("hostclaim-drift"))
    assert (mended["directAccessGrantsEnabled"], mended["description"]) == (False, "ours to keep")


def test_a_dry_run_says_what_would_be_done_and_does_nothing(admin: Admin) -> None:
    planned = admin.add("planned", "--dry-run", "--group=/a/b/planned")
    assert planned.stdout.splitlines() == [
        "would create client `hostclaim-planned`",
        "would create mapper `audience`",
        "would create mapper `groups`",
        "would create group `/a`",
        "would create group `/a/b`",
        "would create group `/a/b/planned`",
        "would put the service account in group `/a/b/planned`",
        "7 changes, none made",
    ]
    assert "planned" not in admin.tenants()


def test_files_are_written_for_their_owner_alone(admin: Admin, tmp_path: Path) -> None:
    added = admin.add("filed", f"--out={tmp_path / 'filed'}")
    assert (added.returncode, added.stdout) == (0, "")
    files = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "filed").iterdir()}
    assert files == {"policy.yaml": 0o600, "rbac.yaml": 0o600, "filed.kubeconfig": 0o600}


def test_a_client_of_somebody_else_is_left_alone(admin: Admin) -> None:
    before = asyncio.run(admin.keycloak.client("blue-capm3"))
    refused = admin.add("blue", "--client-id=blue-capm3")
    assert refused.returncode == 1
    assert "client `blue-capm3` is there and not of tenant `blue`" in refused.stderr
    assert asyncio.run(admin.keycloak.client("blue-capm3")) == before


def test_a_rotated_secret_replaces_the_old_one(admin: Admin) -> None:
    old = secret_in(documents(admin.add("rotated").stdout)["Config"])
    rotated = admin.run("rotate", "rotated", f"--proxy-url={SERVER}")
    new = secret_in(documents(rotated.stdout)["Config"])
    assert claims_of(admin.keycloak, "hostclaim-rotated", new)
    with pytest.raises(Exception, match="401"):
        claims_of(admin.keycloak, "hostclaim-rotated", old)


def test_what_is_shown_holds_no_secret(admin: Admin) -> None:
    secret = secret_in(documents(admin.add("shown").stdout)["Config"])
    shown = admin.run("show", "shown", "--output=json")
    assert json.loads(shown.stdout) == {
        "name": "shown",
        "clientId": "hostclaim-shown",
        "enabled": True,
        "issuer": "corp",
        "namespaces": ["shown-dev"],
        "role": "editor",
        "by": "group",
        "group": "/tenants/shown",
    }
    assert secret not in admin.run("list").stdout + admin.run("show", "shown").stdout


def test_a_removed_tenant_is_gone_with_its_client_its_group_and_its_tokens(admin: Admin) -> None:
    secret = secret_in(documents(admin.add("gone").stdout)["Config"])
    token = asyncio.run(admin.keycloak.tokens_by_secret("hostclaim-gone", secret)).access
    assert asyncio.run(admin.keycloak.is_active(token))
    removed = admin.run("remove", "gone", "--yes")
    assert removed.returncode == 0, removed.stderr
    assert not asyncio.run(admin.keycloak.is_active(token))
    assert "gone" not in admin.tenants()
    assert asyncio.run(admin.keycloak.group("/tenants/gone")) is None
    with pytest.raises(Exception, match="401"):
        claims_of(admin.keycloak, "hostclaim-gone", secret)
    assert admin.run("remove", "gone", "--yes").stderr == "Error: there is no tenant `gone`\n"


def test_a_group_with_people_in_it_stays_and_they_are_named(admin: Admin) -> None:
    admin.add("peopled")
    asyncio.run(admin.keycloak.join("alice", "/tenants/peopled"))
    removed = admin.run("remove", "peopled", "--yes")
    assert "group `/tenants/peopled` stays" in removed.stderr
    assert removed.stderr.endswith("alice\n")
    assert asyncio.run(admin.keycloak.group("/tenants/peopled")) is not None


def test_nothing_is_removed_unasked(admin: Admin) -> None:
    admin.add("kept")
    assert admin.run("remove", "kept").returncode == 1
    assert "kept" in admin.tenants()


def test_permissions_entitle_without_a_policy(admin: Admin) -> None:
    printed = documents(admin.add("pink", "--by=permissions").stdout)
    assert "AccessPolicy" not in printed
    secret = secret_in(printed["Config"])
    tokens = asyncio.run(admin.keycloak.tokens_by_secret("hostclaim-pink", secret))
    assert asyncio.run(admin.keycloak.permissions(tokens.access)) == {
        "pink-dev": {"hostclaims:read", "hostclaims:write", "secrets:read", "secrets:write"}
    }
    admin.add("pink", "--by=permissions", "--role=viewer", "--namespace=pink-prod")
    assert asyncio.run(admin.keycloak.permissions(tokens.access)) == {
        "pink-dev": {"hostclaims:read"},
        "pink-prod": {"hostclaims:read"},
    }


def test_two_tenants_of_a_namespace_do_not_shut_each_other_out(admin: Admin) -> None:
    shared = ("--by=permissions", "--namespace=shared")
    secret = secret_in(documents(admin.add("one", *shared).stdout)["Config"])
    admin.add("two", *shared)
    token = asyncio.run(admin.keycloak.tokens_by_secret("hostclaim-one", secret)).access
    assert "shared" in asyncio.run(admin.keycloak.permissions(token))
    admin.run("remove", "two", "--yes")
    assert "shared" in asyncio.run(admin.keycloak.permissions(token))


@pytest.mark.parametrize(
    ("by", "needed"),
    [
        ("client", ("manage-clients",)),
        ("group", ("manage-clients", "manage-users")),
        ("permissions", ("manage-clients",)),
    ],
)
def test_the_rights_that_the_help_names_suffice_and_fewer_do_not(
    admin: Admin, by: str, needed: tuple[str, ...]
) -> None:
    enough = make_admin(admin.keycloak, f"enough-{by}", needed)
    added = enough.add(f"by-{by}", f"--by={by}")
    assert added.returncode == 0, added.stderr
    removed = enough.run("remove", f"by-{by}", "--yes")
    assert removed.returncode == 0, removed.stderr
    less = make_admin(admin.keycloak, f"less-{by}", needed[:-1])
    refused = less.add(f"not-by-{by}", f"--by={by}")
    assert refused.returncode == 1
    assert "lacks a role of `realm-management`" in refused.stderr
    assert needed[-1] in refused.stderr


def test_a_wrong_admin_secret_is_said_and_not_shown(admin: Admin) -> None:
    refused = admin.run("list", secret="not-it-s3cret")
    assert refused.returncode == 1
    assert "its client id or secret is not the right one" in refused.stderr
    assert "not-it-s3cret" not in refused.stdout + refused.stderr
