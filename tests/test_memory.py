"""What is remembered of somebody, and for how long."""

from dataclasses import dataclass

from proxy.memory import Memory


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def remembering(room: int = 10) -> tuple[Memory[str, str], Clock]:
    clock = Clock()
    return Memory(room, clock, len), clock


def test_what_was_put_is_found_until_it_is_forgotten() -> None:
    memory, _ = remembering()
    memory.put("a", "x", 2000)
    assert (memory.get("a"), memory.get("b")) == ("x", None)
    memory.forget("a")
    memory.forget("b")
    assert memory.get("a") is None


def test_who_was_not_seen_for_longest_goes_first() -> None:
    memory, _ = remembering(room=2)
    for key in ("a", "b"):
        memory.put(key, "x", 2000)
    memory.get("a")
    memory.put("c", "x", 2000)
    assert [memory.get(key) for key in ("a", "b", "c")] == ["x", None, "x"]


def test_what_is_larger_than_the_room_is_not_remembered() -> None:
    memory, _ = remembering(room=2)
    memory.put("a", "xxx", 2000)
    assert len(memory) == 0


def test_what_has_expired_is_forgotten_as_others_come() -> None:
    memory, clock = remembering()
    memory.put("a", "x", 1010)
    memory.put("b", "x", 1100)
    clock.now = 1060
    memory.put("c", "x", 2000)
    assert [memory.get(key) for key in ("a", "b", "c")] == [None, "x", "x"]


def test_what_has_expired_is_not_looked_for_each_time() -> None:
    memory, clock = remembering()
    memory.put("a", "x", 1010)
    clock.now = 1020
    memory.put("b", "x", 2000)
    assert len(memory) == 2


def test_everything_can_be_forgotten() -> None:
    memory, _ = remembering()
    memory.put("a", "x", 2000)
    memory.clear()
    assert len(memory) == 0
