"""kubectl's tables have the columns it expects."""

from typing import Any

import pytest

from proxy.demo.cluster.calls import Reply
from proxy.demo.cluster.jsonpath import find
from proxy.demo.cluster.status import ApiError
from proxy.demo.cluster.table import human_duration
from tests.demo.cluster.asking import CLAIMS, SECRETS, Api, claim, secret

PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"


def table(version: str = "v1") -> dict[str, str]:
    return {"Accept": f"application/json;as=Table;v={version};g=meta.k8s.io"}


def shown(api: Api, target: str, headers: dict[str, str]) -> Any:
    reply = api.send("GET", target, headers=headers)
    assert isinstance(reply, Reply)
    return reply.body


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_list_is_shown_as_a_table(api: Api, version: str) -> None:
    api.ask("POST", SECRETS, secret(stringData={"a": "b"}))
    found = shown(api, SECRETS, table(version))
    columns = [column["name"] for column in found["columnDefinitions"]]
    assert (found["kind"], found["apiVersion"]) == ("Table", f"meta.k8s.io/{version}")
    assert columns == ["Name", "Type", "Data", "Age"]
    assert found["rows"][0]["cells"] == ["one", "Opaque", 1, "0s"]


@pytest.mark.parametrize(
    ("include", "kind"),
    [("", "PartialObjectMetadata"), ("Object", "HostClaim"), ("None", None)],
)
def test_a_row_carries_what_is_asked_for(api: Api, include: str, kind: str | None) -> None:
    api.ask("POST", CLAIMS, claim())
    row = shown(api, f"{CLAIMS}/one?includeObject={include}", table())["rows"][0]
    assert (row["object"] or {}).get("kind") == kind


def test_metadata_alone_can_be_asked_for(api: Api) -> None:
    api.ask("POST", CLAIMS, claim())
    found = shown(api, f"{CLAIMS}/one", {"Accept": PARTIAL})
    assert (found["kind"], set(found)) == (
        "PartialObjectMetadata",
        {"kind", "apiVersion", "metadata"},
    )


@pytest.mark.parametrize(
    ("target", "accept"),
    [
        (CLAIMS, PARTIAL),
        (f"{CLAIMS}/one", PARTIAL.replace("Metadata", "MetadataList")),
        (CLAIMS, "text/html"),
        (CLAIMS, "application/json;as=Table;v=v9;g=meta.k8s.io"),
    ],
)
def test_a_form_that_cannot_be_had_is_refused(api: Api, target: str, accept: str) -> None:
    api.ask("POST", CLAIMS, claim())
    with pytest.raises(ApiError) as refused:
        api.send("GET", target, headers={"Accept": accept})
    assert refused.value.code == 406


def test_a_form_that_cannot_be_had_writes_nothing(api: Api) -> None:
    with pytest.raises(ApiError):
        api.send("POST", CLAIMS, claim(), headers={"Accept": "text/html"})
    assert api.refusal("GET", f"{CLAIMS}/one")[0] == 404


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "<invalid>"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (599, "9m59s"),
        (3600, "60m"),
        (7 * 3600 + 60, "7h1m"),
        (47 * 3600, "47h"),
        (3 * 86400 + 3600, "3d1h"),
        (30 * 86400, "30d"),
        (800 * 86400, "2y70d"),
        (4000 * 86400, "10y"),
    ],
)
def test_an_age_is_told_as_kubectl_tells_it(seconds: int, told: str) -> None:
    assert human_duration(seconds) == told


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".a.b", [1]),
        (".list[0].x", ["p"]),
        (".list[*].x", ["p", "q"]),
        ('.list[?(@.x=="q")].y', [2]),
        (".labels.k\\.io/x", ["v"]),
        (".labels['k.io/x']", ["v"]),
        (".missing.b", []),
    ],
)
def test_a_column_points_into_the_object(path: str, found: list[Any]) -> None:
    obj = {
        "a": {"b": 1},
        "list": [{"x": "p"}, {"x": "q", "y": 2}],
        "labels": {"k.io/x": "v"},
    }
    assert find(obj, path) == found
