"""HostClaim proxy: lets tenants lease Metal3 hosts in a cluster that is not theirs, no more."""

from importlib.metadata import version

__version__ = version("hostclaim-proxy")
