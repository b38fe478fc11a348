"""HTTP/1.1 as RFC 9112 frames it: where a message begins, what it says, where it ends.

Shared by the tenants' listener and the way to the apiserver. No I/O: bytes in,
values out. What two readers could take for two things is not taken at all.
"""

from proxy.http1.body import Announced, Body, Framing, of_request, of_response, opened
from proxy.http1.errors import HeadTooLargeError, MalformedError
from proxy.http1.head import (
    Limits,
    RequestReader,
    ResponseHead,
    fields,
    find_end,
    find_response_end,
    is_last,
    parse_response,
    render,
)

__all__ = [
    "Announced",
    "Body",
    "Framing",
    "HeadTooLargeError",
    "Limits",
    "MalformedError",
    "RequestReader",
    "ResponseHead",
    "fields",
    "find_end",
    "find_response_end",
    "is_last",
    "of_request",
    "of_response",
    "opened",
    "parse_response",
    "render",
]
