"""What a supervisor and its workers say to each other."""

import json
from typing import get_args

import msgspec
import pytest

from proxy.serving import messages
from proxy.serving.messages import (
    LONGEST,
    LONGEST_TEXT,
    Answer,
    Answered,
    Ask,
    Asked,
    Done,
    Found,
    LogOut,
    Look,
    NotStarted,
    Push,
    Refusal,
    Shown,
    ShownPolicies,
)

TEXT = 'a "quoted"\nline, \x00 and é'
ASKS: list[Ask] = [Look("ready"), LogOut(TEXT), Push(TEXT)]
ANSWERS: list[Answer] = [
    Found({"a": TEXT}),
    Shown(TEXT),
    ShownPolicies(TEXT.encode()),
    Refusal(503, TEXT),
    NotStarted(TEXT),
]


@pytest.mark.parametrize(
    "ask", [*ASKS, *(kind() for kind in get_args(Ask) if not kind.__match_args__)]
)
def test_a_question_is_one_line_and_read_as_it_was_said(ask: Ask) -> None:
    line = messages.line(Asked(7, ask))
    assert line.find(b"\n") == len(line) - 1
    assert messages.read_asked(line) == Asked(7, ask)


@pytest.mark.parametrize("answer", [*ANSWERS, Done()])
def test_an_answer_is_one_line_and_read_as_it_was_said(answer: Answer) -> None:
    line = messages.line(Answered(7, answer))
    assert line.find(b"\n") == len(line) - 1
    assert messages.read_answered(line) == Answered(7, answer)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"{}",
        b"nonsense",
        b'{"number": 1, "ask": {"type": "Unheard"}}',
        b'{"number": 1, "ask": {"type": "Look"}}',
        b'{"number": 1, "ask": {"type": "Look", "at": "all"}}',
        b'{"number": 1, "ask": {"type": "Drain", "more": 1}}',
        b'{"number": "1", "ask": {"type": "Drain"}}',
    ],
)
def test_what_is_no_question_is_not_taken_for_one(said: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        messages.read_asked(said)


def test_an_answer_is_no_question() -> None:
    with pytest.raises(msgspec.MsgspecError):
        messages.read_asked(messages.line(Answered(1, Done())))


def test_a_line_has_an_end() -> None:
    room = LONGEST - len(messages.line(Answered(1, Shown(""))))
    assert len(messages.line(Answered(1, Shown("x" * room)))) == LONGEST
    with pytest.raises(ValueError, match="too long"):
        messages.line(Answered(1, Shown("x" * (room + 1))))


def test_no_message_is_mistaken_for_another() -> None:
    names = [json.loads(messages.line(Asked(1, ask)))["ask"]["type"] for ask in ASKS]
    assert names == ["Look", "LogOut", "Push"]


def test_what_is_packed_is_unpacked_and_may_be_longer_than_a_line() -> None:
    rule = b'{"document":"team","path":"spec.allow[0]","file":"policies/team.yaml","hits":0},'
    text = rule * (2 * LONGEST // len(rule))
    answer = Answered(7, ShownPolicies(messages.pack(text)))
    read = messages.read_answered(messages.line(answer)).answer
    assert isinstance(read, ShownPolicies)
    assert messages.unpack(read.packed) == text


@pytest.mark.parametrize(
    "packed",
    [b"", b"nonsense", messages.pack(b"rules")[:-1], messages.pack(bytes(LONGEST_TEXT + 1))],
    ids=["nothing", "nonsense", "cut off", "too long"],
)
def test_what_was_not_packed_by_a_worker_is_not_unpacked(packed: bytes) -> None:
    with pytest.raises(ValueError, match="it is"):
        messages.unpack(packed)
