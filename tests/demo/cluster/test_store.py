"""The store knows what is, and for a while what was."""

import pytest

from proxy.demo.cluster.store import ForgottenError, Key, Store

ONE = Key("g", "things", "ns", "one")
TWO = Key("g", "things", "ns", "two")
KIND = ("g", "things")


def thing(name: str) -> dict[str, object]:
    return {"metadata": {"name": name}}


def names(objects: list[dict[str, object]]) -> list[object]:
    return [obj["metadata"]["name"] for obj in objects]  # type: ignore[index] # made above


def test_every_write_has_a_revision_of_its_own() -> None:
    store = Store()
    first, second = store.put(ONE, thing("one")), store.put(TWO, thing("two"))
    gone = store.remove(ONE)
    versions = [obj["metadata"]["resourceVersion"] for obj in (first, second, gone)]
    assert versions == ["2", "3", "4"]


def test_what_was_given_is_never_changed() -> None:
    given = thing("one")
    Store().put(ONE, given)
    assert given == thing("one")


def test_the_past_can_be_read() -> None:
    store = Store()
    store.put(ONE, thing("one"))
    store.put(TWO, thing("two"))
    store.remove(ONE)
    past = [names(store.select_at(revision, KIND)) for revision in (1, 2, 3, 4)]
    assert past == [[], ["one"], ["one", "two"], ["two"]]


def test_history_is_bounded() -> None:
    store = Store(history=2)
    for _ in range(3):
        store.put(ONE, thing("one"))
    assert [change.revision for change in store.since(2)] == [3, 4]
    with pytest.raises(ForgottenError):
        store.since(1)


def test_listeners_are_told_until_they_stop() -> None:
    store, told = Store(), list[str]()
    stop = store.listen(lambda: told.append("changed"))
    store.put(ONE, thing("one"))
    stop()
    store.remove(ONE)
    assert told == ["changed"]
