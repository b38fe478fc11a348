"""The proxy and the reference, asked the same at random; where they differ is a bug.

`make test` looks for a few seconds. ORACLE=full, which `make oracle` and so every CI
run sets, looks for 10,000 examples; a failure prints what reproduces it. Of a request that
has several faults any may be told, so there is one right answer or a set of them.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from proxy.demo.cluster.store import Change
from tests.oracle import bodies, strategies
from tests.oracle.grants import span
from tests.oracle.hosts import hosts_shown
from tests.oracle.questions import Asked, Object, Request, read
from tests.oracle.reference import FINALIZER, REFERENCES, SECRET_TYPES, STAMP, expect
from tests.oracle.strategies import CALLERS, UID, VERSION, Deed
from tests.oracle.verdicts import Pass, Refusal, names_in
from tests.oracle.world import Served, World

_SEARCH = settings(
    deadline=None,
    database=None,
    # Every run asks other questions, on machines where Hypothesis would not, too.
    derandomize=False,
    print_blob=True,
    # How long it takes says nothing here.
    suppress_health_check=[HealthCheck.too_slow],
)
PROFILES = {
    "": settings(_SEARCH, max_examples=150, stateful_step_count=10),
    "full": settings(_SEARCH, max_examples=10_000, stateful_step_count=5),
    # For a planted bug, that it is found counts, and not the shortest way to it.
    "planted": settings(
        _SEARCH,
        max_examples=10_000,
        stateful_step_count=10,
        phases=[Phase.generate],
        report_multiple_bugs=False,
    ),
}


class DisagreementError(AssertionError):
    """The rules and the proxy differ: on what, what either says, and where it shows."""


def _several(
    requests: st.SearchStrategy[Request],
) -> st.SearchStrategy[list[tuple[str, Request]]]:
    """What is asked, one after the other, and by whom."""
    return st.lists(st.tuples(strategies.tokens, requests), min_size=1, max_size=3)


class Oracle(RuleBasedStateMachine):
    """Tenants, an owner and administrators, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(CALLERS)
        self.policies: list[Object] = []
        self.served: list[tuple[str, Served]] = []

    @initialize(
        policies=strategies.policies(),
        deeds=st.lists(strategies.deeds(), min_size=2, max_size=6),
        host_deeds=st.lists(strategies.host_deeds(), min_size=1, max_size=6),
    )
    def begin(self, policies: list[Object], deeds: list[Deed], host_deeds: list[Deed]) -> None:
        self.the_policies_change(policies)
        for deed in (*deeds, *host_deeds):
            self.world.act(*deed)

    @rule(deed=strategies.deeds())
    def the_owner_acts(self, deed: Deed) -> None:
        self.world.act(*deed)
        self.world.settle()

    @rule(deed=strategies.host_deeds())
    def the_owner_acts_on_hosts(self, deed: Deed) -> None:
        self.world.act(*deed)
        self.world.settle()

    @rule(policies=strategies.policies())
    def the_policies_change(self, policies: list[Object]) -> None:
        self.policies = policies
        self.world.become(policies)
        self.world.settle()

    @rule(
        token=strategies.tokens,
        request=st.one_of(strategies.strange_requests(), strategies.reviews),
    )
    def something_else_is_asked(self, token: str, request: Request) -> None:
        self._ask(token, request)

    @rule(asked=_several(strategies.questions_about_hosts()))
    def hosts_are_asked_about(self, asked: list[tuple[str, Request]]) -> None:
        for token, request in asked:
            self._ask(token, request)

    @rule(asked=_several(strategies.requests()))
    def somebody_asks(self, asked: list[tuple[str, Request]]) -> None:
        for token, request in asked:
            self._ask(token, request)

    @rule(asked=_several(strategies.requests()))
    def somebody_asks_again(self, asked: list[tuple[str, Request]]) -> None:
        """Twice as often as the rest."""
        for token, request in asked:
            self._ask(token, request)

    @rule(
        token=strategies.tokens,
        request=strategies.requests(),
        deed=strategies.deeds(),
        moment=st.integers(0, 4),
    )
    def the_owner_acts_in_the_midst(
        self, token: str, request: Request, deed: Deed, moment: int
    ) -> None:
        """What comes of it depends on who was first; what must never be depends on nothing."""
        store = self.world.server.store
        owners: list[int] = []

        def act() -> None:
            before = store.revision
            self.world.act(*deed)
            owners.extend(range(before + 1, store.revision + 1))

        self.world.upstream.meanwhile[moment] = act
        request = self._filled(request)
        before = store.revision
        served = self._serve(token, request)
        changes = [c for c in self.world.since(before) if c.revision not in owners]
        with _compared(token, request, "whoever is first, never", _did(served, changes)):
            assert b'"internal error"' not in served.client.received
            for change in changes:
                _check_change(read(request), change)

    @invariant()
    def each_request_that_has_ended_is_recorded_once(self) -> None:
        ended = sum(served.task.done() for _, served in self.served)
        assert len(self.world.audit.events) == ended

    @invariant()
    def watches_show_what_is_allowed_and_end_when_it_is_not(self) -> None:
        for token, served in self.served:
            asked = read(served.request)
            if not isinstance(asked, Asked) or asked.verb != "watch" or served.client.code != 200:
                continue
            held = span(self.policies, CALLERS[token], asked)
            fresh = served.fresh().splitlines()
            with _compared(token, served.request, f"watch {held}", f"watched {fresh}"):
                for line in fresh:
                    _check_event(served, json.loads(line))
                assert held == served.span or served.task.done(), "a watch outlives what allowed it"

    def teardown(self) -> None:
        for _, served in self.served:
            if not served.task.done():
                self.world.leave(served)
        self.world.close()

    def _ask(self, token: str, request: Request) -> None:
        """Ask the reference and the proxy, and compare."""
        request = self._filled(request)
        expected = expect(CALLERS.get(token), self.policies, self.world, request)
        hosts = self._hosts_shown(token, request)
        before = self.world.server.store.revision
        served = self._serve(token, request)
        changes = self.world.since(before)
        with _compared(token, request, expected, _did(served, changes)):
            assert b'"internal error"' not in served.client.received
            for change in changes:
                _check_change(read(request), change)
                self._check_references(change)
            match expected:
                case Refusal():
                    _check_refused(expected, served, changes)
                case Pass():
                    self._check_passed(expected, served, changes)
            self._check_discretion(served, hosts)

    def _hosts_shown(self, token: str, request: Request) -> set[str]:
        asked = read(request)
        if not isinstance(asked, Asked) or token not in CALLERS:
            return set()
        return hosts_shown(CALLERS[token], self.policies, self.world, asked)

    def _serve(self, token: str, request: Request) -> Served:
        served = self.world.serve(token, request)
        asked = read(request)
        if isinstance(asked, Asked) and token in CALLERS:
            served.span = span(self.policies, CALLERS[token], asked)
        self.served.append((token, served))
        return served

    def _filled(self, request: Request) -> Request:
        """The request with the versions and uids of now."""
        asked = read(request)
        if not isinstance(asked, Asked):
            return request
        live = self.world.find(asked.plural, asked.namespace, asked.name) if asked.name else None
        owner = self.world.find("hostclaims", asked.namespace, "one")
        meant = live if asked.verb == "delete" else owner
        version = live["metadata"]["resourceVersion"] if live else "1"
        uid = meant["metadata"]["uid"] if meant else "u"
        said = request.body.replace(VERSION.encode(), version.encode())
        said = said.replace(UID.encode(), uid.encode())
        kind = "DeleteOptions" if asked.verb.startswith("delete") else "Secret"
        body = bodies.write(said, request.content_type, request.spoilt, kind) if said else b""
        return replace(request, body=body, said=said)

    def _check_passed(self, expected: Pass, served: Served, changes: list[Change]) -> None:
        assert served.client.code == expected.code
        if expected.shown is not None:
            assert _shown(served) == expected.shown
        if expected.stored is not None:
            asked = read(served.request)
            assert isinstance(asked, Asked)
            name = expected.stored["metadata"]["name"]
            stored = self.world.find(asked.plural, asked.namespace, name)
            assert stored is not None
            assert _comparable(stored) == _comparable(expected.stored)
        elif expected.code >= 300:
            assert not changes

    def _check_references(self, change: Change) -> None:
        """What a claim that is written refers to is the tenant's, or is not there."""
        if change.key.plural != "hostclaims" or change.gone or _is_only_marked(change):
            return
        for reference in _references(change.now):
            found = self.world.find("secrets", change.key.namespace, reference.get("name", ""))
            assert found is None or _is_stamped(found)

    def _check_discretion(self, served: Served, hosts: set[str]) -> None:
        """Nothing of what is not the tenant's is in an answer."""
        answer = served.client.received.decode()
        for plural in ("secrets", "hostclaims"):
            for obj in self.world.every(plural):
                yours = plural == "hostclaims" or _is_stamped(obj)
                if obj["metadata"]["namespace"] in served.span and yours:
                    continue
                assert obj["metadata"]["uid"] not in answer
                assert obj.get("data", {}).get("private", "nothing") not in answer
        asked = read(served.request)
        here = asked.namespace if isinstance(asked, Asked) else ""
        for obj in (*self.world.every("hardwaredata"), *self.world.every("hostdeploypolicies")):
            metadata = obj["metadata"]
            yours = obj["kind"] == "HardwareData" and metadata["name"] in hosts
            assert (yours and metadata["namespace"] == here) or metadata["uid"] not in answer


def _check_change(asked: Asked | frozenset[int], change: Change) -> None:
    """What must be true of every change that a tenant makes, whoever was first."""
    assert isinstance(asked, Asked)
    assert (change.key.plural, change.key.namespace) == (asked.plural, asked.namespace)
    assert asked.name in {"", change.key.name}
    if change.key.plural == "secrets":
        _check_secret(change)
    elif not change.gone:
        _check_claim(change)


def _check_secret(change: Change) -> None:
    if change.before is not None:
        assert _is_stamped(change.before), "a secret that is not the tenant's was written"
        assert change.now["type"] == change.before["type"]
    else:
        assert change.now["type"] in SECRET_TYPES
    assert change.gone or _is_stamped(change.now)


def _check_claim(change: Change) -> None:
    before, now = change.before or {"metadata": {}}, change.now
    assert now.get("status") == before.get("status")
    then, finalizers = (set(c["metadata"].get("finalizers", ())) for c in (before, now))
    assert finalizers - {FINALIZER} <= then
    assert FINALIZER not in then - finalizers
    if not _is_only_marked(change):
        for reference in _references(now):
            assert reference.get("namespace") in {None, "", change.key.namespace}


def _is_only_marked(change: Change) -> bool:
    """Whether a change is a deletion that waits for finalizers."""
    before = change.before or {"metadata": {}}
    return "deletionTimestamp" in set(change.now["metadata"]) - set(before["metadata"])


def _references(claim: Object) -> Iterator[Object]:
    yield from (claim["spec"][key] for key in REFERENCES if key in claim["spec"])


def _check_refused(expected: Refusal, served: Served, changes: list[Change]) -> None:
    assert served.client.code in expected.codes
    assert json.loads(served.client.received)["kind"] == "Status"
    assert not changes
    assert not expected.unheard or not served.sent
    hardware = [sent for sent in served.sent if "/hardwaredata" in sent.target]
    assert expected.by_cluster or not hardware
    writes = [sent for sent in served.sent if sent.method != "GET"]
    assert expected.by_cluster or all("dryRun=All" in sent.target for sent in writes)


def _check_event(served: Served, event: Object) -> None:
    found = event["object"]
    if found["kind"] == "Table":
        [row] = found["rows"]
        found = row["object"]
    if event["type"] not in {"BOOKMARK", "ERROR"}:
        of_hosts = "/hardwaredata" in served.request.target
        where = [served.request.target.split("/")[5]] if of_hosts else served.span
        assert found["metadata"]["namespace"] in where
        assert "/secrets" not in served.request.target or _is_stamped(found)


def _shown(served: Served) -> object:
    """What an answer shows, as far as the reference says it."""
    asked = read(served.request)
    assert isinstance(asked, Asked)
    shown = json.loads(served.client.received)
    if asked.verb == "review":
        return shown["status"]["allowed"]
    if asked.verb == "discovery":
        return {resource["name"] for resource in shown["resources"]}
    if asked.verb == "list" and asked.plural == "hardwaredata":
        return names_in(shown), shown["metadata"]
    if asked.verb == "list" and (asked.plural == "secrets" or not asked.namespace):
        return names_in(shown)
    return shown


def _comparable(stored: Object) -> Object:
    """An object without what differs from one write to the next."""
    fleeting = ("uid", "resourceVersion", "managedFields", "generation")
    metadata = {k: v for k, v in stored["metadata"].items() if v and k not in fleeting}
    return {**stored, "metadata": metadata}


def _is_stamped(secret: Object) -> bool:
    return bool(secret["metadata"].get("labels", {}).get(STAMP) == "true")


@contextmanager
def _compared(token: str, request: Request, rules: object, proxy: str) -> Iterator[None]:
    """Say of what is found wrong inside what was asked, and what either says to that."""
    try:
        yield
    except AssertionError as wrong:
        headers = "".join(f", {key}: {value}" for key, value in request.headers)
        body = f"{request.said or request.body!r} {request.spoilt}"
        asked = f"{token} {request.method} {request.target}{headers} {body}"
        found = {"asked": asked, "rules": rules, "proxy": proxy, "wrong": wrong}
        told = "\n".join(f"{key}: {value}" for key, value in found.items())
        raise DisagreementError(f"\n{told}") from wrong


def _did(served: Served, changes: list[Change]) -> str:
    """What the proxy answered, what it sent upstream for it, and what is stored since."""
    sent = [f"{request.method} {request.target}" for request in served.sent]
    stored = ["/".join(change.key) for change in changes]
    answer = " ".join(served.client.received.decode().split())
    return f"{served.client.code} after {sent}, stored {stored}: {answer}"


@pytest.mark.timeout(3600)
def test_the_proxy_does_what_the_rules_say() -> None:
    run_state_machine_as_test(Oracle, settings=PROFILES[os.environ.get("ORACLE", "")])
