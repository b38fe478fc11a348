"""How do I reach the demo's cluster: what an embedded and a real one have in common.

Whoever sets up the story (namespaces, CRDs, RBAC, claims) sees a `Cluster` and cannot
tell which kind it is.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """Where a running cluster listens and what opens it."""

    server: str
    """The apiserver's address, `https://127.0.0.1:PORT`."""
    ca_file: Path
    """The PEM bundle that signs the apiserver's certificate."""
    admin_token: str = field(repr=False)
    """A bearer token of a cluster admin (group `system:masters`)."""


class Cluster(Protocol):
    """A Kubernetes API that can be started, stopped and asked what the proxy did to it."""

    async def start(self) -> ClusterAccess:
        """Return once the cluster is ready to answer."""
        ...

    async def stop(self) -> None:
        """End everything that `start` began; harmless when nothing runs."""
        ...

    async def proxy_requests(self) -> int:
        """Count the requests that the proxy's service account has sent so far.

        The user is `system:serviceaccount:hostclaim-proxy:hostclaim-proxy`. A request counts
        from the moment it is received, so a watch that is still open counts as one.
        """
        ...
