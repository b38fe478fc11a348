"""The tenants' listener: HTTP/1.1 over TLS.

Hands each request to the pipeline as its bytes said it, before any decoding,
and keeps a client that is slow, silent or wrong from costing the others.
`connection` says when a request begins and whether another may follow, `client`
is the other end of one, `listener` holds all connections together.
"""

from proxy.edge.server.connection import Bounds
from proxy.edge.server.listener import Server

__all__ = ["Bounds", "Server"]
