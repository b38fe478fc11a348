"""Another reader, h11, takes all that is taken here for the very same."""

import h11
from hypothesis import given
from hypothesis import strategies as st

from proxy.http1 import Limits, MalformedError, RequestReader, find_end, of_request, opened

PIECES = st.sampled_from(
    [
        *(
            "\r\n",
            "\r\n",
            "\r\n",
            "\n",
            "\r",
            " ",
            "\t",
            ":",
            ",",
            ";",
            "\0",
            "\x0b",
            "\xa0",
            "\xff",
        ),
        *("Host: p", "Host:", "host : q", "Content-Length: 2", "Content-Length: 02", "2", "+2"),
        *("Transfer-Encoding: chunked", "transfer-encoding:\tCHUNKED", "chunked", "gzip, "),
        *("X", "X: y", "Expect: 100-continue", "Connection: close", "GET / HTTP/1.1"),
    ]
)
LINES = st.lists(PIECES, max_size=8).map("".join)
BODY = b"{}0\r\n\r\n"


@given(
    method=st.sampled_from(["GET", "POST", "p@st", "G T", ""]),
    target=st.sampled_from(["/", "/a%2Fb?c", "*", "http://p/", "/\xff", "/ x", "p:443"]),
    version=st.sampled_from(["HTTP/1.1", "HTTP/1.0", "HTTP/1.10", "http/1.1", " HTTP/1.1"]),
    lines=LINES,
)
def test_what_is_taken_is_read_alike(method: str, target: str, version: str, lines: str) -> None:
    text = f"{method} {target} {version}\r\nHost: p\r\n{lines}\r\n\r\n"
    received = text.encode("latin-1") + BODY
    try:
        end = find_end(received, Limits())
        head = RequestReader().read(received[:end], "")
        body = opened(of_request(head.fields.pairs))
        data, _ = body.feed(received[end + 2 :])
    except MalformedError:
        return
    other = h11.Connection(h11.SERVER)
    other.receive_data(received)
    request = other.next_event()
    assert isinstance(request, h11.Request)
    assert (request.method.decode(), request.target.decode("latin-1")) == (head.method, head.target)
    assert [(k.decode("latin-1"), v.decode("latin-1")) for k, v in request.headers.raw_items()] == [
        (key, value) for key, value in head.fields.pairs
    ]
    read = b""
    while isinstance(event := other.next_event(), h11.Data):
        read += event.data
    assert (read, isinstance(event, h11.EndOfMessage)) == (data, body.complete)
