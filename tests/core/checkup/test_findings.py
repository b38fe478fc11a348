"""A kubeconfig is usable when every step went well, and shows as far as it went."""

import pytest

from proxy.core.checkup import Access, Checkup, Problem, Step, render, text
from tests.core.checkup.kubeconfigs import BLUE, SERVER, place

ACCESS = (
    Access("blue-dev", {"hostclaims": ("get", "list"), "secrets": ("create",)}),
    Access("blue-production", {"hostclaims": ("get",)}),
    Access("red", {}),
)


def up_to(last: Step) -> Checkup:
    found = Checkup()
    for step in Step:
        found = found.passed(step, f"{step} is fine")
        if step is last:
            break
    return found


def test_it_is_usable_when_every_step_went_well() -> None:
    assert [step for step in Step if up_to(step).usable] == [Step.ACCESS]
    assert not Checkup().usable


@pytest.mark.parametrize("step", Step)
def test_a_step_that_fails_ends_it(step: Step) -> None:
    before = up_to(list(Step)[list(Step).index(step) - 1]) if step is not Step.KUBECONFIG else None
    found = (before or Checkup()).failed(Problem(step, "it is not fine"))
    assert not found.usable
    assert text(found).splitlines()[-1] == f"{step:<11}  FAILED: it is not fine"


def test_people_see_each_step_and_what_may_be_done_where() -> None:
    found = Checkup().passed(Step.ACCESS, "fine", access=ACCESS)
    assert text(found).splitlines() == [
        "access       ok: fine",
        "",
        "NAMESPACE        RESOURCE    VERBS",
        "blue-dev         hostclaims  get list",
        "blue-dev         secrets     create",
        "blue-production  hostclaims  get",
    ]


def test_programs_see_the_same() -> None:
    found = Checkup().passed(Step.ACCESS, "fine", place=place(), caller=BLUE, access=ACCESS)
    assert render(found) == {
        "usable": False,
        "steps": [{"step": "access", "ok": True, "message": "fine"}],
        "context": {"name": "blue", "server": SERVER, "namespace": "blue-dev"},
        "identity": {
            "username": "corp:alice",
            "groups": ["/tenants/blue"],
            "issuer": "corp",
            "namespaces": ["blue-dev", "blue-ci-*", "blue-prod"],
        },
        "access": [
            {
                "namespace": "blue-dev",
                "resources": {"hostclaims": ["get", "list"], "secrets": ["create"]},
            },
            {"namespace": "blue-production", "resources": {"hostclaims": ["get"]}},
            {"namespace": "red", "resources": {}},
        ],
    }


def test_what_was_not_found_out_is_null() -> None:
    found = render(Checkup())
    assert (found["context"], found["identity"], found["access"]) == (None, None, [])


def test_a_server_cannot_write_to_the_terminal() -> None:
    found = Checkup().failed(Problem(Step.IDENTITY, "\x1b[2Jgone\r\nnext"))
    assert text(found) == "identity     FAILED: ?[2Jgone??next\n"
