"""An owner is a HostClaim of the namespace, or was there before: for claims and secrets alike."""

from collections.abc import Callable
from typing import Any

import pytest

from proxy.core import protobuf
from proxy.core.attributes import PatchType
from proxy.core.conversation import Forward
from proxy.core.errors import Forbidden, Unavailable
from tests.core.asking import (
    CLAIMS,
    DONE,
    JSON,
    MISSING,
    PROTOBUF,
    SECRET_PATH,
    SECRETS_PATH,
    Transcript,
    call,
    play,
    reply,
    secret,
)

OWNER = {"apiVersion": "metal3.io/v1alpha1", "kind": "HostClaim", "name": "c0", "uid": "o-1"}
MACHINE = {
    "apiVersion": "infrastructure.cluster.x-k8s.io/v1beta1",
    "kind": "Metal3Machine",
    "name": "m0",
    "uid": "m-1",
}
LOOK_AT_OWNER = f"GET {CLAIMS}/c0"


def claim(uid: str) -> Any:
    return reply(200, {"metadata": {"uid": uid, "resourceVersion": "3"}})


HERE = claim("o-1")


def owned(*owners: Any, **fields: Any) -> dict[str, Any]:
    metadata = {"name": "user-data", "ownerReferences": list(owners)}
    return {"kind": "Secret", "apiVersion": "v1", "metadata": metadata, **fields}


def stored(*owners: Any) -> Any:
    found = secret()
    found["metadata"]["ownerReferences"] = list(owners)
    return reply(200, found)


def typed(*owners: Any) -> bytes:
    message = protobuf._CLASSES["Secret"]()
    message.metadata.name = "user-data"
    for owner in owners:
        message.metadata.ownerReferences.add(**owner)
    return protobuf.encode(message, "Secret", "v1")


def create(*owners: Any) -> Callable[..., Transcript]:
    return lambda *replies: play(call("POST", SECRETS_PATH, JSON, body=owned(*owners)), *replies)


def create_typed(*owners: Any) -> Callable[..., Transcript]:
    asked = call("POST", SECRETS_PATH, ("Content-Type", PROTOBUF), body=typed(*owners))
    return lambda *replies: play(asked, *replies)


def update(*owners: Any, before: tuple[Any, ...] = ()) -> Callable[..., Transcript]:
    asked = call("PUT", SECRET_PATH, JSON, body=owned(*owners))
    return lambda *replies: play(asked, stored(*before), *replies)


def update_typed(*owners: Any, before: tuple[Any, ...] = ()) -> Callable[..., Transcript]:
    asked = call("PUT", SECRET_PATH, ("Content-Type", PROTOBUF), body=typed(*owners))
    return lambda *replies: play(asked, stored(*before), *replies)


def apply(*owners: Any, before: tuple[Any, ...] = ()) -> Callable[..., Transcript]:
    kind = ("Content-Type", PatchType.APPLY.value)
    asked = call("PATCH", SECRET_PATH, kind, body=owned(*owners))
    return lambda *replies: play(asked, stored(*before), *replies)


def patch(*owners: Any, before: tuple[Any, ...] = ()) -> Callable[..., Transcript]:
    """A patch that says nothing of owners and would store these."""
    asked = call("PATCH", SECRET_PATH, ("Content-Type", PatchType.JSON.value), body=[])
    return lambda *replies: play(asked, stored(*before), stored(*owners), *replies)


WRITES = [create, create_typed, update, update_typed, apply, patch]
every_write = pytest.mark.parametrize("write", WRITES)


@every_write
def test_a_secret_may_be_owned_by_a_claim_of_the_namespace(write: Any) -> None:
    played = write(OWNER)(HERE, *([] if "create" in write.__name__ else [DONE]))
    assert isinstance(played.outcome, Forward) or played.outcome == DONE
    assert played.lines[-2] == LOOK_AT_OWNER


@every_write
def test_a_secret_owned_by_what_is_no_claim_is_refused_unasked(write: Any) -> None:
    refused = write(MACHINE)().refused
    assert isinstance(refused, Forbidden)
    assert refused.causes[0].field == "metadata.ownerReferences[0]"
    assert "an object whose owner this cluster does not have is deleted" in refused.message


@every_write
@pytest.mark.parametrize("found", [MISSING, claim("of-another-time")])
def test_a_secret_owned_by_a_claim_that_is_not_here_is_refused(write: Any, found: Any) -> None:
    played = write({**OWNER, "controller": True})(found)
    assert isinstance(played.refused, Forbidden)
    assert played.lines[-1] == LOOK_AT_OWNER


@pytest.mark.parametrize("write", [update, update_typed, apply, patch])
def test_an_owner_that_was_there_may_stay_however_it_holds_on(write: Any) -> None:
    now = {**MACHINE, "blockOwnerDeletion": True}
    assert write(now, before=(OWNER, MACHINE))(DONE).outcome == DONE


@every_write
def test_each_owner_is_looked_at(write: Any) -> None:
    refused = write(OWNER, MACHINE, {**OWNER, "name": "c1"})(HERE, MISSING).refused
    assert [cause.field[-3:] for cause in refused.causes] == ["[1]", "[2]"]


@every_write
@pytest.mark.parametrize("code", [403, 429, 500])
def test_an_owner_that_cannot_be_looked_at_is_no_refusal_of_it(write: Any, code: int) -> None:
    assert isinstance(write(OWNER)(reply(code, {})).refused, Unavailable)


@pytest.mark.parametrize("owners", [None, {}, "x", 7])
def test_what_is_no_list_of_owners_is_the_apiservers_to_refuse(owners: Any) -> None:
    body = owned()
    body["metadata"]["ownerReferences"] = owners
    played = play(call("POST", SECRETS_PATH, JSON, body=body))
    assert played.body(0)["metadata"]["ownerReferences"] == owners


@pytest.mark.parametrize("owner", [{}, "c0", None, ["c0"], {**OWNER, "name": "../x"}])
def test_an_owner_of_no_shape_is_refused_unasked(owner: Any) -> None:
    played = create(owner)()
    assert (played.refused.code, played.sent) == (403, [])


def test_owners_written_in_protobuf_are_written_on() -> None:
    played = create_typed({**OWNER, "controller": False})(HERE)
    message = protobuf.decode(played.sent[-1].body, "Secret", frozenset({"v1"}))
    (owner,) = message.metadata.ownerReferences
    assert protobuf.as_object(owner) == {**OWNER, "controller": False}


def test_many_owners_are_refused_without_a_question_each() -> None:
    many = [{**OWNER, "name": f"c{number}"} for number in range(3_000)]
    played = create(*many)()
    assert [cause.field for cause in played.refused.causes] == ["metadata.ownerReferences"]
    assert played.sent == []
