"""What a refusal must be: a `Status` for the caller, one audit record, nothing upstream."""

import json
from collections.abc import Container, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.e2e.wire import Answer, connected
from tests.e2e.world import ServedProxy, World, eventually

REASONS = {
    400: {"BadRequest"},
    401: {"Unauthorized"},
    403: {"Forbidden"},
    405: {"MethodNotAllowed"},
    408: {"Timeout"},
    411: {"BadRequest"},
    413: {"RequestEntityTooLarge"},
    415: {"UnsupportedMediaType"},
    431: {"BadRequest"},
}


class Ledger:
    """Sends what is to be refused, and looks at everything that it leaves behind."""

    def __init__(self, world: World, proxy: ServedProxy) -> None:
        self._world = world
        self._proxy = proxy
        self._records = _Tail(proxy.audit_file)
        self._seen: list[str] = []
        self._secrets: set[str] = set()

    async def refused(
        self,
        *said: bytes,
        code: int,
        token: str = "",
        decisions: Container[str] = ("forbid",),
        closes: bool = False,
    ) -> tuple[Answer, Any]:
        """Say something on a connection of its own; returns the answer and the audit record.

        `TOKEN` in what is said becomes `token`, of which no part may be seen again. With
        `closes`, the connection has to end after the one answer.
        """
        upstream = self._world.proxy_requests()
        began = datetime.now(UTC)
        async with connected(self._proxy.port, self._proxy.trust) as connection:
            for piece in said:
                await connection.say(piece.replace(b"TOKEN", token.encode()))
            answer = await connection.answer(to=said[0].partition(b" ")[0].decode("latin-1"))
            assert not closes or await connection.answers() == []
        record = self._record(began)
        self._keep(token)
        self.check_status(answer, code, body=not said[0].startswith(b"HEAD "))
        assert record["auditID"] == answer.header("Audit-Id")
        assert record["responseStatus"]["code"] == code
        assert record["annotations"]["authorization.k8s.io/decision"] in decisions
        assert self._world.proxy_requests() == upstream, "something was sent upstream"
        return answer, record

    def check_status(self, answer: Answer, code: int, *, body: bool = True) -> None:
        """Whether an answer is a `Status` that says what to do and gives nothing away."""
        assert answer.code == code, answer.body
        assert answer.header("Content-Type") == "application/json"
        assert (answer.header("WWW-Authenticate") != "") is (code == 401)
        if not body:
            return
        told = answer.json
        assert (told["kind"], told["apiVersion"]) == ("Status", "v1")
        assert (told["status"], told["code"]) == ("Failure", code)
        assert told["reason"] in REASONS[code]
        assert len(told["message"]) > 10
        assert told["message"] == told["message"].strip(" .")
        for hidden in ("127.0.0.1", str(self._world.access.server.rpartition(":")[2])):
            assert hidden not in answer.body.decode()
        for secret in self._secrets:
            assert secret not in answer.body.decode()

    def close(self) -> None:
        """Look at what only the end can show: records written twice, tokens in a log."""
        self._records.close()
        found = [record["auditID"] for record in self._proxy.audit()]
        assert not [seen for seen in self._seen if found.count(seen) != 1]
        for log in (self._proxy.audit_file, self._proxy.log_file):
            text = log.read_text()
            assert not [secret for secret in self._secrets if secret in text], log

    def _record(self, began: datetime) -> Any:
        """The one record of a request that was received since.

        That of one before may come late: records are written once answers are on their way.
        """
        found: list[Any] = []

        def come() -> bool:
            found.extend(
                record
                for record in self._records.lines()
                if datetime.fromisoformat(record["requestReceivedTimestamp"]) >= began
            )
            return bool(found)

        eventually(come, "the audit record")
        (record,) = found
        self._seen.append(record["auditID"])
        return record

    def _keep(self, token: str) -> None:
        """Remember the parts of a token that would give it away."""
        self._secrets |= {part for part in token.split(".") if len(part) > 40}


class _Tail:
    """What is written to a file, as it comes."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._unfinished = b""

    def lines(self) -> list[Any]:
        """The lines that have come to their end since the last time."""
        *lines, self._unfinished = (self._unfinished + self._file.read()).split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        self._file.close()


def record_of(proxy: ServedProxy, audit_id: str) -> Any:
    """The one audit record of an answer; it is written after the answer is sent."""

    def records() -> list[Any]:
        return [record for record in proxy.audit() if record["auditID"] == audit_id]

    eventually(lambda: bool(records()), "the audit record")
    (record,) = records()
    return record


@contextmanager
def kept(world: World, proxy: ServedProxy) -> Iterator[Ledger]:
    """A ledger that is looked through in the end."""
    ledger = Ledger(world, proxy)
    yield ledger
    ledger.close()
