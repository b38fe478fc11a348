"""What comes in and what goes out: a call, and the two kinds of answer.

Between these the whole server works without a socket.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from proxy.demo.cluster.codecs import JSON
from proxy.demo.cluster.rbac import User
from proxy.demo.cluster.requests import RequestInfo
from proxy.demo.cluster.table import View
from proxy.demo.cluster.watch import Watch

TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose caller is known and may make it."""

    info: RequestInfo
    user: User
    accept: str = ""
    content_type: str = ""
    user_agent: str = ""
    host: str = ""
    body: bytes = b""
    warnings: list[str] = field(default_factory=list)
    """What the caller is to be warned of, whatever the answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is one body: JSON unless it is text."""

    code: int
    body: Any
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that is a watch."""

    watch: Watch
    view: View


PAGE_NOT_FOUND = Reply(404, "404 page not found\n", TEXT)
