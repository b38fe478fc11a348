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
from proxy.demo.cluster.status import not_acceptable, unsupported_media_type

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


class MalformedError(Exception):
    """A body that is not of the form it claims to be."""


class _Members(dict[str, Any]):
    """An object as it was read, and the keys that it gave more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        keys = [key for key, _ in pairs]
        self.twice = [key for key in self if keys.count(key) > 1] if len(self) < len(keys) else []


class _Loader(yaml.SafeLoader):
    """YAML as the API reads it: times are strings, and so are keys."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> _Members:
    return _Members(
        [
            (
                str(loader.construct_object(key, deep=True)),
                loader.construct_object(value, deep=True),
            )
            for key, value in node.value
        ]
    )


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: str(node.value))


@dataclass(frozen=True, slots=True)
class Document:
    """A decoded body."""

    value: Any
    duplicates: tuple[str, ...] = ()
    """The paths of keys that it gave more than once."""


def _document(value: Any) -> Document:
    duplicates: list[str] = []
    return Document(_plain(value, "", duplicates), tuple(duplicates))


def _plain(value: Any, path: str, duplicates: list[str]) -> Any:
    if isinstance(value, _Members):
        inside = f"{path}." if path else ""
        duplicates += [f"{inside}{key}" for key in value.twice]
        return {key: _plain(item, f"{inside}{key}", duplicates) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, f"{path}[{index}]", duplicates) for index, item in enumerate(value)]
    return value


def _read_json(body: bytes) -> Document:
    if not body.strip():
        raise MalformedError("json parse error: unexpected end of JSON input (<empty>)")
    try:
        return _document(json.loads(body, object_pairs_hook=_Members))
    except (ValueError, RecursionError) as exc:
        raise MalformedError(f"json parse error: {exc}") from exc


def _read_yaml(body: bytes) -> Document:
    try:
        return _document(_Loader(body).get_single_data())
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise MalformedError(f"yaml: {exc}") from exc


def write_json(value: Any) -> bytes:
    """Encode as JSON, compact, ending in a line feed as Go's encoder does."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _write_yaml(value: Any) -> bytes:
    return yaml.safe_dump(value, sort_keys=True, allow_unicode=True).encode()


READABLE: Mapping[str, Callable[[bytes], Document]] = {
    JSON: _read_json,
    YAML: _read_yaml,
    protobuf.MEDIA_TYPE: lambda body: Document(protobuf.decode(body)),
}
WRITABLE: Mapping[str, Callable[[Any], bytes]] = {JSON: write_json, YAML: _write_yaml}


def decode(body: bytes, content_type: str, *, custom: bool = False) -> Document:
    """Decode a body; no content type means JSON, and custom resources have no protobuf.

    Raises:
        ApiError: a form nobody reads here.
        MalformedError: a body not of its form.
    """
    name = parse_media_type(content_type or JSON).name
    if name not in READABLE or (custom and name == protobuf.MEDIA_TYPE):
        raise unsupported_media_type(list(READABLE))
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
