"""HardwareData and lists of all namespaces: what is told of what no single namespace decides."""

from typing import Any

import pytest

from proxy.core import difference
from tests.core.difference.test_differing import ALL, AT_ONCE, BLUE, RED, allow, deny, read, told
from tests.core.difference.test_words import hardware

HARDWARE = {"resources": ["hardwaredata"], "verbs": ["get"]}
WITH_CLAIM = hardware(BLUE, namespacesFromClaim="lab")
OF_HOSTS = hardware(BLUE, namespaces=["a"])


def compare(old: list[Any], new: list[Any]) -> list[tuple[Any, ...]]:
    """What is told of hosts and of lists, each with whom it means something to."""
    findings = difference.compare(read(*old), read(*new))
    return [
        (*told(one), *[told(met)[:2] for met in one.met])
        for one in findings
        if one.hosts or one.change in AT_ONCE
    ]


BLUE_GAINS = ("gains", ("group /blue",))
BLUE_LOSES = ("loses", ("group /blue",))


@pytest.mark.parametrize(
    ("narrow", "wide", "gained", "lost"),
    [
        # A denial holds where hosts are, whoever it is for.
        (
            [OF_HOSTS, deny(BLUE, namespaces=["pool-*"])],
            [OF_HOSTS],
            [(*BLUE_GAINS, ["pool-*"])],
            [(*BLUE_LOSES, ["pool-*"])],
        ),
        (
            [OF_HOSTS, deny(ALL, namespaces=["pool-a"], **HARDWARE)],
            [OF_HOSTS],
            [(*BLUE_GAINS, ["pool-a"])],
            [(*BLUE_LOSES, ["pool-a"])],
        ),
        (
            [OF_HOSTS, deny(RED, namespaces=["pool-*"])],
            [OF_HOSTS],
            [("freed", ("group /red",), ["pool-*"], BLUE_GAINS)],
            [("barred", ("group /red",), ["pool-*"], BLUE_LOSES)],
        ),
        (
            [hardware(ALL, namespacesFromClaim="lab"), deny(RED, namespaces=["pool-*"])],
            [hardware(ALL, namespacesFromClaim="lab")],
            [("freed", ("group /red",), ["pool-*"], ("gains", ("everyone",)))],
            [("barred", ("group /red",), ["pool-*"], ("loses", ("everyone",)))],
        ),
        (
            [WITH_CLAIM, deny(BLUE, namespaces=["pool-a"])],
            [WITH_CLAIM],
            [(*BLUE_GAINS, ["pool-a"])],
            [(*BLUE_LOSES, ["pool-a"])],
        ),
        # One pattern is enough, and nothing is let through.
        (
            [hardware(BLUE, namespaces=["a-*"])],
            [hardware(BLUE, namespaces=["a-b"])],
            [(*BLUE_GAINS, ["*"])],
            [(*BLUE_LOSES, ["*"])],
        ),
        (
            [OF_HOSTS, hardware(RED, namespaces=["a-*"])],
            [OF_HOSTS],
            [("freed", ("group /red",), ["*"], BLUE_GAINS)],
            [("barred", ("group /red",), ["*"], BLUE_LOSES)],
        ),
        (
            [OF_HOSTS, hardware(ALL, namespaces=["a-*"])],
            [OF_HOSTS],
            [(*BLUE_GAINS, ["*"])],
            [(*BLUE_LOSES, ["*"])],
        ),
        # That it is granted at all is told as that.
        ([], [OF_HOSTS, deny(BLUE, namespaces=["pool-a"])], [], []),
        ([OF_HOSTS], [OF_HOSTS, hardware(BLUE, namespaces=["b"])], [], []),
        ([], [hardware({"issuer": "No Issuer", "everyone": True}, namespaces=["a"])], [], []),
        # A list of all namespaces goes by all that is granted, too.
        (
            [allow(BLUE, namespaces=["a-*"])],
            [allow(BLUE, namespaces=["a-b"])],
            [("together", ("group /blue",), ["*"])],
            [("apart", ("group /blue",), ["*"])],
        ),
        (
            [allow(BLUE, namespaces=["a"]), allow(ALL, namespaces=["b", "a-*"])],
            [allow(BLUE, namespaces=["a"]), allow(ALL, namespaces=["b"])],
            [("together", ("everyone",), ["*"])],
            [("apart", ("everyone",), ["*"])],
        ),
        (
            [allow(BLUE, namespaces=[f"a{n}" for n in range(101)])],
            [allow(BLUE, namespaces=["a1"])],
            [("together", ("group /blue",), ["*"])],
            [("apart", ("group /blue",), ["*"])],
        ),
    ],
)
def test_what_goes_by_all_that_is_granted_is_told(
    narrow: list[Any], wide: list[Any], gained: list[Any], lost: list[Any]
) -> None:
    assert compare(narrow, wide) == gained
    assert compare(wide, narrow) == lost


def test_not_everybody_is_told_whose_hardware_a_denial_means_something_to() -> None:
    kept = [hardware({"issuer": "corp", "group": f"/{n}"}, namespaces=["a"]) for n in range(9)]
    [found] = difference.compare(read(*kept), read(*kept, deny(RED, namespaces=["pool-a"])))
    assert (len(found.met), found.more) == (5, True)


def test_a_list_of_all_namespaces_shows_nothing_else_and_neither_widens_nor_narrows() -> None:
    old, new = [allow(BLUE, namespaces=["a-*"])], [allow(BLUE, namespaces=["a-b"])]
    *_, found = difference.compare(read(*old), read(*new))
    assert found.change in AT_ONCE
    assert not found.change.widens
    assert not found.change.narrows


def test_a_hundred_namespaces_are_too_many_for_two_together() -> None:
    many = hardware(RED, namespaces=[f"b{number}" for number in range(100)])
    old = [OF_HOSTS, deny(RED, namespaces=["c"]), hardware(RED, namespaces=["b"])]
    assert compare(old, [OF_HOSTS, many]) == [
        ("gains", ("group /red",), ["c"]),
        ("barred", ("group /red",), ["* but c refused"], BLUE_LOSES),
    ]
