"""Which sessions of TLS are taken from their connections."""

import ssl
from dataclasses import dataclass
from typing import cast

from proxy.edge.upstream.resumption import ResumingContext


@dataclass
class Wrapped:
    """The end of a connection; counts how often its session was taken."""

    session_reused: bool
    server_hostname: str = "apiserver"
    taken: int = 0

    @property
    def session(self) -> None:
        self.taken += 1


def test_a_session_is_taken_where_none_is_gone_on_with_and_not_often() -> None:
    context = ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
    connections = [Wrapped(session_reused=reused) for reused in (True, False, False, True)]
    for each in connections:
        context.keep(cast("ssl.SSLObject", each))
    assert [each.taken for each in connections] == [0, 1, 0, 0]
