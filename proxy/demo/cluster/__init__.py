"""A BMH cluster in memory: what a kube-apiserver would answer, without one.

Knows nothing of the proxy. Pure rooms (selectors, schema, patches, apply, rbac, table) hold the
rules; `store` and `registry` hold the state; only `handlers` and `server` touch the network.
"""

from proxy.demo.cluster.server import EmbeddedCluster

__all__ = ["EmbeddedCluster"]
