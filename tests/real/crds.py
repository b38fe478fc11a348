"""Which CustomResourceDefinitions do the tests load: Metal3's own, where they are at hand."""

from pathlib import Path
from typing import Any

import yaml

from proxy.demo import crds

UPSTREAM = Path(__file__).parents[3] / "shared" / "crds"


def upstream(folder: Path = UPSTREAM) -> list[dict[str, Any]]:
    """Read Metal3's definitions from a folder, none when it is not there."""
    return [yaml.safe_load(file.read_text()) for file in sorted(folder.glob("*.yaml"))]


def definitions(folder: Path = UPSTREAM) -> list[dict[str, Any]]:
    """Choose Metal3's definitions if the folder has them, else the demo's stand-ins."""
    return upstream(folder) or list(crds.definitions())
