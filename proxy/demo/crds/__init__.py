"""Which resources does Metal3 have: stand-ins for its CustomResourceDefinitions.

HostClaim and HostDeployPolicy field by field; HardwareData and BareMetalHost in outline, for
only their owners write them. The words are our own.
"""

from functools import cache
from importlib.resources import files
from typing import Any

import yaml


@cache
def definitions() -> tuple[dict[str, Any], ...]:
    """Load them, sorted by name; callers share what they get."""
    found = sorted(
        (entry for entry in files(__package__).iterdir() if entry.name.endswith(".yaml")),
        key=lambda entry: entry.name,
    )
    return tuple(yaml.safe_load(entry.read_text()) for entry in found)
