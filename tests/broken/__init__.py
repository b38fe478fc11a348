"""Ways to write policy files wrong, and what is said of each.

A case is a file `golden/NAME.yaml` that stands where a good `policies/blue.yaml` was, or,
where git or an editor would spoil such a file, one of the functions in `made`. Beside it,
`golden/NAME.txt` is what `hostclaim-proxy policy check policies` says. Read what
`python -m tests.broken` writes there before you commit it: nothing else makes it anew.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.broken.made import MADE

GOLDEN: Final = Path(__file__).with_name("golden")

GOOD: Final = """\
apiVersion: hostclaim-proxy.metal3.io/v1alpha1
kind: AccessPolicy
metadata:
  name: blue
spec:
  subjects: [{issuer: corp, everyone: true}]
  allow:
  - {namespaces: [blue], role: viewer}
"""
"""What `policies/blue.yaml` says before it is broken."""

GOOD_TEST: Final = """\
apiVersion: hostclaim-proxy.metal3.io/v1alpha1
kind: PolicyTest
metadata: {name: blue}
spec:
  tests:
  - name: everyone looks
    identity: {issuer: corp}
    request: {verbs: [get], resources: [hostclaims], namespaces: [blue]}
    expect: {decision: allow}
"""
"""A test of that."""


@dataclass(frozen=True, slots=True)
class Case:
    """One way to break the files of a folder in which only `blue.yaml` is."""

    name: str
    break_: Callable[[Path], object]

    def __str__(self) -> str:
        return self.name

    @property
    def golden(self) -> Path:
        """Where it stands what is said."""
        return GOLDEN / f"{self.name}.txt"

    @property
    def headlines(self) -> list[str]:
        """What the log of `serve` says: of each problem one line, without the folder's name."""
        return [
            re.sub("policies[/:]", "", line.replace(": error: ", ": ", 1).rpartition(" [")[0])
            for line in self.golden.read_text().splitlines()
            if line.startswith("policies")
        ]


def _written(file: Path) -> Callable[[Path], object]:
    return lambda folder: (folder / "blue.yaml").write_bytes(file.read_bytes())


CASES: Final = [
    *(Case(file.stem, _written(file)) for file in sorted(GOLDEN.glob("*.yaml"))),
    *(Case(name, break_) for name, break_ in MADE.items()),
]
