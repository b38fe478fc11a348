"""What has a process used, with all that it started: CPU time, memory, file descriptors.

Read from `/proc`, as proc(5) describes it.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Stat:
    """What a line of `/proc/PID/stat` says; `ticks` are those of all threads."""

    parent: int
    ticks: int


def parse_stat(line: str) -> Stat:
    """Read the line; the name in it may hold blanks and brackets, so count from its end."""
    fields = line.rpartition(")")[2].split()
    user, system, of_children_user, of_children_system = (int(field) for field in fields[11:15])
    return Stat(int(fields[1]), user + system + of_children_user + of_children_system)


def parse_memory(status: str, name: str = "VmRSS") -> int:
    """Bytes of a line in `/proc/PID/status`; 0 for what has ended."""
    for line in status.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def tree(root: int, parents: Mapping[int, int]) -> Iterator[int]:
    """A process and all that descend from it."""
    yield root
    for pid, parent in parents.items():
        if parent == root:
            yield from tree(pid, parents)


def cpu_seconds(root: int) -> float:
    """User and system time of a process tree."""
    stats = _stats()
    members = tree(root, {pid: stat.parent for pid, stat in stats.items()})
    return sum(stats[pid].ticks for pid in members) / _TICKS


def rss(root: int) -> int:
    """Bytes of memory of a process tree; what its members share counts for each."""
    return sum(parse_memory(text) for text in _texts(_members(root), "status"))


def peak_rss(root: int) -> int:
    """The most that it has been since `forget_peak`, of each member at its own time."""
    return sum(parse_memory(text, "VmHWM") for text in _texts(_members(root), "status"))


def forget_peak(root: int) -> None:
    """Begin anew with what there is now."""
    for pid in _members(root):
        (PROC / str(pid) / "clear_refs").write_text("5")


def descriptors(root: int) -> int:
    """How many file descriptors are open in a process tree."""
    return sum(1 for pid in _members(root) for _ in (PROC / str(pid) / "fd").iterdir())


def _members(root: int) -> list[int]:
    return list(tree(root, {pid: stat.parent for pid, stat in _stats().items()}))


def _stats() -> dict[int, Stat]:
    stats = {}
    for pid in [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]:
        for text in _texts([pid], "stat"):
            stats[pid] = parse_stat(text)
    return stats


def _texts(pids: Iterable[int], name: str) -> Iterator[str]:
    """The file of each process that is still there."""
    for pid in pids:
        try:
            yield (PROC / str(pid) / name).read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
