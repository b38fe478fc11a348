"""`hostclaim-proxy policy explain` says why, to people and to programs."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from tests.cli.policy.files import BLUE, configured, run, written

ALICE = ("--as", "alice", "--as-group", "/tenants/blue")


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    return written(tmp_path)


def explain(policies: Path, *arguments: object) -> Result:
    return run("explain", *arguments, "--policies", policies)


def lines(result: Result) -> list[str]:
    return [line for line in result.stdout.splitlines() if line]


def test_what_is_allowed_is_told_with_its_rule(policies: Path) -> None:
    result = explain(policies, "get", "hostclaims/web", "-n", "blue-dev", *ALICE)
    assert result.exit_code == 0
    assert lines(result) == [
        "allow: corp:alice in /tenants/blue: get hostclaims/web in blue-dev",
        "granted by",
        f"  {policies}/blue.yaml:9 blue spec.allow[0]",
    ]


def test_bounds_are_told_with_what_is_allowed(policies: Path) -> None:
    result = explain(
        *(policies, "patch", "hostclaims", "-n", "blue-ci-1", "--patch-type", "apply"), *ALICE
    )
    rule = f"      {policies}/blue.yaml:10 blue spec.allow[1]"
    assert lines(result)[-5:] == [
        "within the bounds of",
        "  patch: at most 2 claims in the namespace",
        rule,
        "  create: at most 2 claims in the namespace",
        rule,
    ]


def test_a_patch_is_told_by_the_short_name_of_its_type(policies: Path) -> None:
    asked = ("patch", "hostclaims/web", "-n", "blue-dev", "--patch-type", "apply", *ALICE)
    assert "patch (apply) hostclaims/web in blue-dev" in explain(policies, *asked).stdout
    told = json.loads(explain(policies, *asked, "-o", "json").stdout)
    assert told["request"]["patchType"] == "apply"


def test_what_a_shadow_would_change_is_told_last(policies: Path) -> None:
    shadow = (policies / "blue.yaml").read_text().replace("name: blue", "name: later")
    shadow = shadow.replace("spec:", "spec:\n  enforcement: shadow").replace("blue-dev", "later")
    (policies / "later.yaml").write_text(shadow)
    result = explain(policies, "get", "hostclaims", "-n", "later", *ALICE)
    assert result.exit_code == 1
    rule = f"{policies}/later.yaml:10 later spec.allow[0]"
    assert lines(result)[-1] == f"if rules in shadow counted: allow: {rule}"
    told = explain(policies, "get", "hostclaims", "-n", "later", *ALICE, "-o", "json")
    assert json.loads(told.stdout)["shadow"] == {"decision": "allow", "reason": rule}


def test_what_no_rule_grants_is_told_with_the_nearest(policies: Path) -> None:
    result = explain(policies, "get", "secrets", "-n", "red", *ALICE)
    assert result.exit_code == 1
    yours = "your namespaces are blue-ci-*, blue-dev, blue-prod"
    assert lines(result)[1:6] == [
        f"no policy grants you secrets in this namespace; {yours}",
        "the nearest rules that do not grant it",
        f"  {policies}/blue.yaml:9 blue spec.allow[0]",
        "      it holds in `blue-dev`, `blue-prod`, not in `red`",
        f"  {policies}/blue.yaml:10 blue spec.allow[1]",
    ]


def test_a_denial_is_told_with_what_it_takes_away(policies: Path) -> None:
    result = explain(
        *(policies, "delete", "hostclaims", "-n", "blue-dev"), *ALICE, "--as-group", "/interns"
    )
    assert lines(result)[1:] == [
        "a policy denies it explicitly",
        f"  {policies}/freeze.yaml:7 freeze spec.deny[0]",
        "which takes away what is granted by",
        f"  {policies}/blue.yaml:9 blue spec.allow[0]",
    ]


@pytest.mark.parametrize(("option", "shown"), [((), 5), (("--all",), 8)])
def test_the_nearest_five_are_shown_unless_all_are_wanted(
    tmp_path: Path, option: tuple[str, ...], shown: int
) -> None:
    grants = "".join(f"  - {{namespaces: [blue-{n}], role: viewer}}\n" for n in range(8))
    head = BLUE.partition("  - {namespaces")[0]
    asked = ("get", "hostclaims", "-n", "red", *ALICE, *option)
    result = explain(written(tmp_path, head + grants), *asked)
    assert result.stdout.count("it holds in") == shown
    assert ("(5 of 8, --all for all)" in result.stdout) is (shown == 5)


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_programs_are_told_the_same(policies: Path, form: str) -> None:
    result = explain(policies, "get", "hostclaims", "web", "-n", "red", *ALICE, "-o", form)
    found = json.loads(result.stdout) if form == "json" else yaml.safe_load(result.stdout)
    assert (found["decision"], found["rules"], found["overruled"]) == ("deny", [], [])
    assert found["identity"] == {
        "name": "corp:alice",
        "issuer": "corp",
        "groups": ["/tenants/blue"],
    }
    assert found["request"] == {
        "verb": "get",
        "resource": "hostclaims",
        "namespace": "red",
        "name": "web",
    }
    assert found["near"][0] == {
        "origin": f"{policies}/blue.yaml:9 blue spec.allow[0]",
        "lacks": [
            {"what": "namespace", "message": "holds in `blue-dev`, `blue-prod`, not in `red`"}
        ],
    }


def test_programs_are_told_bounds_as_policies_write_them(policies: Path) -> None:
    result = explain(policies, "create", "hostclaims", "-n", "blue-ci-1", *ALICE, "-o", "json")
    found = json.loads(result.stdout)
    place = {"file": f"{policies}/blue.yaml", "line": 10}
    rule = {"document": "blue", "path": "spec.allow[1]", **place}
    origin = f"{policies}/blue.yaml:10 blue spec.allow[1]"
    told = {"effect": "allow", "origin": origin} | rule
    assert (found["decision"], found["rules"]) == ("allow", [told])
    assert found["bounds"] == [{"verb": "create", "rule": told, "bounds": {"maxHostClaims": 2}}]


# Who it is about.


@pytest.mark.parametrize(
    ("who", "name"),
    [
        (("--as-client", "capm3-blue"), "corp:(no name) with client capm3-blue"),
        (("--as-group", "/tenants/red"), "corp:(no name) in /tenants/red"),
        (
            ("--as-service-account", "capm3/manager"),
            "green-cluster:serviceaccount:capm3:manager",
        ),
        (("--as", "alice", "--issuer", "lab"), "lab:alice"),
    ],
)
def test_somebody_is_who_the_options_say(policies: Path, who: tuple[str, ...], name: str) -> None:
    result = explain(policies, "list", "hostclaims", "-A", *who)
    assert f"{name}: list hostclaims in all namespaces" in lines(result)[0]


def test_a_claim_can_be_given_more_than_once(tmp_path: Path) -> None:
    claimed = """\
metadata: {name: lab}
spec:
  subjects: [{issuer: corp, everyone: true}]
  allow:
  - {namespacesFromClaim: spaces, role: viewer}
"""
    asked = ("get", "hostclaims", "-n", "lab-2", "--as", "alice")
    claims = ("--as-claim", "spaces=lab-1", "--as-claim", "spaces=lab-2")
    assert explain(written(tmp_path, claimed), *asked, *claims).exit_code == 0


def test_claims_that_grant_are_read_as_the_configuration_says(
    tmp_path: Path, policies: Path
) -> None:
    config = configured(tmp_path, policies)
    who = ("--as", "alice", "--as-group", "/tenants/lab/viewer")
    result = run("explain", "get", "hostclaims", "-n", "lab", *who, "--config", config)
    assert lines(result) == [
        "allow: corp:alice in /tenants/lab/viewer: get hostclaims in lab",
        "granted by",
        "  corp: claim roles /tenants/lab/viewer",
        "note: what the IAM permits those of corp is not known here, and counts besides",
    ]


def test_a_claim_that_nearly_grants_is_told(tmp_path: Path, policies: Path) -> None:
    config = configured(tmp_path, policies)
    result = run("explain", "get", "secrets", "-n", "lab", "--as", "al", "--config", config)
    assert "  corp: claim roles /tenants/{namespace}/{role}" in lines(result)
    assert "      it wants claim `roles` to hold `/tenants/lab/editor`" in lines(result)


GET: tuple[Any, ...] = ("get", "hostclaims", "-n", "red")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (GET, "say who: with --as"),
        ((*GET, "--as", "system:admin"), "no token says so: claim `sub` holds"),
        ((*GET, "--as-service-account", "a/b", "--as", "c"), "a service account has no username"),
        ((*GET, "--as-claim", "spaces"), "`spaces` is not NAME=VALUE"),
        ((*GET, "--live", "a", "--issuer", "corp"), "give --config, which says where Keycloak is"),
        ((*GET, "--live", "a", "--token-file", "-"), "give --token-file alone"),
        (("get", "hostclaims", "--as", "a"), "give one of --namespace and --all-namespaces"),
        ((*GET, "-A", "--as", "a"), "give one of --namespace and --all-namespaces"),
        (("get", "hostclaims/x", "y", "-n", "red", "--as", "a"), "give the name once"),
        (("got", "hostclaims", "-n", "red", "--as", "a"), "did you mean `get`?"),
        ((*GET, "--subresource", "scale", "--as", "a"), "have no subresource `scale`"),
    ],
)
def test_what_cannot_be_asked_ends_with_2(
    policies: Path, arguments: tuple[str, ...], told: str
) -> None:
    result = explain(policies, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr


def test_of_several_issuers_one_has_to_be_named(tmp_path: Path) -> None:
    policies = written(tmp_path, BLUE, BLUE.replace("corp", "lab").replace("blue", "other"))
    result = explain(policies, *GET, "--as", "alice")
    assert "give --issuer, one of corp, lab" in result.stderr


def test_an_issuer_is_one_of_the_configuration(tmp_path: Path, policies: Path) -> None:
    config = configured(tmp_path, policies)
    result = run("explain", *GET, "--as", "a", "--issuer", "cor", "--config", config)
    assert result.exit_code == 2
    assert "`cor` is no issuer of the configuration, did you mean `corp`?" in result.stderr


def test_where_policies_name_no_issuer_of_the_kind_one_has_to_be_named(tmp_path: Path) -> None:
    result = explain(written(tmp_path, BLUE), *GET, "--as-service-account", "a/b")
    assert "give --issuer\n" in result.stderr


def test_a_name_cannot_command_the_terminal(policies: Path) -> None:
    result = explain(policies, *GET, "--as", "al\x1b[31mice")
    assert (result.exit_code, "\x1b" in result.output) == (2, False)


def test_who_is_looked_up_is_looked_up_by_somebody(tmp_path: Path, policies: Path) -> None:
    config = configured(tmp_path, policies)
    result = run("explain", *GET, "--live-client", "capm3-blue", "--config", config)
    assert (result.exit_code, "give --admin-client-id" in result.stderr) == (2, True)


def test_a_keycloak_that_is_away_is_no_denial(tmp_path: Path, policies: Path) -> None:
    config = configured(tmp_path, policies)
    config.write_text(config.read_text().replace("iam.example.com", "127.0.0.1:1"))
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    admin = ("--admin-client-id", "admin", "--admin-client-secret-file", secret)
    who = ("--live-client", "capm3-blue", "--issuer", "corp")
    result = run("explain", *GET, *who, *admin, "--config", config)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "cannot log in as client `admin`" in result.stderr
