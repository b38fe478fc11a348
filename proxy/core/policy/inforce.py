"""What is in force: policy files, when they were loaded, what is wrong, what each rule did.

The shape that operators are shown, by one process or by several as one.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from proxy.core.policy.model import API_VERSION
from proxy.core.policy.rules import Effect

KIND: Final = "PolicyStatus"

_Moment: TypeAlias = Annotated[datetime, Meta(tz=True)]


class _Shown(Struct, frozen=True, kw_only=True, rename="camel"):
    """Known by the names of the wire."""


class File(_Shown, frozen=True):
    """A file that was read. `workers` are those that have it, where not all do."""

    path: str
    sha256: str
    workers: tuple[int, ...] | UnsetType = UNSET


class RuleInForce(_Shown, frozen=True):
    """A rule: where it stands, and how many decisions it made since the start.

    `workers` are those that have it, where not all do.
    """

    document: str
    path: str
    file: str
    line: int
    effect: Effect
    hits: int
    workers: tuple[int, ...] | UnsetType = UNSET


class Fault(_Shown, frozen=True):
    """Something that is wrong in a file."""

    file: str
    line: int
    column: int
    field: str
    message: str
    hint: str


class Failure(_Shown, frozen=True):
    """Why the files that are there are not in force: the first problems, and how many `more`."""

    failed_at: _Moment
    problems: tuple[Fault, ...]
    more: int = 0


class Worker(_Shown, frozen=True):
    """One of several processes. `trouble` is why nothing is known of it, or empty."""

    number: int
    trouble: str = ""
    loaded_at: _Moment | None = None
    reloads: int = 0
    failures: int = 0
    broken: bool = False


class InForce(_Shown, frozen=True):
    """What is in force. Without policy files there is nothing, and it is not `configured`.

    Of several workers, times and numbers are those of the one that loaded last; hits
    are the sum of all. They `agree` if each has the same files in force.
    """

    api_version: str = API_VERSION
    kind: str = KIND
    configured: bool = True
    loaded_at: _Moment | None = None
    reloads: int = 0
    failures: int = 0
    enforced_rules: int = 0
    shadow_rules: int = 0
    error: Failure | None = None
    files: tuple[File, ...] = ()
    rules: tuple[RuleInForce, ...] = ()
    workers: tuple[Worker, ...] = ()
    agree: bool = True


_Answers: TypeAlias = Sequence[tuple[int, InForce]]
_decoder: Final = msgspec.json.Decoder(InForce)


class _Named(Struct, frozen=True):
    """Something that says what it is."""

    kind: str


_named: Final = msgspec.json.Decoder(_Named)


def encode(known: InForce) -> bytes:
    """As JSON."""
    return msgspec.json.encode(known) + b"\n"


def decode(written: bytes) -> InForce:
    """Read what `encode` wrote, be it of a version that says more.

    Raises:
        ValueError: it is something else.
    """
    try:
        if _named.decode(written).kind != KIND:
            raise ValueError(f"its kind is not `{KIND}`")
        return _decoder.decode(written)
    except RecursionError as exc:
        raise ValueError("it nests too deep") from exc


def merged(known: Mapping[int, InForce | str]) -> InForce:
    """What workers have in force, as one; a text says why nothing is known of one."""
    workers = tuple(_worker(number, each) for number, each in known.items())
    answers = [(number, each) for number, each in known.items() if isinstance(each, InForce)]
    if not answers:
        return InForce(workers=workers, agree=False)
    # Of workers that differ, what the newest has comes first.
    answers.sort(key=lambda answer: _loaded(answer[1]), reverse=True)
    _, newest = answers[0]
    errors = [each.error for _, each in answers if each.error is not None]
    return msgspec.structs.replace(
        newest,
        error=max(errors, key=lambda error: error.failed_at, default=None),
        files=_files(answers),
        rules=_rules(answers),
        workers=workers,
        agree=len(answers) == len(known) and all(one.files == newest.files for _, one in answers),
    )


def _loaded(known: InForce) -> float:
    return known.loaded_at.timestamp() if known.loaded_at else 0


def _files(answers: _Answers) -> tuple[File, ...]:
    having: dict[File, list[int]] = {}
    for number, known in answers:
        for file in known.files:
            having.setdefault(file, []).append(number)
    return tuple(
        msgspec.structs.replace(file, workers=_some(numbers, answers))
        for file, numbers in having.items()
    )


def _rules(answers: _Answers) -> tuple[RuleInForce, ...]:
    having: dict[object, list[tuple[int, RuleInForce]]] = {}
    for number, known in answers:
        for rule in known.rules:
            key = (rule.file, rule.line, rule.document, rule.path, rule.effect)
            having.setdefault(key, []).append((number, rule))
    return tuple(
        msgspec.structs.replace(
            had[0][1],
            hits=sum(rule.hits for _, rule in had),
            workers=_some([number for number, _ in had], answers),
        )
        for had in having.values()
    )


def _some(numbers: list[int], answers: _Answers) -> tuple[int, ...] | UnsetType:
    return UNSET if len(numbers) == len(answers) else tuple(sorted(numbers))


def _worker(number: int, known: InForce | str) -> Worker:
    if isinstance(known, str):
        return Worker(number=number, trouble=known)
    return Worker(
        number=number,
        loaded_at=known.loaded_at,
        reloads=known.reloads,
        failures=known.failures,
        broken=known.error is not None,
    )
