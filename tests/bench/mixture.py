"""What is asked in a soak, and what has to be answered: by name, and by whose token it is.

wrk sends it, and looks at each answer, as `mixture.lua` says.
"""

import random
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from proxy.core.identity import LEEWAY
from tests.bench import objects
from tests.bench.iam import Iam
from tests.bench.machine import pinned
from tests.bench.wrk import PATIENCE

SCRIPT: Final = Path(__file__).with_name("mixture.lua")
THREADS: Final = 16
ENTRIES: Final = 2_000
TOKENS: Final = 64
NAMES: Final = 200
SPARE: Final = LEEWAY + 5
LISTED: Final = 20
_STATUS: Final = '"Status"'
_SAID: Final = re.compile(r"^soak (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Entry:
    """A request, the code that has to come, and what has to be in the body.

    The token counts until `expires`, in seconds since the epoch, and for some time more
    that clocks may differ by; 0 is beyond the end of the soak.
    """

    target: str
    token: str = field(repr=False)
    code: int
    needle: str
    method: str = "GET"
    body: str = ""
    expires: int = 0

    def line(self) -> str:
        """As the script reads it."""
        fields = (self.method, self.target, self.token, self.body)
        return "\t".join([*fields, str(self.code), self.needle, str(self.expires)])


def mixed(iam: Iam, stranger: Iam, seconds: float, seed: int = 1) -> list[Entry]:
    """All that is asked, again and again, in the same order in each run.

    `stranger` signs with keys that nobody publishes.
    """
    dice = random.Random(seed)  # noqa: S311 - a mixture, not a secret
    now = int(time.time())
    known = [iam.token(dice.choice(("RS256", "ES256"))) for _ in range(TOKENS)]
    bad = [stranger.token() for _ in range(TOKENS)]
    bad += [iam.token(exp=now - 3600, iat=now - 7200) for _ in range(TOKENS)]
    kinds = {_get: 70, _denied: 12, _patch: 4, _list: 4}
    entries = [
        make(dice, dice.choice(known))
        for make in dice.choices([*kinds], [*kinds.values()], k=ENTRIES)
    ]
    for number, token in enumerate(bad):
        entries[number * 11] = Entry(_claim(number), token, 401, _STATUS)
    for number in range(TOKENS):
        ends = now + int(seconds * dice.random()) + 1
        lives = iam.token("ES256", exp=ends)
        name = f"worker-{number}"
        entries[number * 13 + 5] = Entry(_claim(number), lives, 200, _needle(name), expires=ends)
    return entries


def _get(dice: random.Random, token: str) -> Entry:
    number = dice.randrange(NAMES)
    return Entry(_claim(number), token, 200, _needle(f"worker-{number}"))


def _denied(dice: random.Random, token: str) -> Entry:
    return Entry(f"{objects.FOREIGN}/worker-{dice.randrange(NAMES)}", token, 403, _STATUS)


def _patch(dice: random.Random, token: str) -> Entry:
    number = dice.randrange(NAMES)
    needle = _needle(f"worker-{number}")
    return Entry(_claim(number), token, 200, needle, "PATCH", objects.PATCH)


def _list(_dice: random.Random, token: str) -> Entry:
    return Entry(objects.CLAIMS, token, 200, _needle(f"worker-{LISTED - 1}"))


def _claim(number: int) -> str:
    return f"{objects.CLAIMS}/worker-{number % NAMES}"


def _needle(name: str) -> str:
    return f'"metadata":{{"name":"{name}","namespace":"{objects.NAMESPACE}"'


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of it. `faults` counts 502, 503 and 504, by second since the epoch."""

    right: int
    wrong: int
    broken: int
    seconds: float
    faults: Counter[int]
    examples: tuple[str, ...]

    @property
    def rate(self) -> float:
        """Answers a second."""
        return (self.right + self.wrong + self.faults.total()) / self.seconds


@dataclass(frozen=True, slots=True)
class Source:
    """Who sends it, and to whom."""

    program: Path
    core: int
    port: int
    folder: Path

    def send(self, entries: Sequence[Entry], seconds: float, rate: float = 0) -> Tally:
        """Send all the time, so many a second; without a rate, as many as are answered."""
        listed = self.folder / "entries.tsv"
        listed.write_text("".join(f"{entry.line()}\n" for entry in entries))
        script = self.folder / "soak.lua"
        script.write_text("\n".join([*_settings(listed, rate), SCRIPT.read_text()]))
        flags = [f"-t{THREADS}", f"-c{THREADS}", f"-d{round(seconds)}s", "--timeout", "30s"]
        url = f"https://127.0.0.1:{self.port}/"
        with pinned(self.core):
            ran = subprocess.run(
                [self.program, *flags, "-s", script, url],
                capture_output=True,
                text=True,
                check=True,
                timeout=seconds + PATIENCE,
            )
        return parse(ran.stdout)


def _settings(listed: Path, rate: float) -> Iterator[str]:
    yield f'local ENTRIES = "{listed}"'
    yield f"local PERIOD = {THREADS / rate * 1000 if rate else 0}"
    yield f"local SPARE = {SPARE}"


def parse(output: str) -> Tally:
    """Read what the script says at the end."""
    said = _SAID.search(output)
    assert said is not None, f"wrk did not finish:\n{output}"
    numbers = {key: int(value) for key, value in (pair.split("=") for pair in said[1].split())}
    faults: Counter[int] = Counter()
    for second, count in re.findall(r"^soak-fault (\d+) (\d+)$", output, re.MULTILINE):
        faults[int(second)] += int(count)
    return Tally(
        right=numbers["right"],
        wrong=numbers["wrong"],
        broken=numbers["broken"],
        seconds=numbers["duration"] / 1e6,
        faults=faults,
        examples=tuple(re.findall(r"^soak-wrong (.+)$", output, re.MULTILINE)),
    )
