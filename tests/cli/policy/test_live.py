"""`policy explain --live` asks Keycloak who somebody would be who logged in now."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from proxy.cli.admin import VARIABLE
from tests.cli.policy.files import BLUE, configured, run, written
from tests.realms import FakeRealm
from tests.realms import running as realm_running

CONFIGURED = "url: https://iam.example.com/realms/corp"
CLIENT = ("--live-client", "capm3-blue")
ALICE = ("--live", "alice", *CLIENT)


@pytest.fixture
def realm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRealm]:
    monkeypatch.setenv(VARIABLE, "s3cret")
    with realm_running(tmp_path) as realm:
        realm.clients = ["capm3-blue"]
        realm.users = [{"username": "alice"}]
        yield realm


def explain(realm: FakeRealm, *who: str) -> Result:
    folder = realm.ca_file.parent
    config = configured(folder, written(folder, BLUE))
    where = f"url: {realm.url}\n  caFile: {realm.ca_file}"
    config.write_text(config.read_text().replace(CONFIGURED, where))
    asked = ("get", "secrets", "-n", "blue-dev", "--issuer", "corp", "--config", config)
    return run("explain", *asked, *who, "--admin-client-id", "admin")


@pytest.mark.parametrize("hidden", ["clients", "users"])
def test_nobody_is_missing_whom_the_admin_may_not_see(realm: FakeRealm, hidden: str) -> None:
    realm.hidden = {hidden}
    told = explain(realm, *ALICE)
    assert (told.exit_code, told.stdout) == (1, "")
    assert f"cannot look for all {hidden}: the admin client lacks a role" in told.stderr
    assert "`view-clients`, for groups and users also `view-users`" in told.stderr
