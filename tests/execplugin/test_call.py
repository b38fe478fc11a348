"""One run of the plugin, from what is kept to what is handed out."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from proxy.execplugin.cache import Cache
from proxy.execplugin.call import Call, Credential
from proxy.execplugin.faults import PluginError, UnreachableError
from proxy.execplugin.kept import Kept

OLD = Kept("old", asked_at=1000, renew_at=1240, expires_at=1300, refresh="refresh-1")
NEW = Kept("new", asked_at=1100, renew_at=1340, expires_at=1400, refresh="refresh-2")
KUBECTL, OTHER = "7@1", "8@1"


@dataclass
class Issuer:
    """Gives tokens, and remembers by which refresh token."""

    asked: list[str | None] = field(default_factory=list)
    fault: PluginError | None = None

    def renew(self, refresh: str | None) -> Kept:
        self.asked.append(refresh)
        if self.fault is not None:
            raise self.fault
        return NEW


@dataclass
class Runs:
    """The plugin, run again and again by whoever."""

    cache: Cache
    issuer: Issuer = field(default_factory=Issuer)
    said: list[str] = field(default_factory=list)
    now: float = 1100

    def run(self, holder: str | None = KUBECTL, **how: Any) -> str:
        return self.credential(holder, **how).token

    def credential(self, holder: str | None = KUBECTL, **how: Any) -> Credential:
        call = Call(self.issuer.renew, self.said.append, holder, clock=lambda: self.now, **how)
        return call.credential(self.cache)


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    cache = Cache(tmp_path / "cache", "blue", pytest.fail)
    yield Runs(cache)
    cache.close()


def test_the_first_token_is_asked_for_and_kept(runs: Runs) -> None:
    assert runs.credential() == Credential("new", 1340)
    assert runs.run(OTHER) == "new"
    assert runs.issuer.asked == [None]


def test_the_token_of_before_does(runs: Runs) -> None:
    runs.cache.write(OLD)
    assert runs.credential() == Credential("old", 1240)
    assert runs.issuer.asked == []


def test_a_token_that_is_due_is_renewed_by_its_refresh_token(runs: Runs) -> None:
    runs.cache.write(OLD)
    runs.now = 1240
    assert runs.run() == "new"
    assert runs.issuer.asked == ["refresh-1"]


def test_a_token_that_was_refused_is_replaced_once_however_many_were_refused(
    runs: Runs,
) -> None:
    runs.cache.write(OLD)
    kubectls = [f"{number}@1" for number in range(20)]
    assert {runs.run(kubectl) for kubectl in kubectls} == {"old"}
    assert {runs.run(kubectl) for kubectl in kubectls} == {"new"}
    assert runs.issuer.asked == ["refresh-1"]


def test_a_proxy_that_refuses_every_token_does_not_make_load_on_the_issuer(runs: Runs) -> None:
    assert {runs.run() for _ in range(20)} == {"new"}
    assert runs.issuer.asked == [None]


def test_by_hand_the_same_token_is_shown_again(runs: Runs) -> None:
    runs.cache.write(OLD)
    assert [runs.run(None) for _ in range(2)] == ["old", "old"]


def test_a_token_that_is_only_due_serves_while_the_issuer_is_away(runs: Runs) -> None:
    runs.cache.write(OLD)
    runs.issuer.fault = UnreachableError("it cannot be reached")
    runs.now = 1295
    assert runs.credential() == Credential("old", 1300)
    runs.now = 1250
    assert runs.credential() == Credential("old", 1260)
    assert runs.said == ["using the token of before: it cannot be reached"] * 2


def test_a_token_that_was_refused_does_not_serve_while_the_issuer_is_away(runs: Runs) -> None:
    runs.cache.write(OLD.handed_to(KUBECTL))
    runs.issuer.fault = UnreachableError("it cannot be reached")
    with pytest.raises(UnreachableError):
        runs.run()


@pytest.mark.parametrize("now", [1250, 1300])
def test_an_issuer_that_says_no_is_believed(runs: Runs, now: float) -> None:
    runs.cache.write(OLD)
    runs.issuer.fault = PluginError("the login was denied")
    runs.now = now
    with pytest.raises(PluginError, match="denied"):
        runs.run()


def test_an_expired_token_is_not_handed_out_whatever_happens(runs: Runs) -> None:
    runs.cache.write(OLD)
    runs.issuer.fault = UnreachableError("it cannot be reached")
    runs.now = 1300
    with pytest.raises(UnreachableError):
        runs.run()


def test_a_failure_leaves_the_refresh_token_where_it_is(runs: Runs) -> None:
    runs.cache.write(OLD)
    runs.issuer.fault = UnreachableError("it cannot be reached")
    runs.now = 1300
    with pytest.raises(UnreachableError):
        runs.run()
    runs.issuer.fault = None
    assert runs.run() == "new"
    assert runs.issuer.asked == ["refresh-1", "refresh-1"]


def test_who_waits_in_vain_asks_on_their_own(runs: Runs) -> None:
    with runs.cache.lock(0):
        assert runs.run(patience=0) == "new"
    assert runs.cache.read() is None
    assert "another process" in runs.said[0]


def test_no_second_login_begins_while_one_is_under_way(runs: Runs) -> None:
    with runs.cache.lock(0), pytest.raises(PluginError, match="another process"):
        runs.run(patience=0, needs_person=True)
    assert runs.issuer.asked == []


def test_without_a_cache_each_run_asks(runs: Runs) -> None:
    call = Call(runs.issuer.renew, pytest.fail, KUBECTL)
    assert [call.credential(None).token for _ in range(2)] == ["new", "new"]
    assert runs.issuer.asked == [None, None]
