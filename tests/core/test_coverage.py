"""What is tested: a rule counts where it decides, a namespace where somebody asks about it."""

from typing import Any

from proxy.core.coverage import Coverage, covered
from proxy.core.policy import PolicySet
from proxy.core.rehearsal import rehearse
from tests.core.policy.documents import policies, policy
from tests.core.policy.trials import CLAIM, asking, placed, trial

BLUE = policies(
    policy(
        allow=[
            {"namespaces": ["blue-dev"], "role": "editor", "bounds": {"maxHostClaims": 1}},
            {"namespaces": ["blue-*"], "role": "viewer"},
        ],
        deny=[{"namespaces": ["blue-prod-*"]}],
    )
)


def reached(*tested: dict[str, Any], by: PolicySet = BLUE) -> Coverage:
    return covered(by, [rehearse(one, by.rules_for) for one in placed(*tested)])


def idle(found: Coverage) -> list[str]:
    return [origin.path for origin in found.idle]


def test_a_rule_is_reached_where_it_decides() -> None:
    found = reached(asking(verbs=["get"]))
    assert idle(found) == ["spec.allow[1]", "spec.deny[0]"]
    assert (len(found.rules), found.percent) == (3, 33)


def test_a_namespace_is_asked_about_by_name_or_within_its_pattern() -> None:
    assert reached(asking(verbs=["get"])).unasked == ("blue-prod-*",)
    assert reached(asking(verbs=["get"], namespaces=["blue-prod-1"])).unasked == ("blue-dev",)
    everywhere = trial(request={"verbs": ["list"], "resources": ["hostclaims"]})
    assert reached(everywhere).unasked == ("blue-dev", "blue-*", "blue-prod-*")


def test_a_grant_whose_bounds_refuse_is_reached() -> None:
    assert "spec.allow[0]" not in idle(reached(trial(body=CLAIM, hostClaims=1)))


def test_a_denial_is_reached_where_it_wins() -> None:
    found = reached(
        asking(verbs=["get"], namespaces=["blue-prod-1", "blue-x", "blue-dev"]),
    )
    assert (idle(found), found.percent) == ([], 100)


def test_who_cannot_ask_reaches_nothing() -> None:
    identity = {"issuer": "corp", "claims": {"iss": ["x"]}}
    assert reached(trial(identity=identity)).percent == 0


def test_no_rules_are_all_reached() -> None:
    assert covered(PolicySet(), []).percent == 100
