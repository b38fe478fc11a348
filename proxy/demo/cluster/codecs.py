"""How it is written on the wire: media types in, media types out.

The one place that knows encodings. JSON and YAML are spoken; protobuf is read of the built-in
kinds (kubectl writes them so) and never written. A new encoding is a line in `READABLE` or
`WRITABLE`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from proxy.demo.cluster import protobuf
from proxy.demo.cluster.objects import Object
from proxy.demo.cluster.status import (
    bad_request,
    not_acceptable,
    unsupported_media_type,
)

JSON = "application/json"
YAML = "application/yaml"


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type with its parameters."""

    name: str
    parameters: Mapping[str, str]

    def parameter(self, name: str) -> str:
        """Give a parameter, empty when absent."""
        return self.parameters.get(name, "")


def parse_media_type(text: str) -> MediaType:
    """Read `application/json;as=Table;v=v1`."""
    name, *rest = text.split(";")
    pairs = [item.split("=", 1) for item in rest if "=" in item]
    return MediaType(name.strip().lower(), {key.strip(): value.strip() for key, value in pairs})


def parse_accept(text: str) -> list[MediaType]:
    """Read an Accept header, the most wanted first."""
    found = [parse_media_type(part) for part in text.split(",") if part.strip()]
    return sorted(found, key=lambda item: -_quality(item)) or [MediaType("*/*", {})]


def _quality(item: MediaType) -> float:
    try:
        return float(item.parameter("q") or 1)
    except ValueError:
        return 1.0


class _Duplicates:
    """Collects the keys that a document gives twice."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def pairs(self, pairs: list[tuple[str, Any]]) -> Object:
        """Build an object from its members, of equal keys the last."""
        built: Object = {}
        for key, value in pairs:
            if key in built:
                self.found.append(key)
            built[key] = value
        return built


class _Loader(yaml.SafeLoader):
    """YAML as the API reads it: times are strings, keys are strings, keys come once."""

    duplicates: _Duplicates


def _mapping(loader: _Loader, node: yaml.MappingNode) -> Object:
    pairs = [
        (str(loader.construct_object(key, deep=True)), loader.construct_object(value, deep=True))
        for key, value in node.value
    ]
    return loader.duplicates.pairs(pairs)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: str(node.value))


@dataclass(frozen=True, slots=True)
class Document:
    """A decoded body."""

    value: Any
    duplicates: tuple[str, ...]
    """Keys it gave more than once."""


def _read_json(body: bytes) -> Document:
    seen = _Duplicates()
    try:
        value = json.loads(body, object_pairs_hook=seen.pairs)
    except (ValueError, RecursionError) as exc:
        raise bad_request(f"the object provided is unrecognized: json parse error: {exc}") from exc
    return Document(value, tuple(seen.found))


def _read_yaml(body: bytes) -> Document:
    loader = _Loader(body)
    loader.duplicates = _Duplicates()
    try:
        value = loader.get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise bad_request(f"error converting YAML to JSON: {exc}") from exc
    return Document(value, tuple(loader.duplicates.found))


def write_json(value: Any) -> bytes:
    """Encode as JSON, compact, ending in a line feed as Go's encoder does."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _write_yaml(value: Any) -> bytes:
    return yaml.safe_dump(value, sort_keys=True, allow_unicode=True).encode()


READABLE: Mapping[str, Callable[[bytes], Document]] = {
    JSON: _read_json,
    YAML: _read_yaml,
    protobuf.MEDIA_TYPE: lambda body: Document(protobuf.decode(body), ()),
}
WRITABLE: Mapping[str, Callable[[Any], bytes]] = {JSON: write_json, YAML: _write_yaml}


def decode(body: bytes, content_type: str, *, custom: bool = False) -> Document:
    """Decode a body; no content type means JSON, and custom resources have no protobuf.

    Raises:
        ApiError: a form nobody reads, or a body not of that form.
    """
    readable = [JSON, YAML] if custom else list(READABLE)
    name = parse_media_type(content_type or JSON).name
    if name not in readable:
        raise unsupported_media_type(readable)
    return READABLE[name](body)


@dataclass(frozen=True, slots=True)
class Form:
    """How the caller wants the answer."""

    media_type: str
    kind: str = ""
    """`Table`, `PartialObjectMetadata`, `PartialObjectMetadataList`, or empty for the object."""
    version: str = ""


_FORMS: Mapping[str, Sequence[str]] = {
    "Table": ("v1", "v1beta1"),
    "PartialObjectMetadata": ("v1", "v1beta1"),
    "PartialObjectMetadataList": ("v1", "v1beta1"),
}


def negotiate(accept: str, *, stream: bool = False) -> Form:
    """Choose the form of the answer from an Accept header.

    Raises:
        ApiError: nothing in it is spoken here.
    """
    for wanted in parse_accept(accept):
        name = JSON if wanted.name in {"*/*", "application/*"} else wanted.name
        kind, version = wanted.parameter("as"), wanted.parameter("v")
        if name not in WRITABLE or (stream and name != JSON):
            continue
        if not kind:
            return Form(name)
        if wanted.parameter("g") == "meta.k8s.io" and version in _FORMS.get(kind, ()):
            return Form(name, kind, version)
    raise not_acceptable([JSON] if stream else list(WRITABLE))
