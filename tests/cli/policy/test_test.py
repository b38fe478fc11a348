"""`hostclaim-proxy policy test` says which tests failed, how, and what no test reaches."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from click.testing import CliRunner, Result

from proxy.cli import main

POLICIES = """\
apiVersion: hostclaim-proxy.metal3.io/v1alpha1
kind: AccessPolicy
metadata: {name: blue}
spec:
  subjects: [{issuer: corp, group: /tenants/blue}]
  allow:
  - {namespaces: [blue-dev], role: editor, bounds: {images: ["https://images.example.com/"]}}
  - {namespaces: [blue-lab], role: viewer}
"""
TESTS = """\
apiVersion: hostclaim-proxy.metal3.io/v1alpha1
kind: PolicyTest
metadata: {name: blue}
spec:
  tests:
  - name: blue's people read claims
    identity: {issuer: corp, username: alice, groups: [/tenants/blue]}
    request: {verbs: [get, list], resources: [hostclaims], namespaces: [blue-dev]}
    expect: {decision: allow, rule: {policy: blue, path: "spec.allow[0]"}}
"""
WRITES = """\
  - name: blue's people write claims everywhere
    identity: {issuer: corp, username: alice, groups: [/tenants/blue]}
    request: {verbs: [create], resources: [hostclaims], namespaces: [blue-dev, blue-lab]}
    expect: {decision: allow}
"""
IMAGES = """\
  - name: images are blue's
    identity: {issuer: corp, username: alice, groups: [/tenants/blue]}
    request: {verbs: [create], resources: [hostclaims], namespaces: [blue-dev]}
    body: {spec: {image: {url: "https://elsewhere.example.com/x"}}}
    expect: {decision: %s}
"""
CONFIG = """\
apiVersion: hostclaim-proxy.metal3.io/v1alpha1
kind: ProxyConfiguration
server: {address: "127.0.0.1:8443", certFile: tls.crt, keyFile: tls.key}
management: {address: "127.0.0.1:8081"}
cluster: {kubeconfig: cluster.kubeconfig}
issuers:
- name: corp
  url: https://iam.example.com
  audiences: [hostclaim-proxy]
  claims: {groups: roles}
audit: {file: audit.jsonl}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "blue.yaml").write_text(POLICIES)
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["policy", "test", *map(str, arguments)])


def result_of(folder: Path, tests: str, *arguments: object) -> Result:
    (folder / "blue-test.yaml").write_text(tests)
    return run(folder, *arguments)


def test_what_passes_is_a_table_with_what_no_test_reaches(folder: Path) -> None:
    result = result_of(folder, TESTS)
    assert result.exit_code == 0
    assert result.output == (
        "TEST                              CASES   RESULT\n"
        "blue: blue's people read claims   2       passed\n"
        "\n"
        "1 of 2 rules decided a case, 50 %\n"
        f"  {folder}/blue.yaml:8 blue spec.allow[1] decided none\n"
        "no test asks about the namespaces blue-lab\n"
        "\n"
        "1 test, 2 cases: all passed\n"
    )


def test_what_fails_is_shown_beside_what_was_expected(folder: Path) -> None:
    result = result_of(folder, TESTS + WRITES + IMAGES % "allow")
    assert result.exit_code == 1
    assert (
        "blue: blue's people read claims               2       passed\n"
        "blue: blue's people write claims everywhere   2       FAILED 1\n"
        "blue: images are blue's                       1       FAILED 1\n"
        "\n"
        f"{folder}/blue-test.yaml:10 blue spec.tests[1]: blue's people write claims everywhere\n"
        "    corp:alice: create hostclaims in blue-lab\n"
        "  - expected allow\n"
        "  + got deny: no policy grants you create on hostclaims there, only get, list, watch\n"
        "\n"
        f"{folder}/blue-test.yaml:14 blue spec.tests[2]: images are blue's\n"
        "    corp:alice: create hostclaims in blue-dev\n"
        "  - expected allow\n"
        "  + got deny: hostclaims.metal3.io is forbidden: "
        "spec.image.url must lie under https://images.example.com/\n"
    ) in result.output
    assert result.output.endswith("3 tests, 5 cases: 2 failed\n")


@pytest.mark.parametrize(
    ("request_", "expect", "said"),
    [
        (
            "{verbs: [get], resources: [hostclaims], namespaces: [blue-dev]}",
            "{decision: allow, rule: {policy: blue, path: 'spec.allow[1]'}}",
            (
                "get hostclaims in blue-dev\n"
                "  - expected allow by blue spec.allow[1]\n"
                "  + got allow by {folder}/blue.yaml:7 blue spec.allow[0]\n"
            ),
        ),
        (
            "{verbs: [patch], resources: [secrets], namespaces: [red], patchType: apply}",
            "{decision: allow, rule: {policy: blue}}",
            (
                "patch (apply) secrets in red\n"
                "  - expected allow by blue\n"
                "  + got deny: no policy grants you secrets in this namespace; "
                "your namespaces are blue-dev, blue-lab\n"
            ),
        ),
        (
            "{verbs: [get], resources: [hostclaims], namespaces: [red], subresource: status}",
            "{decision: allow}",
            "get the status of hostclaims in red\n  - expected allow\n",
        ),
        (
            "{verbs: [list], resources: [hostclaims]}",
            "{decision: deny}",
            (
                "list hostclaims in all namespaces\n"
                "  - expected deny\n"
                "  + got allow by {folder}/blue.yaml:7 blue spec.allow[0]; "
                "{folder}/blue.yaml:8 blue spec.allow[1]\n"
            ),
        ),
    ],
)
def test_a_failure_says_what_was_asked_and_which_rule_decided(
    folder: Path, request_: str, expect: str, said: str
) -> None:
    head = TESTS.split("  - name", maxsplit=1)[0]
    who = "identity: {issuer: corp, groups: [/tenants/blue]}"
    text = f"{head}  - {{name: x, {who}, request: {request_}, expect: {expect}}}\n"
    result = result_of(folder, text)
    assert result.exit_code == 1
    assert said.format(folder=folder) in result.output


def test_fields_that_are_expected_and_what_cannot_be_judged_are_shown(folder: Path) -> None:
    fields = IMAGES % "deny, fields: [spec.image.checksum]"
    wrong = IMAGES.replace("images are", "no images are").replace("{spec:", "{metadata: 5, spec:")
    result = result_of(folder, TESTS + fields + wrong % "deny")
    assert "  - expected deny, for spec.image.checksum\n  + got deny: hostclaims" in result.output
    assert (
        "  - expected deny\n"
        "  + got no decision: the body cannot be judged: metadata must be an object\n"
    ) in result.output


def test_too_few_rules_that_are_tested_fail(folder: Path) -> None:
    assert result_of(folder, TESTS, "--min-coverage", 50).exit_code == 0
    result = result_of(folder, TESTS, "--min-coverage", 51)
    assert result.exit_code == 1
    assert "1 of 2 rules decided a case, 50 %, and 51 % are wanted\n" in result.output


def test_policies_in_shadow_are_tested_as_if_they_counted_if_asked(folder: Path) -> None:
    (folder / "soon.yaml").write_text(
        POLICIES.replace("{name: blue}", "{name: soon}")
        .replace("  allow:\n", "  enforcement: shadow\n  allow:\n")
        .replace("viewer", "editor")
    )
    assert "1 failed\n" in result_of(folder, TESTS + WRITES).output
    result = run(folder, "--shadow")
    assert result.exit_code == 0
    assert "\n2 of 4 rules decided a case, 50 %\n" in result.output
    assert f"  {folder}/soon.yaml:8 soon spec.allow[0] decided none\n" in result.output
    (folder / "soon.yaml").unlink()
    assert "1 failed\n" in run(folder, "--shadow").output


def test_what_takes_a_while_says_that_it_goes_on(folder: Path) -> None:
    _, one = TESTS.split("  tests:\n")
    many = "".join(one.replace("read claims", f"read {n}") for n in range(1001))
    result = result_of(folder, TESTS.replace(one, many))
    assert (result.exit_code, result.stderr) == (
        0,
        "asking 1001 tests\n",
    )
    assert result_of(folder, TESTS).stderr == ""


def test_what_would_take_too_long_is_not_asked(folder: Path) -> None:
    many = TESTS.replace("[blue-dev]", f"[{', '.join(['blue-dev'] * 500)}]")
    many = many.replace("[get, list]", f"[{', '.join(['get'] * 501)}]")
    result = result_of(folder, TESTS + many.partition("tests:\n")[2].replace("people", "many"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(
        "hostclaim-proxy: more is asked than fits in some seconds, "
        f"most of it by {folder}/blue-test.yaml:10 blue spec.tests[1], name less"
    )


def test_some_tests_are_run_and_say_nothing_of_coverage(folder: Path) -> None:
    result = result_of(folder, TESTS + WRITES, "--run", "read")
    assert result.exit_code == 0
    assert result.output.endswith("2       passed\n\n1 test, 2 cases: all passed\n")
    data = json.loads(run(folder, "--run", "read", "-o", "json").output)
    assert (len(data["tests"]), "coverage" in data) == (1, False)


def test_json_and_yaml_say_all_of_it(folder: Path) -> None:
    text = TESTS + WRITES + IMAGES % "deny, fields: [spec.image.url]"
    result = result_of(folder, text, "-o", "json")
    assert result.exit_code == 1
    data: dict[str, Any] = json.loads(result.output)
    assert yaml.safe_load(run(folder, "-o", "yaml").output) == data
    assert (data["passed"], [one["passed"] for one in data["tests"]]) == (
        False,
        [True, False, True],
    )
    assert data["coverage"]["percent"] == 50
    assert data["coverage"]["unaskedNamespaces"] == []
    allowed, denied = data["tests"][1]["cases"]
    assert allowed["got"]["rules"] == [f"{folder}/blue.yaml:7 blue spec.allow[0]"]
    assert denied == {
        "identity": "corp:alice",
        "request": {"verb": "create", "resource": "hostclaims", "namespace": "blue-lab"},
        "passed": False,
        "expected": {"decision": "allow"},
        "got": {
            "decision": "deny",
            "rules": [],
            "reason": "no policy grants you create on hostclaims there, only get, list, watch",
            "fields": [],
        },
    }
    [refused] = data["tests"][2]["cases"]
    assert refused["expected"] == {"decision": "deny", "fields": ["spec.image.url"]}
    assert refused["got"]["fields"] == ["spec.image.url"]
    [first, _] = data["tests"][0]["cases"]
    assert first["expected"]["rule"] == {"policy": "blue", "path": "spec.allow[0]"}


def test_what_has_no_decision_has_none_in_json(folder: Path) -> None:
    wrong = (IMAGES % "deny").replace("{spec:", "{metadata: 5, spec:")
    data = json.loads(result_of(folder, TESTS + wrong, "-o", "json").output)
    [case] = data["tests"][1]["cases"]
    assert case["got"] == {
        "decision": None,
        "reason": "the body cannot be judged: metadata must be an object",
    }


def test_junit_has_a_suite_for_each_document(folder: Path) -> None:
    other = TESTS.replace("name: blue}", "name: other}")
    result = result_of(folder, f"{TESTS}{WRITES}---\n{other}", "-o", "junit")
    assert result.exit_code == 1
    suites = ET.fromstring(result.output.encode()).findall("testsuite")  # noqa: S314 - ours
    assert [(s.get("name"), s.get("tests"), s.get("failures")) for s in suites] == [
        ("blue", "2", "1"),
        ("other", "1", "0"),
    ]
    [failure] = suites[0].iter("failure")
    assert failure.get("message") == "1 of 2 cases"
    assert "  + got deny: no policy grants you create" in str(failure.text)


@pytest.mark.parametrize("form", ["text", "junit"])
def test_the_name_of_a_file_drives_nothing(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "\x1b[2J\n::error::x"
    folder.mkdir()
    (folder / "\udcff.yaml").write_text(f"{POLICIES}---\n{TESTS}{WRITES}")
    result = run(folder, "-o", form)
    assert "?[2J?::error::x/?.yaml:19 blue spec.tests[1]: blue's people write" in result.output
    assert result.output.replace("\n", "").isprintable()
    if form == "junit":
        ET.fromstring(result.output.encode())  # noqa: S314 - ours


def test_a_configuration_says_how_tokens_are_read_and_what_claims_grant(folder: Path) -> None:
    config = folder.parent / "proxy.yaml"
    claims = "entitlements:\n  claims:\n  - {issuer: corp, claim: teams, pattern: '{namespace}'"
    config.write_text(
        f"{CONFIG}policies: {{paths: ['{folder}']}}\n{claims}, role: viewer}}\n"
        "  permissions:\n  - {issuer: corp, clientId: hostclaim-proxy}\n"
    )
    (folder / "blue-test.yaml").write_text(
        TESTS.replace("groups: [/tenants/blue]", "claims: {roles: [/tenants/blue]}")
        + WRITES.replace("create", "get")
        .replace("groups: [/tenants/blue]", "claims: {teams: [red]}")
        .replace("[blue-dev, blue-lab]", "[red]")
        + (IMAGES % "deny").replace("corp", "crop")
    )
    result = CliRunner().invoke(main, ["policy", "test", "--config", str(config)])
    assert result.exit_code == 1
    assert "read claims               2       passed" in result.stdout
    assert "everywhere   1       passed" in result.stdout
    assert "+ got no decision: the configuration has no issuer `crop`" in result.stdout
    assert result.stderr == "corp: what the IAM permits is not known here, and not tested\n"
    assert run(folder, "--config", config).output == result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give a PATH or --config"),
        (("{folder}",), "there is no test to run, write documents of `kind: PolicyTest`"),
        (("{folder}", "{tests}", "--run", "nothing"), "there is no test to run"),
        (("{folder}", "{tests}", "--run", "a", "--min-coverage", "1"), "does not go with --run"),
        (("{folder}", "{tests}", "--min-coverage", "101"), "101 is not in the range"),
        (("{folder}/none.yaml",), "none.yaml:1:1: cannot be read"),
        (("{tests}",), "tests policies, and there are none, give the policies, too"),
        (("{folder}", "{broken}"), "spec.tests[0]: unknown field `nam`, did you mean `name`?"),
    ],
)
def test_what_cannot_be_used_is_told_apart_from_what_fails(
    folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    apart, broken = folder.parent / "apart.yaml", folder.parent / "broken.yaml"
    apart.write_text(TESTS)
    broken.write_text(TESTS.replace("- name", "- nam"))
    result = run(*(part.format(folder=folder, tests=apart, broken=broken) for part in arguments))
    assert result.exit_code == 2
    assert said in result.output
    assert result.stdout == ""
