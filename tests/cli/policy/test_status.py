"""`hostclaim-proxy policy status` asks a proxy that runs, and says what it was told."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from proxy.cli import main
from proxy.cli.policy import status
from proxy.core.policy import Effect, inforce
from proxy.core.policy.inforce import Failure, Fault, File, InForce, RuleInForce, Worker
from proxy.settings import ManagementSettings

NOW = datetime(2026, 1, 2, tzinfo=UTC)
FAULT = Fault(
    file="policies/red.yaml", line=3, column=1, field="spec", message="is missing", hint="add it"
)


def rule(document: str, hits: int, **other: Any) -> RuleInForce:
    return RuleInForce(
        document=document,
        path="spec.allow[0]",
        file=f"policies/{document}.yaml",
        line=8,
        effect=Effect.ALLOW,
        hits=hits,
        **other,
    )


WELL = InForce(
    loaded_at=NOW - timedelta(hours=3),
    reloads=2,
    failures=1,
    enforced_rules=2,
    shadow_rules=1,
    files=(
        File(path="policies/blue.yaml", sha256="0123456789abcdef" * 4),
        File(path="policies/red.yaml", sha256="f" * 64),
    ),
    rules=(rule("blue", 7), rule("red", 0)),
)
BROKEN = InForce(
    loaded_at=NOW - timedelta(days=1),
    error=Failure(failed_at=NOW - timedelta(seconds=61), problems=(FAULT,)),
)
NONE = InForce(configured=False)
SILENT = InForce(
    loaded_at=NOW,
    agree=False,
    workers=(Worker(number=0, loaded_at=NOW), Worker(number=1, trouble="it does not answer")),
)
# One has loaded anew, and the other will.
APART = inforce.merged({0: WELL, 1: InForce(loaded_at=NOW, files=WELL.files[:1])})

Answer = Callable[[BaseHTTPRequestHandler], None]


def answering(body: bytes, code: int = 200, headers: Mapping[str, str] = {}) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@contextmanager
def listening(answer: Answer) -> Iterator[str]:
    """Something that answers `/policies`, and nothing else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/policies":
                answer(self)
            else:
                answering(b"", 500)(self)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["policy", "status", *map(str, arguments)])


def told(known: InForce, *arguments: str) -> Result:
    with listening(answering(inforce.encode(known))) as url:
        return run("--management", url, *arguments)


@pytest.mark.parametrize(
    ("known", "code"), [(WELL, 0), (NONE, 0), (BROKEN, 1), (SILENT, 1), (APART, 1)], ids=str
)
@pytest.mark.parametrize("output", ["text", "json", "yaml"])
def test_the_exit_code_says_whether_all_is_well(known: InForce, code: int, output: str) -> None:
    result = told(known, "-o", output)
    assert (result.exit_code, result.stderr) == (code, "")


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_programs_get_all_that_the_proxy_says(output: str, read: Callable[[str], Any]) -> None:
    assert read(told(WELL, "-o", output).stdout) == json.loads(inforce.encode(WELL))


def test_people_are_told_what_is_in_force_and_which_rules_were_never_used() -> None:
    assert list(status.text(WELL, NOW)) == [
        "loaded    2026-01-01T21:00:00Z, 3 hours ago",
        "rules     2 in 2 files, and 1 in shadow",
        "reloads   2, and 1 that failed",
        "",
        "files:",
        "  0123456789ab   policies/blue.yaml",
        "  ffffffffffff   policies/red.yaml",
        "",
        "rules never used since the start:",
        "  policies/red.yaml:8   allow   red   spec.allow[0]",
    ]


def test_people_are_told_what_is_wrong_and_since_when() -> None:
    assert list(status.text(BROKEN, NOW))[3:] == [
        "broken    2026-01-01T23:58:59Z, 1 minute ago; those of before stay in force",
        "",
        "problems:",
        "  policies/red.yaml:3:1: spec: is missing, add it",
    ]


def test_problems_that_are_not_told_are_counted() -> None:
    many = InForce(loaded_at=NOW, error=Failure(failed_at=NOW, problems=(FAULT,), more=249_900))
    assert list(status.text(many, NOW))[-2:] == [
        "  policies/red.yaml:3:1: spec: is missing, add it",
        "  and 249900 more",
    ]


def test_people_are_told_which_worker_differs() -> None:
    other = (File(path="policies/blue.yaml", sha256="e" * 64),)
    late = InForce(loaded_at=NOW, files=other, rules=(rule("blue", 0),))
    early = InForce(loaded_at=NOW - timedelta(days=2), files=WELL.files[:1], error=BROKEN.error)
    lines = list(status.text(inforce.merged({0: early, 1: late, 2: "it is gone"}), NOW))
    assert lines[lines.index("workers:") :] == [
        "workers:",
        "  0   loaded 2025-12-31T00:00:00Z   broken",
        "  1   loaded 2026-01-02T00:00:00Z",
        "  2   it is gone",
        "",
        "files:",
        "  eeeeeeeeeeee   policies/blue.yaml   only worker 1",
        "  0123456789ab   policies/blue.yaml   only worker 0",
        "",
        "rules never used since the start:",
        "  policies/blue.yaml:8   allow   blue   spec.allow[0]   only worker 1",
    ]


def test_without_policy_files_that_is_what_is_told() -> None:
    assert told(NONE).stdout == "no policy files are configured: what grants is in the IAM\n"


def test_what_a_proxy_says_is_no_command_to_a_terminal() -> None:
    evil = InForce(files=(File(path="\x1b]0;evil\x07", sha256="0" * 64),))
    assert "?]0;evil?" in told(evil).stdout


def test_one_long_name_makes_no_other_line_long() -> None:
    files = (File(path="f" * 5000, sha256="0"), File(path="red.yaml", sha256="1", workers=(1,)))
    lines = list(status.text(InForce(loaded_at=NOW, files=files), NOW))
    assert lines[-1].split() == ["1", "red.yaml", "only", "worker", "1"]
    assert len(lines[-1]) < 150


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (answering(b"404: Not Found", 404), "answers 404, not 200"),
        (answering(b"", 302, {"Location": "http://example.com/policies"}), "answers 302, not 200"),
        (answering(b"<html>"), "is not the status of policies: JSON is malformed"),
        (answering(b'{"kind": "Status"}'), "is not the status of policies: its kind is not"),
        (
            answering(b"{}", headers={"Content-Length": "9"}),
            "cannot be asked: peer closed connection",
        ),
    ],
)
def test_who_cannot_answer_is_told_with_the_reason(answer: Answer, why: str) -> None:
    with listening(answer) as url:
        result = run("--management", url)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"hostclaim-proxy: {url}/policies {why}")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "nonsense", "ftp://127.0.0.1", "http://[", "http://\x1b/"]
)
def test_an_address_that_cannot_be_asked_is_told(url: str) -> None:
    result = run("--management", url)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "cannot be asked: " in result.stderr
    assert "\x1b" not in result.stderr


def test_a_proxy_of_the_environment_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    assert told(WELL).exit_code == 0


def test_an_answer_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.cli.policy.status.LONGEST", 10)
    with listening(answering(inforce.encode(WELL))) as url:
        assert "answers with too much" in run("--management", url).stderr


def test_an_answer_that_trickles_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    hurrying = SimpleNamespace(monotonic=iter(range(0, 1000, 21)).__next__)
    monkeypatch.setattr("proxy.cli.policy.status.time", hurrying)
    with listening(answering(inforce.encode(WELL))) as url:
        assert "takes too long to answer" in run("--management", url).stderr


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("0.0.0.0:9000", "http://127.0.0.1:9000"),
        ("[::]:9000", "http://[::1]:9000"),
        ("[2001:db8::1]:9000", "http://[2001:db8::1]:9000"),
    ],
)
def test_an_address_to_listen_on_says_whom_to_ask(address: str, url: str) -> None:
    settings = ManagementSettings.model_validate({"address": address})
    assert status.address_of(settings.address) == url


def test_the_default_is_that_of_the_proxy() -> None:
    assert status.address_of(ManagementSettings().address) == status.DEFAULT


def test_a_configuration_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    result = run("--config", tmp_path / "gone.yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "gone.yaml" in result.stderr


def test_there_is_one_proxy_to_ask() -> None:
    result = run("--config", "proxy.yaml", "--management", "http://127.0.0.1:8081")
    assert (result.exit_code, "not both" in result.stderr) == (2, True)
