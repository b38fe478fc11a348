"""Which policies hold: YAML files, read strictly and read again when they change.

A broken file stops the start. Later it changes nothing: the last good set stays
in force, and `PolicyFiles.status` says what is wrong.
"""

from proxy.edge.policyfiles.following import PolicyFiles, Status
from proxy.edge.policyfiles.reading import PolicyError, PolicyFile, load, load_with_tests

__all__ = ["PolicyError", "PolicyFile", "PolicyFiles", "Status", "load", "load_with_tests"]
