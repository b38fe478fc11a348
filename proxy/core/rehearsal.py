"""What would be said: tests of policies, asked one by one as if tenants asked.

Never part of serving. Everything that answers is what serves: the reader of
claims, `entitlement`, and for a body the conversation itself, with a cluster
that is only imagined: empty, but for what is written and what a test says is
there. So a test cannot pass on a reading of the rules that nobody is served by.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final, assert_never

from proxy.core import answer, attributes, body, media, narrowing, secrets
from proxy.core.attributes import PATCH_TYPES, Parameter, PatchType, ResourceRequest, Verb
from proxy.core.body import Object
from proxy.core.entitlement import Allow, Deny, authorize
from proxy.core.errors import Forbidden, Refused, Unauthenticated
from proxy.core.identity import Identity, IssuerRules
from proxy.core.narrowing import STAMP, STAMPED, Call, UpstreamRequest
from proxy.core.policy import Effect, Origin, Placed, Rule, RuleSet, Trial, places
from proxy.core.supposed import Supposed, identify
from proxy.core.wire import Fields, RawRequest, Reply

MOST: Final = 250_000
"""How much may be asked at once, as `cost` counts it; it takes some seconds."""

_LONG: Final = 128
"""A body of so many bytes takes as long to judge as another case to decide."""

_ANY_NAME: Final = "any"
_NAMED: Final = frozenset({Verb.GET, Verb.UPDATE, Verb.PATCH, Verb.DELETE})
_WATCH: Final = (Parameter.of("watch", "true"),)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided, and what decided it.

    `fields` are those of a body that go too far; then `rules` are the grants that
    would let another body pass.
    """

    effect: Effect
    rules: tuple[Rule, ...]
    reason: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unasked:
    """Why there is no decision: what a test says is nothing that could be asked."""

    reason: str


@dataclass(frozen=True, slots=True)
class Case:
    """One request of a test, and what came of it."""

    trial: Trial
    who: str
    request: ResourceRequest
    outcome: Verdict | Unasked

    @property
    def passed(self) -> bool:
        """Whether it went as the test expects."""
        match self.outcome:
            case Unasked():
                return False
            case Verdict() as verdict:
                return _is_as_expected(self.trial, verdict)
        assert_never(self.outcome)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A test with all its cases: one for each verb, resource and namespace."""

    placed: Placed
    cases: tuple[Case, ...]

    @property
    def failed(self) -> tuple[Case, ...]:
        """The cases that did not go as the test expects."""
        return tuple(case for case in self.cases if not case.passed)


def rehearse(
    placed: Placed,
    rules_for: Callable[[Identity], RuleSet],
    issuers: Mapping[str, IssuerRules] | None = None,
) -> Rehearsal:
    """Ask all that a test asks.

    `issuers` are those of a configuration, by their names; without them, every
    issuer that a test names is supposed to be there.
    """
    trial = placed.trial
    who = _identified(trial, issuers)
    named = _display(trial)
    if isinstance(who, Unasked):
        return Rehearsal(placed, tuple(Case(trial, named, r, who) for r in _requests(trial)))
    rules = rules_for(who)
    cases = (Case(trial, named, r, _decide(trial, who, r, rules)) for r in _requests(trial))
    return Rehearsal(placed, tuple(cases))


def cost(trial: Trial) -> int:
    """How much it takes to ask what a test asks: its cases, more for a body. Nothing is asked."""
    asked = trial.request
    cases = len(asked.verbs) * len(asked.resources) * max(len(asked.namespaces), 1)
    return cases * (1 + len(body.render(trial.body)) // _LONG)


def origins(rules: Iterable[Rule]) -> Iterator[Origin]:
    """The places in policy files that rules are from."""
    return (place for rule in rules for place in places(rule.origin))


def _is_as_expected(trial: Trial, verdict: Verdict) -> bool:
    expected = trial.expect
    if verdict.effect is not expected.decision:
        return False
    if expected.fields and set(verdict.fields) != set(expected.fields):
        return False
    rule = expected.rule
    return not rule.policy or any(
        origin.document == rule.policy and rule.path in {"", origin.path}
        # A body that goes too far is refused by no rule.
        for origin in origins(() if verdict.fields else verdict.rules)
    )


def _identified(trial: Trial, issuers: Mapping[str, IssuerRules] | None) -> Identity | Unasked:
    person = trial.identity
    if issuers is not None and person.issuer not in issuers:
        return Unasked(f"the configuration has no issuer `{person.issuer}`")
    try:
        who = Supposed(
            issuer=person.issuer,
            username=person.username,
            groups=person.groups,
            client=person.client,
            service_account=person.service_account,
            claims=person.claims,
        )
        return identify(who, None if issuers is None else issuers[person.issuer])
    except (ValueError, Unauthenticated) as exc:
        return Unasked(f"nobody is so: {exc}")


def _display(trial: Trial) -> str:
    person = trial.identity
    named = (person.username, person.service_account, person.client, *person.groups, "somebody")
    return f"{person.issuer}:{next(filter(None, named))}"


def _requests(trial: Trial) -> Iterator[ResourceRequest]:
    asked = trial.request
    namespaces: tuple[str | None, ...] = asked.namespaces or (None,)
    for verb, resource, namespace in product(asked.verbs, asked.served(), namespaces):
        patch_type = PATCH_TYPES[asked.patch_type or "merge"] if verb is Verb.PATCH else None
        yield ResourceRequest(
            verb,
            resource,
            namespace,
            _name(trial) if verb in _NAMED else None,
            asked.subresource,
            patch_type,
            _WATCH if verb is Verb.WATCH else (),
        )


def _name(trial: Trial) -> str:
    match trial.body:
        case {"metadata": {"name": str(name)}} if attributes.is_name(name):
            return trial.request.name or name
    return trial.request.name or _ANY_NAME


def _decide(
    trial: Trial, who: Identity, request: ResourceRequest, rules: RuleSet
) -> Verdict | Unasked:
    decision = authorize(who, request, rules)
    match decision:
        case Deny() as deny:
            return Verdict(Effect.DENY, (deny.rule,) if deny.rule else (), deny.reason)
        case Allow() as allow if "body" not in trial.model_fields_set:
            return Verdict(Effect.ALLOW, allow.rules, "")
        case Allow() as allow:
            return _judge(trial, allow, request, rules)
    assert_never(decision)


def _judge(
    trial: Trial, allow: Allow, request: ResourceRequest, rules: RuleSet
) -> Verdict | Unasked:
    """Let the conversation that serves the request say what it thinks of the body."""
    try:
        written = body.render(trial.body)
        form = Fields((("Content-Type", request.patch_type or media.JSON),))
        target = attributes.render(request)
        raw = RawRequest(narrowing.METHODS[request.verb], target, form)
        _drive(Call(allow, raw, "", written), rules, _Imagined(trial, request))
    except Forbidden as refused:
        fields = tuple(cause.field for cause in refused.causes)
        return Verdict(Effect.DENY, allow.rules, refused.message, fields)
    except Refused as refused:
        # Nothing about policies: to count it as a denial would hide a slip in the test.
        return Unasked(f"the body cannot be judged: {refused}")
    return Verdict(Effect.ALLOW, allow.rules, "")


def _drive(call: Call, rules: RuleSet, cluster: "_Imagined") -> None:
    conversation = answer.begin(call, rules)
    try:
        asked = next(conversation)
        while True:
            asked = conversation.send(cluster.answer(asked))
    except StopIteration:
        return


@dataclass(frozen=True, slots=True)
class _Imagined:
    """A cluster in which the namespace is empty, but for the object that is changed.

    That object is bare, so that all that is written is new to it. What a claim refers
    to is not there, as if it was to be made next. `hostClaims` are there to be counted.
    """

    trial: Trial
    request: ResourceRequest

    def answer(self, asked: UpstreamRequest) -> Reply:
        """What its apiserver says."""
        request = self.request
        collection = attributes.render(
            ResourceRequest(Verb.LIST, request.resource, request.namespace)
        )
        creates = request.verb is Verb.CREATE or request.patch_type is PatchType.APPLY
        if asked.method != "GET":
            return _reply(200, self._stored(self.trial.body))
        if asked.target == f"{collection}/{request.name}" and not creates:
            return _reply(200, self._stored({}))
        if asked.target.startswith(f"{collection}?"):
            return _reply(200, self._counted())
        return _reply(404, {"kind": "Status", "code": 404})

    def _stored(self, written: Object) -> Object:
        """An object with what the apiserver and the proxy add to it."""
        metadata = body.section({**written}, "metadata", "metadata")
        labels = body.section({**metadata}, "labels", "metadata.labels")
        ours = {"name": self.request.name, "uid": "imagined", "resourceVersion": "1"}
        wanted = self.trial.body.get("type")
        return {
            "type": wanted if wanted in secrets.ALLOWED_TYPES else secrets.DEFAULT_TYPE,
            **written,
            "metadata": {**metadata, **ours, "labels": {STAMP: STAMPED, **labels}},
        }

    def _counted(self) -> Object:
        there = self.trial.host_claims or 0
        first: list[Object] = [{}] if there else []
        return {"metadata": {"remainingItemCount": there - len(first)}, "items": first}


def _reply(code: int, found: Object) -> Reply:
    return Reply(code, (("Content-Type", media.JSON),), body.render(found))
