"""In which encoding: read `Accept` and `Content-Type`, keep what can be served.

The header is built anew from the types that are known, so nothing a client
puts there reaches the apiserver unread.
"""

import re
from typing import Final

from proxy.core.errors import NotAcceptable, UnsupportedMediaType

JSON: Final = "application/json"
YAML: Final = "application/yaml"
PROTOBUF: Final = "application/vnd.kubernetes.protobuf"

_MEDIA_RANGE = re.compile(
    r"(?P<type>[a-z*]+/[a-zA-Z0-9.+*-]+)(?P<params>(?:\s*;\s*[a-z]+=[A-Za-z0-9.]+)*)"
)


def accept(header: str, served: frozenset[str]) -> str:
    """The `Accept` to send on: the client's preferences, of what is served.

    Parameters (`as=Table;v=v1;g=meta.k8s.io`, `stream=watch`) go along. A
    wildcard, or no header at all, means JSON.

    Raises:
        NotAcceptable: none of the client's types is served.
    """
    kept = []
    for part in (header or JSON).split(","):
        found = _MEDIA_RANGE.fullmatch(part.strip())
        if found is None:
            continue
        media, params = found["type"], re.sub(r"\s", "", found["params"])
        if media in {"*/*", "application/*"}:
            media, params = JSON, ""
        if media in served:
            kept.append(media + params)
    if not kept:
        raise NotAcceptable(f"the answer can be had as {', '.join(sorted(served))}")
    return ",".join(dict.fromkeys(kept))


def content_type(header: str, served: frozenset[str]) -> str:
    """The media type of a body, without parameters; no header means JSON.

    Raises:
        UnsupportedMediaType: it is not one of `served`. client-go falls back
            from CBOR to JSON on this code.
    """
    media = header.partition(";")[0].strip().lower() or JSON
    if media not in served:
        raise UnsupportedMediaType(f"the body can be one of {', '.join(sorted(served))}")
    return media
