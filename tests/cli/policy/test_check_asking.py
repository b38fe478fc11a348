"""`policy check` asks a cluster and Keycloak about names that are in no file."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from proxy.cli import main
from proxy.cli.admin import VARIABLE
from proxy.edge.keycloakadmin import presence
from tests.edge.apiservers import FakeApiServer, running, saying
from tests.realms import PUBLIC, FakeRealm
from tests.realms import running as realm_running

POLICY = """\
apiVersion: hostclaim-proxy.metal3.io/v1alpha1
kind: AccessPolicy
metadata:
  name: blue
spec:
  subjects:
  - {issuer: corp, group: /tenants/bleu}
  - {issuer: corp, client: capm3-blue}
  - {issuer: corp, user: Alice}
  - {issuer: corp, group: blue}
  - {issuer: lab, group: /tenants/bleu}
  allow:
  - namespaces: [blue-dev, blue-pord, red-*, "*"]
    role: viewer
"""
CONFIG = """\
apiVersion: hostclaim-proxy.metal3.io/v1alpha1
kind: ProxyConfiguration
server: {{address: "127.0.0.1:0", certFile: tls.crt, keyFile: tls.key}}
cluster: {{inCluster: true}}
issuers:
- {{name: corp, url: "{url}", audiences: [a], claims: {claims}}}
- {{name: lab, url: "https://lab/realms/lab", audiences: [a]}}
- {{name: mgmt, kind: kubernetes, url: "https://mgmt", audiences: [a]}}
policies: {{paths: [policies]}}
"""
NAMES = "{username: preferred_username}"


@pytest.fixture(autouse=True)
def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("policies").mkdir()
    file = Path("policies/blue.yaml")
    file.write_text(POLICY)
    return file


@pytest.fixture
def realm(tmp_path: Path) -> Iterator[FakeRealm]:
    with realm_running(tmp_path) as realm:
        realm.groups = ["/tenants", "/tenants/blue"]
        realm.clients = ["capm3-blue", "account"]
        realm.users = [{"username": "alice", "email": "alice@example.com"}]
        yield realm


def run(*arguments: str, **env: str) -> Result:
    runner = CliRunner(env={VARIABLE: "s3cret", **env})
    return runner.invoke(main, ["policy", "check", *arguments])


def told(result: Result) -> list[str]:
    """What is said, without where."""
    return [
        line.partition("warning: ")[2]
        for line in result.stdout.splitlines()
        if ": warning: " in line
    ]


def ask(realm: FakeRealm, *arguments: str) -> Result:
    return run(*("--iam=corp", "--admin-client-id=admin", f"--ca-file={realm.ca_file}", *arguments))


# A cluster.


def namespaces(*names: str) -> bytes:
    items = [{"metadata": {"name": name}} for name in names]
    text = json.dumps({"metadata": {}, "items": items})
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()


async def with_cluster(said: bytes, tmp_path: Path, *arguments: str) -> Result:
    async with running(tmp_path, saying(said)) as server:
        return await asyncio.to_thread(run, "policies", "--cluster", *_way(server), *arguments)


def _way(server: FakeApiServer) -> list[str]:
    return ["--kubeconfig", str(server.kubeconfig()), "--context", "here"]


async def test_namespaces_that_the_cluster_does_not_have_are_warned_of(tmp_path: Path) -> None:
    result = await with_cluster(namespaces("blue-dev", "blue-prod"), tmp_path)
    assert result.exit_code == 0, result.output
    assert told(result) == [
        (
            "spec.allow[0].namespaces[1]: the cluster has no namespace `blue-pord`,"
            " did you mean `blue-prod`? [unknown-namespace]"
        ),
        (
            "spec.allow[0].namespaces[2]: the cluster has no namespace that `red-*` covers"
            " [unknown-namespace]"
        ),
    ]
    assert "listing the cluster's namespaces" in result.stderr


async def test_a_cluster_that_refuses_is_told(tmp_path: Path) -> None:
    said = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}"
    result = await with_cluster(said, tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--cluster: cannot list the namespaces: the credentials lack" in result.stderr


@pytest.mark.parametrize("context", ["here", "elsewhere"])
def test_a_kubeconfig_that_leads_nowhere_is_told(tmp_path: Path, context: str) -> None:
    result = run("policies", "--cluster", "--context", context, KUBECONFIG=str(tmp_path / "no"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--cluster: the credentials for the cluster cannot be loaded" in result.stderr


async def test_kubectl_s_own_kubeconfig_is_the_usual_one(tmp_path: Path) -> None:
    async with running(tmp_path, saying(namespaces("blue-dev"))) as server:
        file = str(server.kubeconfig())
        result = await asyncio.to_thread(run, "policies", "--cluster", KUBECONFIG=file)
        assert len(told(result)) == 2
        (tmp_path / ".kube").mkdir()
        server.kubeconfig().rename(tmp_path / ".kube" / "config")
        home = {"HOME": str(tmp_path), "KUBECONFIG": ""}
        result = await asyncio.to_thread(lambda: run("policies", "--cluster", **home))
        assert len(told(result)) == 2


@pytest.mark.parametrize("option", ["--kubeconfig=x", "--context=x"])
def test_how_a_cluster_is_reached_goes_with_asking_it(option: str) -> None:
    result = run("policies", option)
    assert result.exit_code == 2
    assert "go with --cluster" in result.stderr


# Keycloak.

GROUP = (
    "spec.subjects[0].group: the IAM of issuer `corp` has no group `/tenants/bleu` [unknown-group]"
)
USER = (
    "spec.subjects[2].user: the IAM of issuer `corp` has no user `Alice`,"
    " did you mean `alice`? [unknown-user]"
)


def test_whom_keycloak_does_not_know_is_warned_of(realm: FakeRealm) -> None:
    result = ask(realm, "policies", f"--issuer-url={realm.url}")
    assert (result.exit_code, told(result)) == (0, [GROUP]), result.output
    assert "asking Keycloak at" in result.stderr
    realm.clients = ["capm3-bleu"]
    assert told(ask(realm, "policies", f"--issuer-url={realm.url}"))[1:] == [
        (
            "spec.subjects[1].client: the IAM of issuer `corp` has no client `capm3-blue`,"
            " did you mean `capm3-bleu`? [unknown-client]"
        )
    ]


def test_the_configuration_says_where_keycloak_is_and_what_users_are_called(
    realm: FakeRealm,
) -> None:
    Path("proxy.yaml").write_text(CONFIG.format(url=realm.url, claims=NAMES))
    assert told(ask(realm, "--config=proxy.yaml")) == [GROUP, USER]


def test_the_configuration_says_by_what_keycloak_is_trusted(realm: FakeRealm) -> None:
    config = CONFIG.format(url=realm.url, claims=f"{NAMES}, caFile: {realm.ca_file}")
    Path("proxy.yaml").write_text(config)
    result = run("--config=proxy.yaml", "--iam=corp", "--admin-client-id=admin")
    assert result.exit_code == 0, result.output
    assert told(result) == [GROUP, USER]


@pytest.mark.parametrize(
    ("claims", "codes"),
    [
        ("{}", ["unknown-group"]),
        ("{username: email}", ["unknown-group", "unknown-user"]),
        ("{username: preferred_username, groups: realm_access.roles}", ["unknown-user"]),
    ],
)
def test_what_keycloak_cannot_be_asked_about_is_not_told(
    realm: FakeRealm, claims: str, codes: list[str]
) -> None:
    Path("proxy.yaml").write_text(CONFIG.format(url=realm.url, claims=claims))
    found = [
        line.rpartition("[")[2].rstrip("]") for line in told(ask(realm, "--config=proxy.yaml"))
    ]
    assert found == codes


def test_clients_by_another_claim_are_not_asked_about(realm: FakeRealm) -> None:
    realm.clients = []
    Path("proxy.yaml").write_text(CONFIG.format(url=realm.url, claims="{client: tenant}"))
    assert told(ask(realm, "--config=proxy.yaml")) == [GROUP]


@pytest.mark.parametrize(("name", "codes"), [("capm3-blue", 1), (PUBLIC, 2)])
def test_the_service_account_of_a_client_is_a_user(
    realm: FakeRealm, policies: Path, name: str, codes: int
) -> None:
    policies.write_text(POLICY.replace("Alice", f"service-account-{name}"))
    Path("proxy.yaml").write_text(CONFIG.format(url=realm.url, claims=NAMES))
    assert len(told(ask(realm, "--config=proxy.yaml"))) == codes


def test_a_group_goes_by_the_path_that_tokens_have(realm: FakeRealm, policies: Path) -> None:
    policies.write_text(POLICY.replace("group: blue}", "group: /tenants/blue/}"))
    assert [
        text.split(": ")[0] for text in told(ask(realm, "policies", f"--issuer-url={realm.url}"))
    ] == [
        "spec.subjects[0].group",
        "spec.subjects[3].group",
    ]


def test_many_groups_below_one_are_listed_and_not_asked_for(
    realm: FakeRealm, policies: Path
) -> None:
    realm.groups = ["/tenants", *(f"/tenants/t{number}" for number in range(150))]
    many = "\n".join(f"  - {{issuer: corp, group: /tenants/t{n}}}" for n in range(120, 160))
    policies.write_text(POLICY.replace("  - {issuer: corp, group: /tenants/bleu}", many))
    result = ask(realm, "policies", f"--issuer-url={realm.url}")
    assert len(told(result)) == 10
    assert len(realm.asked) == 4
    assert "did you mean `/tenants/t" in told(result)[0]


def test_without_the_group_above_there_are_none_below(realm: FakeRealm, policies: Path) -> None:
    many = "\n".join(f"  - {{issuer: corp, group: /gone/t{n}}}" for n in range(30))
    policies.write_text(POLICY.replace("  - {issuer: corp, group: /tenants/bleu}", many))
    assert len(told(ask(realm, "policies", f"--issuer-url={realm.url}"))) == 30
    assert len(realm.asked) == 2


def test_not_more_is_asked_than_an_admin_has_patience_for(
    realm: FakeRealm, policies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "MOST", 5)
    many = "\n".join(f"  - {{issuer: corp, user: u{n}}}" for n in range(10))
    policies.write_text(POLICY.replace("  - {issuer: corp, group: /tenants/bleu}", many))
    Path("proxy.yaml").write_text(CONFIG.format(url=realm.url, claims=NAMES))
    result = ask(realm, "--config=proxy.yaml")
    assert len(told(result)) == 5
    assert "asked about 5 of 11 users" in result.stderr


def test_an_admin_without_the_right_is_told_which(realm: FakeRealm) -> None:
    realm.status = 403
    result = ask(realm, "policies", f"--issuer-url={realm.url}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--iam: cannot list the clients: the admin client lacks a role" in result.stderr
    assert "`view-clients`" in result.stderr


@pytest.mark.parametrize("hidden", ["clients", "users"])
def test_nobody_is_missing_whom_the_admin_may_not_see(realm: FakeRealm, hidden: str) -> None:
    realm.clients, realm.hidden = [], {hidden}
    Path("proxy.yaml").write_text(CONFIG.format(url=realm.url, claims=NAMES))
    result = ask(realm, "--config=proxy.yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"--iam: cannot look for all {hidden}: the admin client lacks a role" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--iam=crop", "--issuer=corp"], "there is no issuer `crop`"),
        (["--iam=corp"], "give --issuer-url"),
        (["--iam=corp", "--issuer-url=https://iam/realms/a"], "give --admin-client-id"),
        (["--iam=mgmt", "--config=proxy.yaml"], "issuer `mgmt` is a cluster, and no Keycloak"),
    ],
)
def test_an_iam_that_cannot_be_asked_is_wrong_usage(arguments: list[str], why: str) -> None:
    Path("proxy.yaml").write_text(CONFIG.format(url="https://iam/realms/a", claims="{}"))
    result = run("policies", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert why in " ".join(result.stderr.replace("│", " ").split())


def test_nobody_is_asked_about_files_that_are_wrong(policies: Path) -> None:
    policies.write_text("{")
    assert run("policies", "--cluster", "--kubeconfig=gone", "--iam=corp").exit_code == 1
