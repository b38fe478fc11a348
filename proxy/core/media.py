"""In which encoding: read `Accept` and `Content-Type`, keep what can be served.

The header is built anew from the types that are known, so nothing a client
puts there reaches the apiserver unread.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from proxy.core.errors import NotAcceptable, UnsupportedMediaType

JSON: Final = "application/json"
YAML: Final = "application/yaml"
PROTOBUF: Final = "application/vnd.kubernetes.protobuf"

_MEDIA_RANGE = re.compile(
    r"(?P<type>[A-Za-z*]+/[A-Za-z0-9.+*-]+)(?P<parameters>(?:\s*;\s*[A-Za-z]+=[\w.-]+)*)", re.ASCII
)
_ANYTHING = frozenset({"*/*", "application/*"})
# What the apiserver reads in a media range; others, such as `charset`, it ignores.
_READ = frozenset({"as", "g", "v", "stream", "pretty", "profile", "q"})

# How many headers are remembered as they are sent on, and how long one may be: clients
# of one kind send the same, of some 150 characters.
_REMEMBERED: Final = 256
_SHORT: Final = 256


def ranges(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The media ranges of an `Accept` and their parameters; what is none is left out."""
    for part in header.split(","):
        if found := _MEDIA_RANGE.fullmatch(part.strip()):
            pairs = (pair.strip().partition("=") for pair in found["parameters"].split(";")[1:])
            yield found["type"].lower(), {key.lower(): value for key, _, value in pairs}


def accept(header: str, served: frozenset[str]) -> str:
    """The `Accept` to send on: the client's preferences, of what is served.

    Parameters (`as=Table;v=v1;g=meta.k8s.io`, `stream=watch`) go along. A
    wildcard, or no header at all, means JSON. A Table has no form in protobuf.

    Raises:
        NotAcceptable: none of the client's types is served.
    """
    return (_accept_remembered if len(header) <= _SHORT else _accept)(header, served)


def _accept(header: str, served: frozenset[str]) -> str:
    kept = []
    for media, parameters in ranges(header or JSON):
        anything = media in _ANYTHING
        if media == PROTOBUF and parameters.get("as") == "Table":
            continue
        if anything or media in served:
            # Its weight goes along: `*/*;q=0.1` is what the client wants least.
            read = {"q"} if anything else _READ
            pairs = (f";{key}={value}" for key, value in parameters.items() if key in read)
            kept.append((JSON if anything else media) + "".join(pairs))
    if not kept:
        raise NotAcceptable(f"the answer can be had as {', '.join(sorted(served))}")
    return ",".join(dict.fromkeys(kept))


_accept_remembered: Final = lru_cache(_REMEMBERED)(_accept)


def plain(content_type: str) -> str:
    """A media type in lower case, without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def takes_gzip(header: str) -> bool:
    """Whether an `Accept-Encoding` asks for gzip, as the apiserver reads it: without a weight."""
    return "gzip" in [coding.strip().lower() for coding in header.split(",")]


def content_type(header: str, served: frozenset[str]) -> str:
    """The media type of a body; no header means JSON.

    Raises:
        UnsupportedMediaType: it is not one of `served`. client-go falls back
            from CBOR to JSON on this code.
    """
    media = plain(header) or JSON
    if media not in served:
        raise UnsupportedMediaType(f"the body can be one of {', '.join(sorted(served))}")
    return media
