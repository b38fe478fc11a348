"""What client-go says, and what it hears."""

import json
from typing import Any

import pytest

from proxy.execplugin import protocol
from proxy.execplugin.faults import WrongUseError
from proxy.execplugin.protocol import ExecInfo

V1, V1BETA1 = (f"client.authentication.k8s.io/{version}" for version in ("v1", "v1beta1"))


def said(version: object = V1, kind: str = "ExecCredential", **spec: Any) -> dict[str, str]:
    document = {"apiVersion": version, "kind": kind, "spec": spec}
    return {"KUBERNETES_EXEC_INFO": json.dumps(document)}


@pytest.mark.parametrize("version", [V1, V1BETA1])
def test_the_answer_is_in_the_version_that_was_asked_for(version: str) -> None:
    info = protocol.read(said(version, interactive=True))
    assert json.loads(protocol.render(info, "access-1", 1_700_000_000.9)) == {
        "apiVersion": version,
        "kind": "ExecCredential",
        "status": {"token": "access-1", "expirationTimestamp": "2023-11-14T22:13:20Z"},
    }


@pytest.mark.parametrize(
    ("spec", "interactive"),
    [
        ({"interactive": True}, True),
        ({"interactive": False}, False),
        ({}, False),
        ({"interactive": "true"}, False),
        ({"interactive": True, "cluster": {"server": "https://proxy"}}, True),
    ],
)
def test_a_person_is_there_only_if_that_is_said(spec: dict[str, Any], *, interactive: bool) -> None:
    assert protocol.read(said(**spec)) == ExecInfo(V1, interactive, by_client=True)


def test_without_a_spec_there_is_nobody() -> None:
    text = json.dumps({"apiVersion": V1, "kind": "ExecCredential"})
    assert not protocol.read({"KUBERNETES_EXEC_INFO": text}).interactive


def test_by_hand_it_answers_in_the_newest_version() -> None:
    assert protocol.read({}) == ExecInfo(V1, interactive=True, by_client=False)


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        (said("client.authentication.k8s.io/v1alpha1"), "apiVersion must be"),
        (said("client.authentication.k8s.io/v2"), "apiVersion must be"),
        (said(None), "apiVersion must be"),
        (said(["x"]), "apiVersion must be"),
        (said(kind="TokenReview"), "of kind `ExecCredential`"),
        ({"KUBERNETES_EXEC_INFO": "[]"}, "of kind `ExecCredential`"),
        ({"KUBERNETES_EXEC_INFO": ""}, "not JSON"),
        ({"KUBERNETES_EXEC_INFO": "[" * 100_000}, "not JSON"),
    ],
)
def test_what_cannot_be_answered_is_refused(environ: dict[str, str], why: str) -> None:
    with pytest.raises(WrongUseError, match=why):
        protocol.read(environ)
