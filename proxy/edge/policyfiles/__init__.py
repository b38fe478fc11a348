"""Which policies hold: YAML files, read strictly and read again when they change.

A broken file stops the start. Later it changes nothing: the last good set stays
in force, and `PolicyFiles.status` says what is wrong.
"""

from proxy.edge.policyfiles.following import PolicyFiles, Status
from proxy.edge.policyfiles.reading import PolicyError, PolicyFile, load, load_with_tests
from proxy.edge.policyfiles.revision import (
    GitError,
    MissingError,
    Revision,
    is_revision,
    load_revision,
)

__all__ = [
    "GitError",
    "MissingError",
    "PolicyError",
    "PolicyFile",
    "PolicyFiles",
    "Revision",
    "Status",
    "is_revision",
    "load",
    "load_revision",
    "load_with_tests",
]
