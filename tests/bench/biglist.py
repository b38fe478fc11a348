"""Does a large list flow through, or is it held: memory while 50 MiB are streamed.

To a client that reads as fast as it can, and to one that takes its time.
"""

import http.client
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.bench import objects, subjects, usage
from tests.bench.comparison import ALL, CLAIM, WrongAnswer, turned
from tests.bench.figures import Sample
from tests.bench.serving import ask
from tests.bench.subjects import DIRECT, Site, Subject

MIB: Final = 1024 * 1024
ITEMS: Final = 41_000
READ_BYTES: Final = 64 * 1024
SLOW_SECONDS: Final = 5.0
"""How long the slow client takes, at least."""


def measure(site: Site, listed: Path, token: str, rounds: int) -> Iterator[Sample]:
    """Read the list that the stub has in the file `listed`, by each subject that is a process."""
    size = listed.stat().st_size
    for number in range(rounds):
        for name in turned([name for name in ALL if name != DIRECT], number):
            with subjects.STARTS[name](site) as subject:
                yield from _grow(site, subject, token, size)


def _grow(site: Site, subject: Subject, token: str, size: int) -> Iterator[Sample]:
    assert subject.pid is not None
    headers = {"Authorization": f"Bearer {token}"}
    ask(subject.port, CLAIM, trust=site.certificates.trust(), headers=headers)
    for metric, seconds in (("growth", 0.0), ("growth, slow reader", SLOW_SECONDS)):
        before = usage.rss(subject.pid)
        usage.forget_peak(subject.pid)
        received = _read(site, subject, headers, seconds / (size / READ_BYTES))
        if received != size:
            raise WrongAnswer(f"{subject.name} gave {received} of {size} bytes of a list")
        grown = usage.peak_rss(subject.pid) - before
        yield Sample("big-list", subject.name, metric, "MiB", grown / MIB)


def _read(site: Site, subject: Subject, headers: dict[str, str], rest: float) -> int:
    """Read it all, with a rest after each piece; returns how much it was."""
    connection = http.client.HTTPSConnection(
        "127.0.0.1", subject.port, context=site.certificates.trust(), timeout=60
    )
    try:
        connection.request("GET", f"{objects.CLAIMS}?limit=0", headers=headers)
        response = connection.getresponse()
        received = 0
        while piece := response.read(READ_BYTES):
            received += len(piece)
            time.sleep(rest)
        return received
    finally:
        connection.close()
