"""What reading policies costs whoever is served meanwhile."""

import gc
from pathlib import Path

import pytest

from proxy.edge.policyfiles import PolicyError, load
from proxy.edge.policyfiles.reading import Pauses, compiled, read

DOCUMENT = """apiVersion: hostclaim-proxy.metal3.io/v1alpha1
kind: AccessPolicy
metadata: {{name: {name}}}
spec:
  subjects: [{{issuer: corp, everyone: true}}]
  allow: [{{namespaces: [{name}], role: viewer}}]
"""


def write(folder: Path, *names: str) -> None:
    for file in (1, 2):
        documents = (DOCUMENT.format(name=f"{name}-{file}") for name in names)
        (folder / f"{file}.yaml").write_text("---\n".join(documents))


def test_there_may_be_a_pause_after_each_document_is_read_and_judged(tmp_path: Path) -> None:
    write(tmp_path, "blue", "red", "green")
    paused: list[None] = []
    compiled(read((tmp_path,)), lambda: paused.append(None))
    assert len(paused) == 2 * 6


def test_a_pause_is_taken_after_a_millisecond_of_work_and_no_sooner() -> None:
    now = 0.0
    slept: list[float] = []
    pauses = Pauses(lambda: now, slept.append)
    for now in (0.0009, 0.0011, 0.002, 0.0022):  # noqa: B007 - the clock reads it
        pauses()
    assert len(slept) == 2


@pytest.mark.parametrize("content", [DOCUMENT.format(name="blue"), "{"], ids=["good", "broken"])
@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_goes_on_as_before(tmp_path: Path, content: str, *, enabled: bool) -> None:
    (tmp_path / "blue.yaml").write_text(content)
    (gc.enable if enabled else gc.disable)()
    try:
        load([tmp_path])
    except PolicyError:
        assert content == "{"
    finally:
        found = gc.isenabled()
        gc.enable()
    assert found is enabled
    assert gc.get_freeze_count() == 0


def test_what_was_read_counts_as_old_to_the_collector(tmp_path: Path) -> None:
    write(tmp_path, *(f"blue-{number}" for number in range(100)))
    policies = load([tmp_path])
    assert any(each is policies for each in gc.get_objects(generation=2))
