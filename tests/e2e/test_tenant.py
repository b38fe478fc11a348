"""`hostclaim-proxy tenant`: in with one command, out with another."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.demo import files
from proxy.demo.tour import CLAIM, USER_DATA
from tests.e2e import realms, revoking
from tests.e2e.kubectl import Kubectl
from tests.e2e.realms import Realm
from tests.e2e.revoking import CACHE, asks_the_iam
from tests.e2e.serving import AnotherProxy, another, command
from tests.e2e.world import World, eventually

SERVER = "https://hostclaims.example.com"
SECRET = "HOSTCLAIM_PROXY_ADMIN_CLIENT_SECRET"
SPARE = 3.0
"""Seconds for a machine that has other things to do."""


@dataclass(frozen=True)
class Admin:
    """Who types the command."""

    realm: Realm

    def run(self, *arguments: str, secret: str = "") -> "subprocess.CompletedProcess[str]":
        realm = self.realm
        return subprocess.run(
            [
                command(),
                "tenant",
                f"--issuer-url={realm.url}",
                f"--admin-client-id={realm.client_id}",
                f"--ca-file={realm.world.iam.ca_file}",
                *arguments,
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=os.environ | {SECRET: secret or realm.secret},
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


@pytest.fixture(scope="module")
def admin(world: World) -> Admin:
    return Admin(realms.administered(world))


def documents(printed: str) -> dict[str, Any]:
    return {document["kind"]: document for document in yaml.safe_load_all(printed)}


def secret_in(config: Any) -> str:
    (user,) = config["users"]
    env = {each["name"]: each["value"] for each in user["user"]["exec"]["env"]}
    return str(env["HOSTCLAIM_PROXY_CLIENT_SECRET"])


def test_a_tenant_that_is_added_gets_tokens_that_say_what_its_policy_asks_for(admin: Admin) -> None:
    added = admin.add("green")
    assert added.returncode == 0, added.stderr
    printed = documents(added.stdout)
    claims = admin.realm.claims("hostclaim-green", secret_in(printed["Config"]))
    assert "hostclaim-proxy" in claims["aud"]
    (subject,) = printed["AccessPolicy"]["spec"]["subjects"]
    assert claims["groups"] == [subject["group"]] == ["/tenants/green"]
    assert printed["RoleBinding"]["metadata"]["namespace"] == "green-dev"


def test_adding_twice_is_adding_once(admin: Admin) -> None:
    first, second = admin.add("twice"), admin.add("twice")
    assert "0 changes made" not in first.stderr
    assert second.stderr == "tenant `twice` is as wanted, 0 changes made\n"
    assert first.stdout == second.stdout


def test_what_somebody_has_changed_is_put_right(admin: Admin) -> None:
    admin.add("drift")
    client = admin.realm.client("hostclaim-drift")
    changed = client | {"directAccessGrantsEnabled": True, "description": "ours to keep"}
    admin.realm.admin("PUT", f"/clients/{client['id']}", changed)
    assert "set directAccessGrantsEnabled of client `hostclaim-drift`" in admin.add("drift").stderr
    mended = admin.realm.client("hostclaim-drift")
    assert (mended["directAccessGrantsEnabled"], mended["description"]) == (False, "ours to keep")


def test_a_dry_run_says_what_would_be_done_and_does_nothing(admin: Admin) -> None:
    planned = admin.add("planned", "--dry-run", "--group=/a/b/planned")
    assert planned.stdout.splitlines() == [
        "would create group `/a`",
        "would create group `/a/b`",
        "would create group `/a/b/planned`",
        "would create client `hostclaim-planned`",
        "would create mapper `audience`",
        "would create mapper `groups`",
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
    before = admin.realm.client("blue-capm3")
    refused = admin.add("blue", "--client-id=blue-capm3")
    assert refused.returncode == 1
    assert "client `blue-capm3` is there and not of tenant `blue`" in refused.stderr
    assert admin.realm.client("blue-capm3") == before


def test_a_rotated_secret_replaces_the_old_one(admin: Admin) -> None:
    old = secret_in(documents(admin.add("rotated").stdout)["Config"])
    rotated = admin.run("rotate", "rotated", f"--proxy-url={SERVER}")
    new = secret_in(documents(rotated.stdout)["Config"])
    assert admin.realm.claims("hostclaim-rotated", new)
    with pytest.raises(AssertionError, match="client"):
        admin.realm.claims("hostclaim-rotated", old)


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
    token = admin.realm.token("hostclaim-gone", secret)
    assert admin.realm.is_active(token)
    removed = admin.run("remove", "gone", "--yes")
    assert removed.returncode == 0, removed.stderr
    assert not admin.realm.is_active(token)
    assert "gone" not in admin.tenants()
    assert not admin.realm.has_group("/tenants/gone")
    with pytest.raises(AssertionError, match="client"):
        admin.realm.claims("hostclaim-gone", secret)
    assert admin.run("remove", "gone", "--yes").stderr == "Error: there is no tenant `gone`\n"


def test_a_group_with_people_in_it_stays_and_they_are_named(world: World, admin: Admin) -> None:
    admin.add("peopled")
    iam = revoking.admin(world.iam)
    world.run(iam.move("alice", "/tenants/blue", "/tenants/peopled"))
    removed = admin.run("remove", "peopled", "--yes")
    world.run(iam.move("alice", "/tenants/blue"))
    assert "group `/tenants/peopled` stays" in removed.stderr
    assert removed.stderr.endswith("alice\n")
    assert admin.realm.has_group("/tenants/peopled")


def test_a_group_that_was_there_before_stays_and_its_people_are_named(
    world: World, admin: Admin
) -> None:
    admin.realm.admin("POST", "/groups", {"name": "before"})
    admin.add("found", "--group=/before")
    iam = revoking.admin(world.iam)
    world.run(iam.move("alice", "/tenants/blue", "/before"))
    removed = admin.run("remove", "found", "--yes")
    world.run(iam.move("alice", "/tenants/blue"))
    assert "group `/before` stays, and with it its members" in removed.stderr
    assert removed.stderr.endswith("alice\n")
    assert admin.realm.has_group("/before")


def test_a_group_that_was_there_before_stays_without_people_as_well(admin: Admin) -> None:
    admin.realm.admin("POST", "/groups", {"name": "empty"})
    admin.add("emptied", "--group=/empty")
    removed = admin.run("remove", "emptied", "--yes")
    assert removed.stderr.endswith("group `/empty` stays, as it was there before the tenant\n")
    assert admin.realm.has_group("/empty")


def test_a_group_with_another_tenants_below_it_stays(admin: Admin) -> None:
    admin.add("above")
    admin.add("below", "--group=/tenants/above/below")
    removed = admin.run("remove", "above", "--yes")
    assert removed.returncode == 0, removed.stderr
    assert "group `/tenants/above` stays, for the groups below it: /tenants/above/below" in (
        removed.stderr
    )
    assert admin.realm.has_group("/tenants/above/below")


def test_the_group_of_another_tenant_is_not_joined(admin: Admin) -> None:
    admin.add("mine")
    refused = admin.add("other", "--group=/tenants/mine")
    assert refused.returncode == 1
    assert "group `/tenants/mine` is of tenant `mine`: choose another" in refused.stderr
    assert "other" not in admin.tenants()


@pytest.mark.parametrize("name", ["whole?x", "whole#x", "whol%65"])
def test_a_group_is_found_by_all_of_its_path(admin: Admin, name: str) -> None:
    admin.add("whole")
    planned = admin.add("part", f"--group=/tenants/{name}", "--dry-run")
    assert f"would create group `/tenants/{name}`" in planned.stdout


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("--by=group", "--by=client", "is entitled by group `/tenants/moved`"),
        ("--by=group", "--group=/tenants/elsewhere", "is entitled by group `/tenants/moved`"),
        ("--by=permissions", "--by=client", "has permissions at client `hostclaim-proxy`"),
    ],
)
def test_what_entitled_a_tenant_before_is_not_forgotten(
    admin: Admin, before: str, after: str, why: str
) -> None:
    admin.add("moved", before)
    refused = admin.add("moved", after)
    admin.run("remove", "moved", "--yes")
    assert refused.returncode == 1
    assert f"{why}: remove it first" in refused.stderr


def test_a_client_that_calls_itself_a_tenants_is_not_taken_for_it(admin: Admin) -> None:
    admin.add("claimed")
    mark = {"hostclaim-proxy.tenant": "claimed"}
    impostor = {"clientId": "an-impostor\x1b[2J", "attributes": mark, "enabled": True}
    admin.realm.admin("POST", "/clients", impostor)
    told = [
        admin.run("rotate", "claimed", f"--proxy-url={SERVER}"),
        admin.run("remove", "claimed", "--yes"),
        admin.run("list"),
    ]
    [made] = [
        client
        for client in admin.realm.admin("GET", "/clients")[1]
        if client["clientId"] == impostor["clientId"]
    ]
    admin.realm.admin("DELETE", f"/clients/{made['id']}")
    assert [each.returncode for each in told] == [1, 1, 0]
    for each in told:
        assert "an-impostor?[2J" in each.stderr
        assert "\x1b" not in each.stdout + each.stderr
    assert "take the attribute `hostclaim-proxy.tenant` from those" in told[1].stderr
    assert "claimed" in admin.tenants()


def test_nothing_is_removed_unasked(admin: Admin) -> None:
    admin.add("kept")
    assert admin.run("remove", "kept").returncode == 1
    assert "kept" in admin.tenants()


def test_permissions_entitle_without_a_policy(admin: Admin) -> None:
    printed = documents(admin.add("pink", "--by=permissions").stdout)
    assert "AccessPolicy" not in printed
    secret = secret_in(printed["Config"])
    token = admin.realm.token("hostclaim-pink", secret)
    assert admin.realm.permissions(token) == {
        "pink-dev": {"hostclaims:read", "hostclaims:write", "secrets:read", "secrets:write"}
    }
    admin.add("pink", "--by=permissions", "--role=viewer", "--namespace=pink-prod")
    assert admin.realm.permissions(token) == {
        "pink-dev": {"hostclaims:read"},
        "pink-prod": {"hostclaims:read"},
    }


def test_permissions_that_somebody_has_changed_are_put_right(admin: Admin) -> None:
    """Two ways at once: another client is let in, and on another namespace."""
    wanted = ("drifting", "--by=permissions")
    secret = secret_in(documents(admin.add(*wanted).stdout)["Config"])
    intruder = secret_in(documents(admin.add("intruder", "--by=client").stdout)["Config"])
    server = f"/clients/{admin.realm.client('hostclaim-proxy')['id']}/authz/resource-server"
    intruders = admin.realm.client("hostclaim-intruder")["id"]
    _, other = admin.realm.admin("POST", f"{server}/resource", {"name": "not-drifting"})
    policy = {"name": "x", "type": "client", "logic": "POSITIVE", "clients": [intruders]}
    _, policy = admin.realm.admin("POST", f"{server}/policy/client", policy)
    [permission] = [
        each
        for each in admin.realm.admin("GET", f"{server}/permission?max=-1")[1]
        if each["name"] == "hostclaim-proxy tenant drifting in drifting-dev"
    ]
    _, scopes = admin.realm.admin("GET", f"{server}/policy/{permission['id']}/scopes")
    changed = permission | {
        "resources": [other["_id"]],
        "policies": [policy["id"]],
        "scopes": [scope["id"] for scope in scopes],
    }
    admin.realm.admin("PUT", f"{server}/permission/scope/{permission['id']}", changed)

    mended = admin.add(*wanted)
    assert "set policies, resources of permission" in mended.stderr
    assert admin.add(*wanted).stderr == "tenant `drifting` is as wanted, 0 changes made\n"
    token = admin.realm.token("hostclaim-drifting", secret)
    assert [*admin.realm.permissions(token)] == ["drifting-dev"]
    assert not admin.realm.permissions(admin.realm.token("hostclaim-intruder", intruder))


def test_where_tenants_would_shut_each_other_out_one_ends_and_none_begins(admin: Admin) -> None:
    admin.add("ending", "--by=permissions")
    server = f"/clients/{admin.realm.client('hostclaim-proxy')['id']}/authz/resource-server"
    _, settings = admin.realm.admin("GET", f"{server}/settings")
    admin.realm.admin("PUT", server, settings | {"decisionStrategy": "UNANIMOUS"})
    begun = admin.add("beginning", "--by=permissions")
    ended = admin.run("remove", "ending", "--yes")
    admin.realm.admin("PUT", server, settings)
    assert begun.returncode == 1
    assert "client `hostclaim-proxy`: set its authorization's decision strategy" in begun.stderr
    assert ended.returncode == 0, ended.stderr
    assert not {"beginning", "ending"} & admin.tenants().keys()


@pytest.mark.parametrize("server", ["nobody", "blue-capm3"])
def test_permissions_need_a_client_that_has_them(admin: Admin, server: str) -> None:
    refused = admin.add("nowhere", "--by=permissions", f"--resource-server={server}")
    assert refused.returncode == 1
    assert f"client `{server}` is not there, or without Authorization Services" in refused.stderr
    assert "nowhere" not in admin.tenants()


def test_a_tenant_ends_although_what_had_its_permissions_is_gone(admin: Admin) -> None:
    admin.add("stranded", "--by=permissions")
    client = admin.realm.client("hostclaim-stranded")
    moved = client["attributes"] | {"hostclaim-proxy.tenant.resource-server": "nobody"}
    admin.realm.admin("PUT", f"/clients/{client['id']}", client | {"attributes": moved})
    removed = admin.run("remove", "stranded", "--yes")
    assert removed.returncode == 0, removed.stderr
    assert "stranded" not in admin.tenants()


def test_a_tenant_whose_client_was_deleted_is_let_in_anew(admin: Admin) -> None:
    admin.add("anew", "--by=permissions")
    admin.realm.admin("DELETE", f"/clients/{admin.realm.client('hostclaim-anew')['id']}")
    secret = secret_in(documents(admin.add("anew", "--by=permissions").stdout)["Config"])
    assert "anew-dev" in admin.realm.permissions(admin.realm.token("hostclaim-anew", secret))


def test_two_tenants_of_a_namespace_do_not_shut_each_other_out(admin: Admin) -> None:
    shared = ("--by=permissions", "--namespace=shared")
    secret = secret_in(documents(admin.add("one", *shared).stdout)["Config"])
    admin.add("two", *shared)
    token = admin.realm.token("hostclaim-one", secret)
    assert "shared" in admin.realm.permissions(token)
    admin.run("remove", "two", "--yes")
    assert "shared" in admin.realm.permissions(token)


def test_a_wrong_admin_secret_is_said_and_not_shown(admin: Admin) -> None:
    refused = admin.run("list", secret="not-it-s3cret")
    assert refused.returncode == 1
    assert "its client id or secret is not the right one" in refused.stderr
    assert "not-it-s3cret" not in refused.stdout + refused.stderr


def test_what_is_printed_is_all_that_a_tenant_needs_and_its_end_ends_what_is_open(
    world: World, admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{Path(command()).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(world.directory / "blue-ci-cache"))
    with another(world, "adding", lambda settings: asks_the_iam(world, settings)) as proxy:
        let_in(world, admin, proxy)
        kubectl = Kubectl(world, "blue-ci", "blue-ci-one")
        eventually(lambda: kubectl.ask("get secrets").returncode == 0, "the policy to be read")
        assert "corp:service-account-hostclaim-blue-ci" in kubectl.does("auth whoami")
        kubectl.does("create -f -", USER_DATA)
        kubectl.does("apply -f -", CLAIM)
        kubectl.does("wait hostclaim/node-0 --for=jsonpath={.status.bareMetalHost.name}")
        kubectl.does("delete hostclaim/node-0 secret/node-0-user-data --timeout=60s")
        assert "Forbidden" in kubectl.fails("get hostclaims -n blue-dev")
        with kubectl.following("get secrets -w") as watch:
            kubectl.does("create -f -", USER_DATA)
            watch.until("node-0-user-data")
            removed = admin.run("remove", "blue-ci", "--yes")
            assert removed.returncode == 0, removed.stderr
            with ThreadPoolExecutor(1) as waiting:
                waiting.submit(watch.rest).result(timeout=CACHE + SPARE)
        # By the proxy while the plugin still has a token, by the plugin afterwards.
        told = kubectl.fails("get secrets")
        assert "the token counts no longer" in told or "no token from the issuer" in told


def let_in(world: World, admin: Admin, proxy: AnotherProxy) -> None:
    """Add tenant blue-ci, and commit what is printed as it is."""
    added = admin.run(
        *("add", "blue-ci", "--issuer=corp", "--namespace=blue-ci-one"),
        f"--proxy-url={proxy.url}",
        f"--proxy-ca-file={world.directory / 'proxy-ca.crt'}",
        f"--out={world.directory}",
    )
    assert added.returncode == 0, added.stderr
    for line in (
        ("create", "namespace", "blue-ci-one"),
        ("apply", "-f", str(world.directory / "rbac.yaml")),
    ):
        done = world.kubectl("admin", *line)
        assert done.returncode == 0, done.stderr
    policy = (world.directory / "policy.yaml").read_text()
    files.write(proxy.policies / "blue-ci.yaml", policy)
