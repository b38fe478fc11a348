"""Who hands out the demo's hosts: a stand-in for Metal3's controllers.

`objects` reads what the cluster holds, `matching` says which host a claim gets, `planning`
says what to write next, `reporting` what a claim's status says; those are pure. `mirror`
follows the cluster and `writing` changes it, both through `api`; `controller` joins them.
`manifests` are the hosts themselves. No machine is powered on by any of this, and no
secret's content is read.
"""

from proxy.demo.hosts.controller import HostController
from proxy.demo.hosts.manifests import BMC_PASSWORD, demo_hosts

__all__ = ["BMC_PASSWORD", "HostController", "demo_hosts"]
