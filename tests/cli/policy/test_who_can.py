"""`hostclaim-proxy policy who-can` names everybody who may, and where it says so."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from tests.cli.policy.files import configured, run, written


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    return written(tmp_path)


def who_can(policies: Path, *arguments: object) -> Result:
    return run("who-can", *arguments, "--policies", policies)


def lines(result: Result) -> list[str]:
    return [line for line in result.stdout.splitlines() if line]


def test_everybody_who_may_is_told_with_rules_and_exceptions(policies: Path) -> None:
    result = who_can(policies, "delete", "hostclaims", "-n", "blue-dev")
    rule = f"{policies}/blue.yaml:9 blue spec.allow[0]"
    shut = f"a policy denies it explicitly: {policies}/freeze.yaml:7 freeze spec.deny[0]"
    assert result.exit_code == 0
    assert lines(result) == [
        "may delete hostclaims in blue-dev",
        f"  corp group /tenants/blue   {rule}",
        f"      but not who is also group /interns: {shut}",
        f"  corp client capm3-blue     {rule}",
        f"      but not who is also group /interns: {shut}",
    ]


def test_bounds_and_spanned_namespaces_are_told(policies: Path) -> None:
    result = who_can(policies, "create", "hostclaims", "-n", "blue-ci-1")
    assert "      within: at most 2 claims in the namespace" in lines(result)
    result = who_can(policies, "list", "hostclaims", "-A")
    assert "      in red" in lines(result)
    assert "may not, though a rule grants it" in lines(result)


def test_that_nobody_may_is_told_and_ends_with_1(policies: Path) -> None:
    result = who_can(policies, "get", "secrets", "-n", "lab")
    assert (result.exit_code, lines(result)) == (1, ["nobody may get secrets in lab"])


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_programs_are_told_the_same(policies: Path, form: str) -> None:
    result = who_can(policies, "delete", "hostclaims", "-n", "blue-dev", "-o", form)
    found = json.loads(result.stdout) if form == "json" else yaml.safe_load(result.stdout)
    assert [one["who"] for one in found["holders"]] == [
        {"issuer": "corp", "group": "/tenants/blue"},
        {"issuer": "corp", "client": "capm3-blue"},
    ]
    [unless] = found["holders"][0]["unless"]
    assert unless["who"] == {"issuer": "corp", "group": "/interns"}
    assert (unless["rule"]["line"], found["refused"]) == (7, [])


def test_who_may_not_all_the_same_is_told_to_programs(policies: Path) -> None:
    result = who_can(policies, "list", "hostclaims", "-A", "-o", "json")
    [refused, _] = json.loads(result.stdout)["refused"]
    assert refused["who"] == {"issuer": "corp", "group": "/tenants/blue"}
    assert refused["rule"] is None
    assert refused["reason"].startswith("which namespaces blue-ci-* covers")


def test_claims_that_grant_are_told(tmp_path: Path, policies: Path) -> None:
    config = configured(tmp_path, policies)
    result = run("who-can", "get", "secrets", "-n", "lab", "--config", config)
    assert lines(result) == [
        "may get secrets in lab",
        (
            "  corp everyone, whose claim `roles` holds `/tenants/lab/editor`"
            "   corp: claim roles /tenants/lab/editor"
        ),
        "note: what the IAM permits those of corp is not known here, and counts besides",
    ]
    found = json.loads(
        run("who-can", "get", "secrets", "-n", "lab", "--config", config, "-o", "json").stdout
    )
    assert found["holders"][0]["who"] == {
        "issuer": "corp",
        "everyone": True,
        "claims": [{"claim": "roles", "value": "/tenants/lab/editor"}],
    }
    assert found["holders"][0]["rules"][0] == {
        "effect": "allow",
        "origin": "corp: claim roles /tenants/lab/editor",
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("delete", "hostclaims"), "give one of --namespace and --all-namespaces"),
        (("delete", "hostclaims", "-A"), "only `list` and `watch` span them"),
        (("delete", "pods", "-n", "blue"), "`pods` is not served"),
    ],
)
def test_what_cannot_be_asked_ends_with_2(
    policies: Path, arguments: tuple[str, ...], told: str
) -> None:
    result = who_can(policies, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
