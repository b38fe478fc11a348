"""Who lacks a program is told what to install."""

from pathlib import Path

import pytest

from tests.bench import machine, parts
from tests.real.making import Missing


def test_a_missing_program_is_named_with_its_package() -> None:
    with pytest.raises(Missing, match="the package `no-such-program` has it"):
        parts.installed("no-such-program")


def test_the_peer_is_pinned() -> None:
    assert parts.pinned() in (Path(__file__).parent / "kuberbacproxy" / "go.sum").read_text()


def test_a_limit_that_is_too_low_is_named() -> None:
    with pytest.raises(Missing, match="the hard limit is"):
        machine.raise_descriptors(2**40)


def test_a_processor_has_a_name() -> None:
    assert machine.cpu_model("processor: 0\nmodel name\t: AMD EPYC 7B13\n") == "AMD EPYC 7B13"
