"""What an admin expects: tests are read as strictly as policies, and grant nothing."""

from typing import Any

import jsonschema
import pytest

from proxy.core.policy import Origin, PolicySet, Read, parse, read, schema
from tests.core.policy.documents import GOOD, document, policies, problems
from tests.core.policy.trials import CLAIM, TRIAL, WRONG, asking, placed, policy_test, trial

GOOD_TRIALS = [
    TRIAL,
    trial(body=CLAIM, hostClaims=3),
    trial(body={}),
    trial(identity={"issuer": "green", "serviceAccount": "capm3/manager"}),
    trial(identity={"issuer": "corp", "claims": {"lab.teams": ["lab-1"]}, "client": "x"}),
    trial(expect={"decision": "deny", "rule": {"policy": "blue", "path": "spec.deny[0]"}}),
    trial(body=CLAIM, expect={"decision": "deny", "fields": ["spec.image.url"]}),
    asking(verbs=["get", "update"], name="node-0", subresource="status"),
    asking(verbs=["patch", "get"], patchType="apply"),
    asking(verbs=["patch"], resources=["secrets"], patchType="strategic"),
    trial(request={"verbs": ["list", "watch"], "resources": ["hostclaims", "hardwaredata"]}),
]


def accepts(tree: object) -> bool:
    return jsonschema.Draft202012Validator(schema()).is_valid(tree)


@pytest.mark.parametrize("good", GOOD_TRIALS)
def test_a_good_test_is_read_and_good_to_an_editor(good: dict[str, Any]) -> None:
    assert len(placed(good)) == 1
    assert accepts(policy_test(good))


@pytest.mark.parametrize(("wrong", "said"), WRONG)
def test_what_is_wrong_is_said_with_what_would_be_right(wrong: dict[str, Any], said: str) -> None:
    [problem] = problems(GOOD, policy_test(wrong))
    assert problem.split(": ", 1)[1] == said


@pytest.mark.parametrize(
    "said",
    ["has `serviceAccount`", "is no namespace", "unknown", "has `hostClaims` and no", "path:"],
)
def test_an_editor_refuses_what_a_schema_can_say(said: str) -> None:
    found = [wrong for wrong, message in WRONG if said in message]
    assert found
    assert not any(accepts(policy_test(wrong)) for wrong in found)


def test_every_problem_is_found_at_once() -> None:
    found = problems(policy_test(*(wrong for wrong, _ in WRONG)), {**GOOD, "spec": {}})
    assert len(found) >= len(WRONG) + 2


def test_a_test_knows_where_it_stands() -> None:
    first, second = placed(TRIAL, trial(name="another"))
    assert first.origin == Origin("blue-test.yaml", "blue", "spec.tests[0]", 4)
    assert second.origin.path == "spec.tests[1]"
    assert second.trial.name == "another"


def test_a_test_grants_nothing() -> None:
    beside = parse([document(GOOD), document(policy_test(TRIAL))])
    assert isinstance(beside, PolicySet)
    assert [entry.rule for entry in beside] == [entry.rule for entry in policies(GOOD)]


def test_names_are_unique_among_documents_of_a_kind() -> None:
    assert isinstance(read([document(GOOD), document(policy_test(TRIAL, name="blue"))]), Read)
    [problem] = problems(GOOD, policy_test(TRIAL), policy_test(TRIAL))
    assert problem.endswith("`blue` is the name of blue.yaml:3, choose another")


def test_names_of_tests_are_unique_in_a_document() -> None:
    [problem] = problems(GOOD, policy_test(TRIAL, TRIAL))
    assert problem.endswith(
        "spec: has `blue writes claims` twice, give each test a name of its own"
    )


def test_tests_without_policies_are_a_mistake() -> None:
    [problem] = problems(policy_test(TRIAL))
    assert problem.endswith("kind: tests policies, and there are none, give the policies, too")
