"""`policy explain --live` asks Keycloak who somebody would be who logged in now."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from proxy.cli.admin import VARIABLE
from tests.cli.policy.files import BLUE, configured, run, written
from tests.realms import PUBLIC, FakeRealm
from tests.realms import running as realm_running

CONFIGURED = "url: https://iam.example.com/realms/corp"
CLIENT = ("--live-client", "capm3-blue")
ALICE = ("--live", "alice", *CLIENT)


@pytest.fixture
def realm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRealm]:
    monkeypatch.setenv(VARIABLE, "s3cret")
    with realm_running(tmp_path) as realm:
        realm.clients = ["capm3-blue", PUBLIC]
        realm.users = [{"username": "alice"}]
        yield realm


def explain(realm: FakeRealm, *who: str) -> Result:
    folder = realm.ca_file.parent
    config = configured(folder, written(folder, BLUE))
    where = f"url: {realm.url}\n  caFile: {realm.ca_file}"
    config.write_text(config.read_text().replace(CONFIGURED, where))
    asked = ("get", "secrets", "-n", "blue-dev", "--issuer", "corp", "--config", config)
    return run("explain", *asked, *who, "--admin-client-id", "admin")


def test_who_is_disabled_gets_no_token(realm: FakeRealm) -> None:
    realm.disabled = {"alice"}
    told = explain(realm, *ALICE)
    assert (told.exit_code, told.stderr) == (1, "")
    assert told.stdout.startswith("deny: 401 Unauthorized: get secrets in blue-dev\n")
    assert "user `alice` is disabled, and gets no token" in told.stdout


@pytest.mark.parametrize("who", [ALICE, CLIENT])
def test_by_a_client_that_is_disabled_nobody_gets_a_token(
    realm: FakeRealm, who: tuple[str, ...]
) -> None:
    realm.disabled = {"capm3-blue"}
    told = explain(realm, *who)
    assert told.exit_code == 1
    assert "client `capm3-blue` is disabled, and nobody gets a token by it" in told.stdout


@pytest.mark.parametrize(
    ("who", "why"),
    [
        (("--live-client", "nobodys"), "there is no client `nobodys`"),
        (("--live", "nobody", *CLIENT), "there is no user `nobody`"),
        (("--live-client", PUBLIC), f"client `{PUBLIC}` has no service account: say who"),
    ],
)
def test_whom_keycloak_does_not_know_it_cannot_tell_about(
    realm: FakeRealm, who: tuple[str, ...], why: str
) -> None:
    told = explain(realm, *who)
    assert (told.exit_code, told.stdout) == (2, "")
    assert told.stderr.startswith(f"hostclaim-proxy: {why}")


@pytest.mark.parametrize("hidden", ["clients", "users"])
def test_nobody_is_missing_whom_the_admin_may_not_see(realm: FakeRealm, hidden: str) -> None:
    realm.hidden = {hidden}
    told = explain(realm, *ALICE)
    assert (told.exit_code, told.stdout) == (2, "")
    assert f"cannot look for all {hidden}: the admin client lacks a role" in told.stderr
    assert "`view-clients`, for groups and users also `view-users`" in told.stderr
