"""Requests that two readers could take for one and for two (RFC 9112, 11.2).

Each carries `SMUGGLED` where one of the two readers would begin to read anew. `TOKEN` stands
for the bearer token.
"""

from tests.e2e.wire import request

CLAIMS = "/apis/metal3.io/v1alpha1/namespaces/blue-dev/hostclaims"
SMUGGLED = request("GET", f"{CLAIMS}/smuggled", "Authorization: Bearer TOKEN")
EMPTY = b"0\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked"


def post(*lines: str, version: str = "HTTP/1.1") -> bytes:
    """The head of a create."""
    head = [f"POST {CLAIMS} {version}", "Host: proxy", "Authorization: Bearer TOKEN", *lines]
    return "".join(f"{line}\r\n" for line in (*head, "")).encode("latin-1")


def get(text: bytes) -> bytes:
    """A read with one more header line, as it stands."""
    return post().replace(b"POST", b"GET").removesuffix(b"\r\n") + text


HEADS: dict[str, bytes] = {
    "both lengths": post("Content-Length: 5", CHUNKED) + EMPTY + SMUGGLED,
    "both lengths, swapped": post(CHUNKED, "Content-Length: 5") + EMPTY + SMUGGLED,
    "an empty length beside chunks": post(CHUNKED, "Content-Length: 0") + EMPTY + SMUGGLED,
    "one length twice": post("Content-Length: 2", "Content-Length: 2") + b"{}" + SMUGGLED,
    "two lengths": post("Content-Length: 2", "Content-Length: 9") + b"{}" + SMUGGLED,
    "a list of lengths": post("Content-Length: 2, 2") + b"{}" + SMUGGLED,
    "a signed length": post("Content-Length: +2") + b"{}" + SMUGGLED,
    "a negative length": post("Content-Length: -2") + b"{}" + SMUGGLED,
    "a hexadecimal length": post("Content-Length: 0x2") + b"{}" + SMUGGLED,
    "a length in two words": post("Content-Length: 2 2") + b"{}" + SMUGGLED,
    "no digits": post("Content-Length: ") + b"{}" + SMUGGLED,
    "a length that overflows": post(f"Content-Length: {2**64 + 2}") + b"{}" + SMUGGLED,
    "identity, then chunked": post("Transfer-Encoding: identity, chunked") + EMPTY + SMUGGLED,
    "chunked, then identity": post("Transfer-Encoding: chunked, identity") + EMPTY + SMUGGLED,
    "gzip, then chunked": post("Transfer-Encoding: gzip, chunked") + EMPTY + SMUGGLED,
    "chunked twice": post("Transfer-Encoding: chunked, chunked") + EMPTY + SMUGGLED,
    "two codings": post(CHUNKED, "Transfer-Encoding: identity") + EMPTY + SMUGGLED,
    "identity alone": post("Transfer-Encoding: identity") + EMPTY + SMUGGLED,
    "nearly chunked": post("Transfer-Encoding: xchunked") + EMPTY + SMUGGLED,
    "quoted chunked": post('Transfer-Encoding: "chunked"') + EMPTY + SMUGGLED,
    "chunked after a control": post("Transfer-Encoding: \x0bchunked") + EMPTY + SMUGGLED,
    "no coding at all": post("Transfer-Encoding: ") + EMPTY + SMUGGLED,
    "chunks in HTTP/1.0": post(CHUNKED, version="HTTP/1.0") + EMPTY + SMUGGLED,
    "kept alive in HTTP/1.0": post("Connection: keep-alive", version="HTTP/1.0") + SMUGGLED,
    "HTTP/1.2": post(CHUNKED, version="HTTP/1.2") + EMPTY + SMUGGLED,
    "HTTP/2.0": post(CHUNKED, version="HTTP/2.0") + EMPTY + SMUGGLED,
    "a read with a body": get(b"Content-Length: %d\r\n\r\n" % len(SMUGGLED)) + SMUGGLED,
    "lines that end in LF": post().replace(b"\r\n", b"\n") + SMUGGLED,
    "one line that ends in LF": get(b"X: y\nContent-Length: 2\r\n\r\n") + SMUGGLED,
    "a head that ends in LF": get(b"X: y\r\n\n") + SMUGGLED,
    "a line that ends in CR": get(b"X: y\rContent-Length: 2\r\n\r\n") + SMUGGLED,
    "a folded value": get(b"X: y\r\n z\r\n\r\n") + SMUGGLED,
    "a folded coding": post("Transfer-Encoding:", " chunked") + EMPTY + SMUGGLED,
    "a space before the colon": post("Content-Length : 2") + b"{}" + SMUGGLED,
    "a tab before the colon": post("Transfer-Encoding\t: chunked") + EMPTY + SMUGGLED,
    "a space before the first name": get(b"").replace(b"Host", b" Host") + b"\r\n" + SMUGGLED,
    "a line without a colon": get(b"Content-Length\r\n\r\n") + SMUGGLED,
    "a header without a name": get(b": y\r\n\r\n") + SMUGGLED,
    "NUL in a name": get(b"Content-Length\0: 2\r\n\r\n") + SMUGGLED,
    "NUL in a value": get(b"X: y\0z\r\n\r\n") + SMUGGLED,
    "no host": get(b"\r\n").replace(b"Host: proxy\r\n", b"") + SMUGGLED,
    "two hosts": get(b"Host: other\r\n\r\n") + SMUGGLED,
}
"""Heads that say two things. The smuggled request comes in the same segment."""

BODIES: dict[str, bytes] = {
    "a size that is no number": b"zz\r\n",
    "a hexadecimal size": b"0x2\r\n{}\r\n",
    "a negative size": b"-2\r\n{}\r\n",
    "a size with an underscore": b"0_2\r\n{}\r\n",
    "a size after a space": b" 2\r\n{}\r\n",
    "a size before a space": b"2 \r\n{}\r\n",
    "a size that overflows": b"f" * 17 + b"2\r\n{}\r\n",
    "no size": b"\r\n{}\r\n",
    "a size line that ends in LF": b"2\n{}\r\n",
    "an extension that holds LF": b"2;a\nb\r\n{}\r\n",
    "a chunk that ends in LF": b"2\r\n{}\n",
    "a chunk that does not end": b"2\r\n{}xx",
    "a length in the trailer": b"2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n",
    "a coding in the trailer": b"2\r\n{}\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
}
"""Chunks that a lax reader would take. They follow a head that is right."""
