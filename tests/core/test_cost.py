"""What judging costs: requests to the apiserver for each of a tenant's.

`docs/objects.md` shows the same numbers.
"""

from pathlib import Path
from typing import Any

import pytest

from proxy.core.attributes import PatchType
from tests.core.asking import (
    CLAIMS,
    DONE,
    FOUND,
    JSON,
    MISSING,
    SECRET_PATH,
    SECRETS_PATH,
    call,
    play,
    reply,
)

DOCS = (Path(__file__).parents[2] / "docs" / "objects.md").read_text()
CLAIM = f"{CLAIMS}/c1"
APPLY = ("Content-Type", PatchType.APPLY.value)
MERGE = ("Content-Type", PatchType.MERGE.value)
SECRET: dict[str, Any] = {"metadata": {}, "data": {}}
LIVE = reply(200, {"metadata": {"uid": "u-1", "resourceVersion": "5"}, "spec": {}})

COSTS: dict[str, dict[str, tuple[tuple[Any, ...], list[Any]]]] = {
    "secrets": {
        "list": (("GET", SECRETS_PATH), []),
        "watch": (("GET", f"{SECRETS_PATH}?watch=1"), []),
        "get": (("GET", SECRET_PATH), [FOUND]),
        "create": (("POST", SECRETS_PATH, JSON, SECRET), []),
        "update": (("PUT", SECRET_PATH, JSON, SECRET), [FOUND, DONE]),
        "patch": (("PATCH", SECRET_PATH, MERGE, SECRET), [FOUND, FOUND, DONE]),
        "apply": (("PATCH", SECRET_PATH, APPLY, SECRET), [MISSING, DONE]),
        "delete": (("DELETE", SECRET_PATH), [FOUND, DONE]),
    },
    "hostclaims": {
        "list": (("GET", CLAIMS), []),
        "watch": (("GET", f"{CLAIMS}?watch=1"), []),
        "get": (("GET", CLAIM), []),
        "create": (("POST", CLAIMS, JSON, {}), []),
        "update": (("PUT", CLAIM, JSON, {}), [LIVE, DONE]),
        "patch": (("PATCH", CLAIM, MERGE, {}), [LIVE, LIVE, DONE]),
        "apply": (("PATCH", CLAIM, APPLY, {}), [MISSING, LIVE, DONE]),
        "delete": (("DELETE", CLAIM), []),
    },
}
VERBS = list(COSTS["secrets"])


def cost(resource: str, verb: str) -> int:
    (method, target, *rest), replies = COSTS[resource][verb]
    headers, body = ((rest[0],), rest[1]) if rest else ((), b"")
    return len(play(call(method, target, *headers, body=body), *replies).sent)


@pytest.mark.parametrize("resource", COSTS)
def test_the_documents_say_what_each_verb_costs(resource: str) -> None:
    row = " | ".join([resource, *(str(cost(resource, verb)) for verb in VERBS)])
    assert f"| | {' | '.join(VERBS)} |" in DOCS
    assert f"| {row} |" in DOCS


def test_what_a_claim_names_is_asked_for_besides() -> None:
    names = {key: {"name": key.lower()} for key in ("userData", "networkData", "metaData")}
    owner = {"apiVersion": "metal3.io/v1alpha1", "kind": "HostClaim", "name": "c0", "uid": "u-1"}
    claim = {"metadata": {"ownerReferences": [owner]}, "spec": names}
    played = play(call("POST", CLAIMS, JSON, body=claim), MISSING, MISSING, MISSING, LIVE)
    assert len(played.sent) == 1 + 4
