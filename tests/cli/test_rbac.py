"""`hostclaim-proxy rbac` prints what policies need, and says what it cannot tell."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from proxy.cli import main

HEAD = "apiVersion: hostclaim-proxy.metal3.io/v1alpha1\nkind: AccessPolicy\n"
CLAIMS, STATUS, SECRETS = "hostclaims", "hostclaims/status", "secrets"
READ = ["get", "list", "watch"]
WRITE = ["create", "update", "patch", "delete"]


def policy(*grants: str, name: str = "blue") -> str:
    """Grants on lines 7 and after."""
    lines = "".join(f"  - {{{grant}}}\n" for grant in grants)
    subjects = "  subjects: [{issuer: corp, group: blue}]\n"
    return f"{HEAD}metadata: {{name: {name}}}\nspec:\n{subjects}  allow:\n{lines}"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["rbac", *map(str, arguments)])


def printed(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return list(yaml.safe_load_all(result.stdout))


def rules(manifest: dict[str, Any]) -> dict[str, list[str]]:
    assert all(len(rule["resources"]) == len(rule["apiGroups"]) == 1 for rule in manifest["rules"])
    return {rule["resources"][0]: rule["verbs"] for rule in manifest["rules"]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "blue.yaml"
    file.write_text(policy("namespaces: [blue-dev, blue-prod], role: editor"))
    return file


def test_each_named_namespace_gets_a_role_and_a_binding(file: Path) -> None:
    found = [
        (one["kind"], one["metadata"]["namespace"]) for one in printed(run("--policies", file))
    ]
    assert found == [
        ("Role", "blue-dev"),
        ("RoleBinding", "blue-dev"),
        ("Role", "blue-prod"),
        ("RoleBinding", "blue-prod"),
    ]


def test_the_binding_gives_the_role_to_the_proxy(file: Path) -> None:
    role, binding, *_ = printed(run("--policies", file))
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": role["metadata"]["name"],
    }
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "hostclaim-proxy", "namespace": "hostclaim-proxy"}
    ]


@pytest.mark.parametrize(
    ("grant", "wanted"),
    [
        ("role: viewer", {CLAIMS: READ, STATUS: ["get"]}),
        ("role: editor", {CLAIMS: READ + WRITE, STATUS: ["get"], SECRETS: READ + WRITE}),
        ("resources: [hostclaims], verbs: [watch]", {CLAIMS: ["watch"]}),
        ("resources: [hostclaims], verbs: [deletecollection]", {CLAIMS: ["deletecollection"]}),
        (
            "resources: [hostclaims], verbs: [create]",
            {CLAIMS: ["get", "create"], SECRETS: ["get"]},
        ),
        (
            "resources: [hostclaims], verbs: [create], bounds: {maxHostClaims: 2}",
            {CLAIMS: ["get", "list", "create"], SECRETS: ["get"]},
        ),
        ("resources: [secrets], verbs: [create]", {CLAIMS: ["get"], SECRETS: ["create"]}),
        ("resources: [secrets], verbs: [delete]", {SECRETS: ["get", "delete"]}),
    ],
)
def test_a_role_has_what_the_grant_needs(
    tmp_path: Path, grant: str, wanted: dict[str, list[str]]
) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(policy(f"namespaces: [blue], {grant}"))
    role, _ = printed(run("--policies", file))
    assert rules(role) == wanted


def test_all_policies_count_together(file: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.yaml"
    more.write_text(
        policy(
            "namespaces: [blue-*], resources: [hostclaims], verbs: [deletecollection]", name="more"
        )
    )
    role, *_ = printed(run("--policies", file, "--policies", more))
    assert rules(role)[CLAIMS] == [*READ, *WRITE, "deletecollection"]


@pytest.mark.parametrize(
    ("grant", "told"),
    [
        ("namespaces: [blue-*], role: viewer", "`blue-*` is a pattern"),
        ('namespaces: ["*"], role: viewer', "`*` is a pattern"),
        (
            "namespacesFromClaim: ns, namespaces: [lab-*], role: viewer",
            "tokens name the namespaces, in `ns` and within `lab-*`",
        ),
        (
            "namespacesFromClaim: ns, role: viewer",
            "tokens name the namespaces, in `ns` and within `*`",
        ),
    ],
)
def test_what_cannot_be_named_is_told_with_its_place(tmp_path: Path, grant: str, told: str) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(policy("namespaces: [blue], role: viewer", grant))
    result = run("--policies", file)
    (line,) = result.stderr.splitlines()
    assert line == (
        f"{file}:8 blue spec.allow[1]: {told}: give the namespaces that there are with --namespace"
    )
    assert {one["metadata"]["namespace"] for one in printed(result)} == {"blue"}


def test_a_namespace_that_a_pattern_covers_can_be_given(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(policy("namespaces: [blue-*], role: viewer"))
    role, _ = printed(run("--policies", file, "--namespace", "blue-1"))
    assert (role["metadata"]["namespace"], rules(role)[CLAIMS]) == ("blue-1", READ)


def test_with_no_namespace_to_name_it_fails(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(policy("namespaces: [blue-*], role: viewer"))
    result = run("--policies", file)
    assert (result.exit_code, result.stdout) == (1, "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--namespace", "red"], "no policy grants anything in `red`"),
        (["--namespace", "blue-*"], "`blue-*` is not the name of a namespace"),
        (["--service-account", "proxy"], "write NS/NAME"),
        (["--service-account", "a/b/c"], "write NS/NAME"),
        (["-o", "wide"], "'wide' is not one of"),
    ],
)
def test_wrong_options_are_refused(file: Path, arguments: list[str], told: str) -> None:
    result = run("--policies", file, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr


def test_policies_have_to_be_given() -> None:
    assert run().exit_code == 2


def test_policies_that_cannot_be_used_are_told_as_serve_tells_them(file: Path) -> None:
    file.write_text(file.read_text().replace("editor", "editer"))
    result = run("--policies", file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{file}:7:" in result.stderr
    assert "did you mean `editor`?" in result.stderr


def test_another_account_can_be_bound(file: Path) -> None:
    _, binding, *_ = printed(run("--policies", file, "--service-account", "infra/proxy-2"))
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "proxy-2", "namespace": "infra"}
    ]


def test_json_is_one_list_of_the_same(file: Path) -> None:
    whole = json.loads(run("--policies", file, "-o", "json").stdout)
    assert (whole["apiVersion"], whole["kind"]) == ("v1", "List")
    assert whole["items"] == printed(run("--policies", file))
