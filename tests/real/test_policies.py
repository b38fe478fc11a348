"""What `policy` asks a real cluster and a real Keycloak, with the rights that its help names."""

import asyncio
import json
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from proxy.demo import files
from proxy.demo.files import Listening
from proxy.edge.keycloakadmin import presence
from tests.cli.policy.files import HEAD, run
from tests.real.cluster import Running
from tests.real.keycloak import PEOPLES_CLIENT, Keycloak, Tokens
from tests.real.kubectl import Kubectl, kubeconfig

NAMESPACES = """\
metadata: {name: blue}
spec:
  subjects: [{issuer: corp, everyone: true}]
  allow:
  - {namespaces: [asked-dev, asked-dve, "asked-*", "unasked-*", "*"], role: viewer}
"""
SUBJECTS = """\
metadata: {name: blue}
spec:
  subjects: [SUBJECTS]
  allow:
  - {namespaces: [blue-dev], role: viewer}
"""
KNOWN = (
    "group: /tenants",
    "group: /tenants/blue",
    "group: /namespaces/blue-dev/viewer",
    "client: blue-capm3",
    "user: alice",
    "user: service-account-blue-capm3",
)
UNKNOWN = (
    "group: /tenant",
    "group: /tenants/bleu",
    "group: /tenants/blue/",
    "group: /namespaces/blue-dev/viewers",
    "group: /nowhere/blue",
    "client: blue-capm",
    "user: Alice",
    f"user: service-account-{PEOPLES_CLIENT}",
)
VIEWS = ("view-clients", "view-users")
TOO_FEW = (VIEWS[:1], VIEWS[1:], ("query-clients", "view-users"), ("view-clients", "query-users"))
GET = ("get", "hostclaims", "-n", "blue-dev")


def written(folder: Path, document: str) -> Path:
    file = folder / "policy.yaml"
    file.write_text(HEAD + document)
    return file


def messages(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [finding["message"] for finding in json.loads(result.stdout)["findings"]]


# A cluster.


@pytest.fixture(scope="module")
def account(
    running: Running, admin: Kubectl, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Makes a service account, in a cluster with a namespace; its kubeconfig."""
    admin.run("create", "namespace", "asked-dev")
    admin.run("create", "clusterrole", "asker", "--verb=list", "--resource=namespaces")

    def make(name: str) -> Path:
        admin.run("create", "serviceaccount", name, "--namespace=asked-dev")
        token = admin.run("create", "token", name, "--namespace=asked-dev").strip()
        file = tmp_path_factory.mktemp(name) / "kubeconfig"
        access = running.access
        file.write_text(json.dumps(kubeconfig(access.server, access.ca_file, token)))
        return file

    return make


def test_namespaces_that_are_not_there_are_found_with_the_right_to_list_them(
    admin: Kubectl, account: Callable[[str], Path], tmp_path: Path
) -> None:
    who = account("lister")
    bound = ("--clusterrole=asker", "--serviceaccount=asked-dev:lister")
    admin.run("create", "clusterrolebinding", "asker", *bound)
    file = written(tmp_path, NAMESPACES)
    told = run("check", file, "--cluster", "--kubeconfig", who, "-o", "json")
    assert messages(told) == [
        "the cluster has no namespace `asked-dve`",
        "the cluster has no namespace that `unasked-*` covers",
    ]


def test_without_that_right_it_is_told_which_one_is_wanting(
    account: Callable[[str], Path], tmp_path: Path
) -> None:
    who = account("nobody")
    told = run("check", written(tmp_path, NAMESPACES), "--cluster", "--kubeconfig", who)
    assert (told.exit_code, told.stdout) == (2, "")
    assert "cannot list the namespaces: the credentials lack the right to `list`" in told.stderr


# Keycloak.


@pytest.fixture(scope="module")
def config(keycloak: Keycloak, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's policies, and settings that lead to Keycloak."""
    folder = tmp_path_factory.mktemp("policies")
    files.write_policies(folder)
    return files.write_settings(folder, Listening(1, 2, keycloak.issuer, keycloak.ca_file))


def asking(keycloak: Keycloak, folder: Path, roles: tuple[str, ...]) -> tuple[str, ...]:
    """The options of a new client with these roles."""
    name, secret = f"asking-{secrets.token_hex(4)}", secrets.token_urlsafe()
    asyncio.run(keycloak.add_admin(name, secret, roles))
    file = folder / name
    file.write_text(secret)
    return ("--admin-client-id", name, "--admin-client-secret-file", str(file))


@pytest.fixture(scope="module")
def viewer(keycloak: Keycloak, config: Path) -> tuple[str, ...]:
    return asking(keycloak, config.parent, VIEWS)


def check(config: Path, keycloak: Keycloak, admin: tuple[str, ...], file: Path) -> Result:
    trusted = ("--ca-file", keycloak.ca_file)
    return run("check", file, "--config", config, "--iam", "corp", *admin, *trusted, "-o", "json")


def policy(folder: Path, *subjects: str) -> Path:
    listed = ", ".join(f"{{issuer: corp, {subject}}}" for subject in subjects)
    return written(folder, SUBJECTS.replace("SUBJECTS", listed))


@pytest.mark.parametrize("few", [presence.FEW, 0], ids=["each", "lists"])
def test_whom_keycloak_does_not_know_is_found(
    keycloak: Keycloak,
    config: Path,
    viewer: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    few: int,
) -> None:
    monkeypatch.setattr(presence, "FEW", few)
    told = check(config, keycloak, viewer, policy(tmp_path, *KNOWN, *UNKNOWN))
    names = [subject.split(": ") for subject in UNKNOWN]
    assert messages(told) == [
        f"the IAM of issuer `corp` has no {kind} `{name}`" for kind, name in names
    ]


# Who somebody would be now.


def explain(config: Path, *who: str, stdin: str | None = None) -> Result:
    return run("explain", *GET, *who, "--config", config, "-o", "json", stdin=stdin)


def tokens(keycloak: Keycloak, username: str, client: str) -> Tokens:
    asked = keycloak.tokens_of_person(username) if username else keycloak.tokens_of_client(client)
    return asyncio.run(asked)


@pytest.mark.parametrize(
    ("username", "client", "code"),
    [
        ("alice", PEOPLES_CLIENT, 0),
        ("rita", PEOPLES_CLIENT, 1),
        ("ines", PEOPLES_CLIENT, 1),
        ("", "blue-capm3", 0),
        ("", "red-capm3", 1),
    ],
)
def test_somebody_is_who_their_token_says(
    keycloak: Keycloak,
    config: Path,
    viewer: tuple[str, ...],
    username: str,
    client: str,
    code: int,
) -> None:
    token = tokens(keycloak, username, client).access
    proven = explain(config, "--token-file", "-", stdin=token)
    told = explain(config, "--live", username, "--live-client", client, *viewer)
    assert proven.exit_code == code, proven.output
    assert json.loads(proven.stdout)["identity"]["groups"]
    assert (told.exit_code, told.stdout) == (code, proven.stdout)


def test_who_is_disabled_gets_a_token_neither_way(
    keycloak: Keycloak, config: Path, viewer: tuple[str, ...]
) -> None:
    who = ("--live", "otto", "--live-client", PEOPLES_CLIENT, *viewer)
    asyncio.run(keycloak.set_enabled("otto", enabled=False))
    try:
        told = explain(config, *who)
    finally:
        asyncio.run(keycloak.set_enabled("otto", enabled=True))
    assert (told.exit_code, json.loads(told.stdout)["code"]) == (1, 401)
    assert explain(config, *who).exit_code == 0


@pytest.mark.parametrize(
    ("who", "why"),
    [
        (("--live", "nobody", "--live-client", PEOPLES_CLIENT), "no user `nobody`"),
        (("--live", "alice", "--live-client", "nobodys"), "no client `nobodys`"),
        (("--live-client", PEOPLES_CLIENT), f"client `{PEOPLES_CLIENT}` has no service account"),
    ],
)
def test_who_is_not_there_is_told(
    config: Path, viewer: tuple[str, ...], who: tuple[str, ...], why: str
) -> None:
    told = explain(config, *who, *viewer)
    assert (told.exit_code, told.stdout) == (2, "")
    assert why in told.stderr


@pytest.mark.parametrize("roles", TOO_FEW, ids=" ".join)
def test_with_fewer_roles_nobody_is_missing_and_it_is_told_which_are_wanting(
    keycloak: Keycloak, config: Path, tmp_path: Path, roles: tuple[str, ...]
) -> None:
    admin = asking(keycloak, tmp_path, roles)
    for told in (
        check(config, keycloak, admin, policy(tmp_path, "client: x", "user: x")),
        explain(config, "--live", "alice", "--live-client", PEOPLES_CLIENT, *admin),
    ):
        assert (told.exit_code, told.stdout) == (2, "")
        assert "lacks a role of `realm-management`: `view-clients`, for groups" in told.stderr
