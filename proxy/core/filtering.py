"""What comes back: judge an answer before a byte of it is forwarded.

Also the short list of headers that an answer may carry to the client.
"""

import json
import re
from typing import Any, Final

from proxy.core import media, protobuf
from proxy.core.body import Object
from proxy.core.errors import BadGateway, Refused, Unavailable
from proxy.core.narrowing import STAMP, STAMPED
from proxy.core.wire import Headers, Reply

_KEPT: Final = frozenset(
    {"content-type", "content-encoding", "cache-control", "retry-after", "vary", "warning"}
)

_SECONDS = re.compile("[0-9]{1,5}")


def headers(upstream: Headers) -> Headers:
    """The headers of an upstream answer that a client gets, in order.

    What names the apiserver's inner workings (priority and fairness uids,
    cookies, redirects) stays behind.
    """
    return tuple([pair for pair in upstream if pair[0].lower() in _KEPT])


def check(code: int) -> None:
    """Refuse an upstream answer that cannot be the client's.

    Raises:
        Unavailable: the apiserver refused the proxy's own credentials. Passed
            on as 401, it would have the client renew its own in vain.
        BadGateway: a redirect or an upgrade; neither is ever followed.
    """
    if code == 401:
        raise Unavailable("the cluster does not accept the proxy at the moment", retry_after=5)
    if code < 200 or 300 <= code < 400:
        raise BadGateway("the cluster gave an answer that cannot be passed on")


def parse_reply(reply: Reply) -> Object:
    """Read a whole answer as a JSON object.

    Raises:
        BadGateway: it is something else.
    """
    try:
        value = json.loads(reply.body)
    except ValueError as exc:
        raise BadGateway("the cluster gave an answer that is not JSON") from exc
    if not isinstance(value, dict):
        raise BadGateway("the cluster gave an answer that is not an object")
    return value


def is_tenant_secret(reply: Reply) -> bool:
    """Whether an answer is about a stamped secret and nothing else.

    It may be the secret or its PartialObjectMetadata, in JSON or protobuf, or a
    Table whose rows hold either. What cannot be read as one of these is not.
    """
    if media.plain(reply.header("Content-Type")) == media.PROTOBUF:
        return _labels(reply).get(STAMP) == STAMPED
    found = parse_reply(reply)
    if found.get("kind") == "Table":
        rows = found.get("rows")
        return isinstance(rows, list) and bool(rows) and all(_is_stamped_row(r) for r in rows)
    return _is_stamped(found)


def refusal(reply: Reply) -> Refused:
    """An upstream error as one of our own making, for the questions the client did not ask."""
    after = reply.header("Retry-After")
    return Unavailable(
        f"the cluster did not let the proxy look ({reply.code})",
        retry_after=int(after) if _SECONDS.fullmatch(after) else 1,
    )


def _labels(reply: Reply) -> dict[str, str]:
    try:
        return protobuf.labels(reply.body)
    except Refused as exc:
        raise BadGateway("the cluster gave an answer that is not protobuf") from exc


def _is_stamped_row(row: Any) -> bool:
    return isinstance(row, dict) and _is_stamped(row.get("object"))


def _is_stamped(found: Any) -> bool:
    match found:
        case {"metadata": {"labels": {**labels}}}:
            return labels.get(STAMP) == STAMPED
    return False
