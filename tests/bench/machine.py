"""Which core does what: the proxy under test has one to itself, all else shares another.

Nothing here runs a command: a process inherits the core of the thread that starts it.
"""

import os
import platform
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.real.making import Missing

CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Cores:
    """Two cores, by their numbers."""

    load: int
    proxy: int

    @classmethod
    def of_this_process(cls) -> "Cores":
        """The last core that we may run on is the proxy's, the first is the load's.

        Raises:
            Missing: there is only one.
        """
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) < 2:
            raise Missing("this machine has one core; the proxy and its load need one each")
        return cls(load=allowed[0], proxy=allowed[-1])


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Run on one core inside, and start processes that do."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def raise_descriptors(wanted: int) -> None:
    """Have at least so many file descriptors, here and in what we start.

    Raises:
        Missing: that is fewer than are wanted.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise Missing(
            f"this needs {wanted} file descriptors and the hard limit is {hard}:"
            f" `ulimit -Hn {wanted}` as root, first"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def cpu_model(cpuinfo: str) -> str:
    """What the first processor in `/proc/cpuinfo` is called."""
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return found.group(1).strip() if found else platform.machine()


def describe() -> dict[str, str]:
    """What a reader of the figures has to know of this machine, and nothing that names it."""
    return {
        "cpu": cpu_model(CPUINFO.read_text()),
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
    }
