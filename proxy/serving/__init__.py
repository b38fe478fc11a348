"""How it runs: what serves tenants, and beside it who looks after it and who tells it.

`front` serves operators and issuers. `single` puts it and what serves tenants into one
process. For several, `crew` makes them, each is a `worker` with a socket of `sockets`,
and `supervisor` is their parent: it has the front, and a `link` to each, on which they
say `messages`. `team` is all workers as one, `exposition` their metrics on one page.
"""

from proxy.serving.crew import Crew, hire
from proxy.serving.running import Addresses, Running
from proxy.serving.single import Single
from proxy.serving.supervisor import Supervisor

__all__ = ["Addresses", "Crew", "Running", "Single", "Supervisor", "hire"]
