"""How it runs: what serves tenants, and beside it who looks after it and who tells it.

`front` serves operators and issuers. `single` puts it and the tenants' side into
one process.
"""

from proxy.serving.running import Addresses, Running
from proxy.serving.single import Single

__all__ = ["Addresses", "Running", "Single"]
