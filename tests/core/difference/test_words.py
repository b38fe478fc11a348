"""A change in words: one sentence that a person can check, and the same for programs."""

from typing import Any

import pytest

from proxy.core.difference import compare, words
from tests.core.difference.test_differing import ALL, BLUE, CAPM3, DELETE, RED, allow, deny, read

VIEW = "viewer (hostclaims: get list watch)"
ALLOWED = "blue.yaml:4 {} spec.allow[0]"
DENIED = "blue.yaml:4 {} spec.deny[0]"
APART = [
    "corp group /blue may no longer ask for hostclaims: list watch of all namespaces at once",
    "until now by blue.yaml:4 p0 spec.allow[0]",
    "now: which namespaces a-* covers is not known here, ask for one namespace at a time",
]


def view(*who: dict[str, Any], **grant: Any) -> dict[str, Any]:
    return allow(*who, role="viewer", **grant)


def hardware(*who: dict[str, Any], **grant: Any) -> dict[str, Any]:
    return {
        "subjects": [*who],
        "allow": [{"resources": ["hardwaredata"], "verbs": ["get"]} | grant],
    }


def said(old: list[Any], new: list[Any]) -> list[str]:
    return [
        line
        for finding in compare(read(*old), read(*new))
        for line in (words.sentence(finding), *words.reasons(finding))
    ]


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (
            [view(BLUE, namespaces=["a-b"])],
            [view(BLUE, CAPM3, namespaces=["a-*"]), deny(ALL, namespaces=["a-c", "a-d"])],
            [
                (
                    f"corp group /blue gains {VIEW} in a-*"
                    " (but a-b: allowed before; a-c and a-d: denied)"
                ),
                f"by {ALLOWED.format('p0')}",
                *APART,
                f"corp client capm3 gains {VIEW} in a-* (but a-c and a-d: denied)",
                f"by {ALLOWED.format('p0')}",
            ],
        ),
        (
            [view(BLUE, CAPM3, namespaces=["a"])],
            [],
            [
                f"corp group /blue and corp client capm3 lose {VIEW} in a",
                f"until now by {ALLOWED.format('p0')}",
            ],
        ),
        (
            [],
            [view(ALL, namespacesFromClaim="lab", namespaces=["a-*"])],
            [
                (
                    f"corp everyone gains {VIEW} in namespaces that the claim lab"
                    " of its token lists, within a-*"
                ),
                f"by {ALLOWED.format('p0')}",
            ],
        ),
        (
            [allow(BLUE, namespaces=["a"])],
            [allow(BLUE, namespaces=["a"]), deny(BLUE, namespaces=["*"], **DELETE)],
            [
                "corp group /blue loses hostclaims: delete in a",
                f"until now by {ALLOWED.format('p0')}",
                f"denied by {DENIED.format('p1')}",
            ],
        ),
        (
            [view(BLUE, namespaces=["a"]), deny(RED, namespaces=["a"])],
            [view(BLUE, namespaces=["a"])],
            [
                "corp group /red is no longer denied everything in a",
                f"until now denied by {DENIED.format('p1')}",
                f"who is corp group /blue as well gains {VIEW} in a, by {ALLOWED.format('p0')}",
            ],
        ),
        (
            [allow(BLUE, namespaces=["a"], bounds={"maxHostClaims": 2})],
            [
                allow(
                    BLUE,
                    namespaces=["a"],
                    bounds={
                        "maxHostClaims": 3,
                        "images": ["https://a/"],
                        "hostSelector": {"matchLabels": {"b": "c"}, "inNamespaces": ["d-*"]},
                    },
                )
            ],
            [
                "corp group /blue gets wider bounds for hostclaims: create update patch in a",
                f"by {ALLOWED.format('p0')}",
                "before: at most 2 claims in the namespace",
                (
                    "now: hosts with b=c, hosts in d-*, images under https://a/,"
                    " at most 3 claims in the namespace"
                ),
                "corp group /blue gets narrower bounds for hostclaims: create update patch in a",
                f"until now by {ALLOWED.format('p0')}",
                "before: at most 2 claims in the namespace",
                (
                    "now: hosts with b=c, hosts in d-*, images under https://a/,"
                    " at most 3 claims in the namespace"
                ),
            ],
        ),
        (
            [allow(BLUE, namespaces=["a"], bounds={"maxHostClaims": 2})],
            [allow(BLUE, namespaces=["a"])],
            [
                "corp group /blue gets wider bounds for hostclaims: create update patch in a",
                f"by {ALLOWED.format('p0')}",
                "before: at most 2 claims in the namespace",
                "now: no bounds",
            ],
        ),
        (
            [view(BLUE, namespacesFromClaim="lab"), view(BLUE, namespaces=["a-*"])],
            [view(BLUE, namespacesFromClaim="lab")],
            [
                f"corp group /blue loses {VIEW} in a-*",
                "until now by blue.yaml:4 p1 spec.allow[0]",
                (
                    "corp group /blue may now ask for hostclaims: list watch"
                    " of all namespaces at once, with the claim lab"
                ),
                "by blue.yaml:4 p0 spec.allow[0]",
                (
                    "before: which namespaces a-* covers is not known here,"
                    " ask for one namespace at a time"
                ),
            ],
        ),
        (
            [hardware(BLUE, namespaces=["a"]), deny(RED, namespaces=["pool-*"])],
            [hardware(BLUE, namespaces=["a"])],
            [
                "corp group /red is no longer in the way of hardwaredata: get of hosts in pool-*",
                (
                    "who is corp group /blue as well gains hardwaredata: get of hosts in pool-*,"
                    " by blue.yaml:4 p0 spec.allow[0]"
                ),
            ],
        ),
        (
            [],
            [view(BLUE, namespaces=[f"a{number}" for number in range(100, 205)])],
            [
                (
                    f"corp group /blue gains {VIEW}"
                    f" in {', '.join(f'a{number}' for number in range(100, 199))} and 6 more"
                ),
                f"by {ALLOWED.format('p0')}",
            ],
        ),
    ],
)
def test_a_change_is_one_sentence_and_its_reasons(
    old: list[Any], new: list[Any], wanted: list[str]
) -> None:
    assert said(old, new) == wanted


def test_that_there_are_more_is_said() -> None:
    kept = [view({"issuer": "corp", "group": f"/{n}"}, namespaces=["a"]) for n in range(9)]
    *_, last = said([*kept, deny(RED, namespaces=["a"])], kept)
    assert last.startswith("who is corp group /")
    denial = {"resources": ["hostclaims"], "verbs": ["get"]}
    *_, last = said([*kept, deny(RED, namespaces=["a"], **denial)], kept)
    assert last == "and others who are granted it, too"


def test_programs_are_told_it_in_the_words_of_documents() -> None:
    bounds = {"images": ["https://a/"], "hostSelector": {"inNamespaces": ["d-*"]}}
    old = read(allow(ALL, namespaces=["a"], bounds={"maxHostClaims": 2}))
    new = read(allow(ALL, namespaces=["a"], bounds=bounds))
    found, _ = (words.value(finding) for finding in compare(old, new))
    assert found == {
        "change": "widened",
        "widens": True,
        "subjects": [{"issuer": "corp", "everyone": True}],
        "permissions": {"hostclaims": ["create", "update", "patch"]},
        "namespaces": [{"namespace": "a"}],
        "rule": ALLOWED.format("p0"),
        "boundsBefore": [{"maxHostClaims": 2}],
        "boundsAfter": [bounds],
    }


def test_programs_are_told_what_is_so_of_hosts() -> None:
    kept = hardware(BLUE, namespaces=["a"])
    [found] = compare(read(kept), read(kept, deny(BLUE, namespaces=["pool-*"])))
    assert words.value(found) == {
        "change": "loses",
        "widens": False,
        "subjects": [{"issuer": "corp", "group": "/blue"}],
        "permissions": {"hardwaredata": ["get"]},
        "namespaces": [{"namespace": "pool-*"}],
        "ofHosts": True,
        "rule": ALLOWED.format("p0"),
        "denial": DENIED.format("p1"),
    }


def test_programs_are_told_of_denials_with_whom_they_concern() -> None:
    kept = view(BLUE, namespaces=["a-*"])
    [found] = compare(read(kept), read(kept, deny(RED, namespaces=["*"])))
    told = words.value(found)
    assert (told["change"], told["denial"]) == ("barred", DENIED.format("p1"))
    assert told["together"][0]["subjects"] == [{"issuer": "corp", "group": "/blue"}]
    found, _ = compare(read(view(BLUE, namespaces=["a-b"])), read(kept))
    assert words.value(found)["namespaces"] == [
        {"namespace": "a-*", "except": [{"namespace": "a-b", "because": "allowed"}]}
    ]
