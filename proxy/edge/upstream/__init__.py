"""The apiserver: send what the core rendered, as the proxy's own service account.

A transport of our own: connections are kept and used again, nothing is followed,
decoded or kept of what is answered, and only a read is ever sent twice.
"""

from proxy.edge.upstream.addresses import Address, Resolver
from proxy.edge.upstream.apiserver import ApiServer, Timeouts
from proxy.edge.upstream.credentials import ClusterAccess, ClusterError

__all__ = ["Address", "ApiServer", "ClusterAccess", "ClusterError", "Resolver", "Timeouts"]
