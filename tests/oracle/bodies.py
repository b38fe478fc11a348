r"""How a body is written: as JSON or as Kubernetes' protobuf, whole or spoilt.

Protobuf is written by hand here, byte by byte, since what reads it is on trial: the bytes
`k8s\0`, an envelope (`runtime.Unknown`), and in it the object. Field numbers are those of the
API's published `generated.proto`.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.oracle.questions import Object

PROTOBUF = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\0"


def write(said: bytes, media: str, spoilt: str, kind: str) -> bytes:
    """Write what is said in JSON as `media` has it, and spoil it on purpose.

    `kind` is what an object is that does not say so itself.
    """
    if media != PROTOBUF:
        return JSON_SPOILT[spoilt][1](said)
    found = {"apiVersion": "v1", "kind": kind} | json.loads(said)
    return PROTOBUF_SPOILT[spoilt][1](found)


# What is done to a body -> the codes of which one is told for it, and how it is done.
# None of the codes: it is as good as before.
Spoilt = Mapping[str, tuple[frozenset[int], Callable[[Any], bytes]]]

JSON_SPOILT: Spoilt = {
    "": (frozenset(), lambda said: said),
    "cut short": (frozenset({400}), lambda said: said[:-1]),
    "followed by more": (frozenset({400}), lambda said: said + b"]"),
    "not UTF-8": (frozenset({400}), lambda said: said.replace(b'"', b'"\xff', 1)),
    "a key twice": (
        frozenset({400}),
        lambda said: said.replace(b"{", b'{"kind": "Secret", "kind": "Secret", ', 1),
    ),
}


def _envelope(found: Object, raw: bytes, more: bytes = b"") -> bytes:
    told = _text(1, found["apiVersion"]) + _text(2, found["kind"])
    return _MAGIC + _part(1, told) + _part(2, raw) + more


def _whole(found: Object) -> bytes:
    return _envelope(found, _object(found))


PROTOBUF_SPOILT: Spoilt = {
    "": (frozenset(), _whole),
    "a field more around it": (
        frozenset(),
        lambda found: _envelope(found, _object(found), _text(99, "more")),
    ),
    "cut short": (frozenset({400}), lambda found: _whole(found)[:-1]),
    "without its first bytes": (frozenset({400}), lambda found: _whole(found)[4:]),
    "of another version": (frozenset({400}), lambda found: _whole({**found, "apiVersion": "v9"})),
    "around JSON": (
        frozenset({415}),
        lambda found: _envelope(found, json.dumps(found).encode(), _text(4, "application/json")),
    ),
    "a field more": (
        frozenset({415}),
        lambda found: _envelope(found, _object(found) + _text(99, "more")),
    ),
    "a field more in its metadata": (
        frozenset({415}),
        lambda found: _envelope(found, _object(found, _text(99, "more"))),
    ),
    # To a reader that cuts numbers to 32 bits, this is field 3: the type of a secret.
    "a field of a number too long": (
        frozenset({400, 415}),
        lambda found: _envelope(found, _object(found) + _text((1 << 32) + 3, "more")),
    ),
    "not UTF-8": (
        frozenset({400}),
        lambda found: _envelope(found, _object(found, _part(3, b"\xff"))),
    ),
}


def _object(found: Object, more_metadata: bytes = b"") -> bytes:
    """An object of a kind that is written here; of others, its metadata."""
    if found["kind"] == "DeleteOptions":
        return b"".join(_options(found)) + more_metadata
    metadata = b"".join(_metadata(found.get("metadata", {}))) + more_metadata
    data = {key: base64.b64decode(value) for key, value in found.get("data", {}).items()}
    return _part(1, metadata) + _map(2, data) + _text(3, found.get("type", ""))


def _metadata(metadata: Object) -> Iterator[bytes]:
    for number, key in ((1, "name"), (3, "namespace"), (6, "resourceVersion")):
        yield _text(number, metadata.get(key, ""))
    for number, key in ((11, "labels"), (12, "annotations")):
        yield _map(number, {k: v.encode() for k, v in metadata.get(key, {}).items()})
    for owner in metadata.get("ownerReferences", ()):
        fields = ((1, "kind"), (3, "name"), (4, "uid"), (5, "apiVersion"))
        yield _part(13, b"".join(_text(number, owner[key]) for number, key in fields))


def _options(options: Object) -> Iterator[bytes]:
    wanted = options.get("preconditions", {})
    fields = ((1, "uid"), (2, "resourceVersion"))
    yield _part(2, b"".join(_text(number, wanted[key]) for number, key in fields if key in wanted))
    for value in options.get("dryRun", ()):
        yield _text(5, value)


def _map(number: int, entries: Mapping[str, bytes]) -> bytes:
    return b"".join(
        _part(number, _text(1, key) + _part(2, value)) for key, value in entries.items()
    )


def _text(number: int, value: str) -> bytes:
    """A string; an empty one is left out, which says the same."""
    return _part(number, value.encode()) if value else b""


def _part(number: int, value: bytes) -> bytes:
    """A field of bytes: text, or a message."""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    *more, last = (value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7))
    return bytes(byte | 0x80 for byte in more) + bytes([last])
