"""How is load made: by wrk, which is told what to send by a script, and says what came of it."""

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.machine import pinned

PATIENCE = 60
_SAID = re.compile(r"^bench (.+)$", re.MULTILINE)
_REPORT = """
function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        "bench requests=%d duration=%d refused=%d broken=%d p50=%d p99=%d\\n",
        summary.requests, summary.duration, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50), latency:percentile(99)))
end
"""
_SAME_TOKEN = """
wrk.headers["Authorization"] = "Bearer " .. io.lines(TOKENS)()
"""
_EACH_TOKEN_ONCE = """
local requests, sent = {}, 0
function init(args)
    local headers = {}
    for name, value in pairs(wrk.headers) do headers[name] = value end
    for token in io.lines(TOKENS) do
        headers["Authorization"] = "Bearer " .. token
        requests[#requests + 1] = wrk.format(wrk.method, wrk.path, headers, wrk.body)
    end
end
function request()
    sent = sent + 1
    if sent >= #requests then wrk.thread:stop() end
    return requests[math.min(sent, #requests)]
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent. With more than one token, each is used once and that ends it."""

    target: str
    tokens: Sequence[str] = field(repr=False)
    connections: int
    seconds: float
    method: str = "GET"
    body: str = ""
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it; times in seconds. `refused` are answers from 400 on.

    `duration` is as long as was asked for, also where the tokens were used up before.
    """

    requests: int
    duration: float
    refused: int
    broken: int
    p50: float
    p99: float


def run(program: Path, port: int, load: Load, folder: Path, core: int) -> Result:
    """Load a server on this machine; returns when it is over."""
    (folder / "tokens").write_text("\n".join(load.tokens) + "\n")
    path = folder / "load.lua"
    path.write_text(script(load, folder / "tokens"))
    seconds = max(1, round(load.seconds))
    flags = ["-t1", f"-c{load.connections}", f"-d{seconds}s", "--timeout", "10s"]
    url = f"https://127.0.0.1:{port}{load.target}"
    with pinned(core):
        ran = subprocess.run(
            [program, *flags, "-s", path, url],
            capture_output=True,
            text=True,
            check=True,
            timeout=load.seconds + PATIENCE,
        )
    return parse(ran.stdout)


def script(load: Load, tokens: Path) -> str:
    """The script in Lua. Where all requests are the same wrk makes one, and sends its bytes."""
    lines = [f"wrk.method = {_lua(load.method)}", f"local TOKENS = {_lua(str(tokens))}"]
    if load.body:
        lines.append(f"wrk.body = {_lua(load.body)}")
        lines.append(f'wrk.headers["Content-Type"] = {_lua(load.content_type)}')
    lines.append(_SAME_TOKEN if len(load.tokens) == 1 else _EACH_TOKEN_ONCE)
    return "\n".join([*lines, _REPORT])


def parse(output: str) -> Result:
    """Read the line that the script writes at the end."""
    said = _SAID.search(output)
    assert said is not None, f"wrk did not finish:\n{output}"
    numbers = {key: int(value) for key, value in (pair.split("=") for pair in said[1].split())}
    return Result(
        requests=numbers["requests"],
        duration=numbers["duration"] / 1e6,
        refused=numbers["refused"],
        broken=numbers["broken"],
        p50=numbers["p50"] / 1e6,
        p99=numbers["p99"] / 1e6,
    )


def _lua(text: str) -> str:
    """A string in Lua: what JSON escapes in ASCII text, Lua does the same way."""
    return json.dumps(text)
