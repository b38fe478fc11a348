"""What an admin expects: the format of a test of policies, which grants nothing.

Read as strictly as policies are. What could never happen is wrong, not merely
refused: a test that passes because nobody can ask so would prove nothing.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from proxy.core.attributes import (
    HOSTCLAIMS,
    OPT_IN,
    PATCH_TYPES,
    SERVED,
    Resource,
    Verb,
    is_namespace,
)
from proxy.core.identity import is_issuer_name
from proxy.core.policy import values
from proxy.core.policy.codes import Code
from proxy.core.policy.faults import Fault, ticked
from proxy.core.policy.located import shown
from proxy.core.policy.model import API_VERSION, Metadata, Model
from proxy.core.policy.origins import Origin
from proxy.core.policy.rules import Effect

KIND: Final = "PolicyTest"

_RESOURCES: Final = {resource.plural: resource for resource in (*SERVED, *OPT_IN)}
_SUBRESOURCES: Final = tuple(dict.fromkeys(s for r in SERVED for s in r.subresources))
_NAMED: Final = (Verb.GET, Verb.UPDATE, Verb.PATCH, Verb.DELETE)
_OF_STATUS: Final = (Verb.GET, Verb.UPDATE, Verb.PATCH)
_SPANNING: Final = (Verb.LIST, Verb.WATCH)
_WITH_BODY: Final = (Verb.CREATE, Verb.UPDATE, Verb.PATCH)
_NOT_OF_SERVICE_ACCOUNTS: Final = ("username", "groups", "client", "claims")
_LONGEST: Final = 256
_RULE: Final = re.compile(r"spec\.(allow|deny)\[[0-9]+\]")


def _check_words(value: str) -> str:
    if not value.isprintable() or not 0 < len(value) <= _LONGEST:
        hint = f"use 1 to {_LONGEST} printable characters"
        values.refuse_value(f"{shown(value)} does not fit on a line", hint)
    return value


def _check_issuer(value: str) -> str:
    if not is_issuer_name(value):
        hint = "write its name in the configuration, a DNS label"
        values.refuse_value(f"no issuer can be called {shown(value)}", hint)
    return value


def _check_rule(value: str) -> str:
    if not _RULE.fullmatch(value):
        values.refuse_value(f"{shown(value)} is no rule", "write `spec.allow[0]`")
    return value


def _check_namespace(value: str) -> str:
    if not is_namespace(value):
        hint = "write its name, a request is for one namespace"
        values.refuse_value(f"{shown(value)} is no namespace", hint)
    return value


Words = Annotated[str, AfterValidator(_check_words), values.schema(minLength=1, maxLength=_LONGEST)]
Issuer = Annotated[
    str,
    AfterValidator(_check_issuer),
    values.schema(pattern="^(?!system$)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"),
]
PatchType = Annotated[
    str, values.one_of("type of patch", PATCH_TYPES), values.schema(enum=[*PATCH_TYPES])
]
Subresource = Annotated[
    str, values.one_of("subresource", _SUBRESOURCES), values.schema(enum=[*_SUBRESOURCES])
]
Decision = Annotated[Effect, values.one_of("decision", Effect)]
RulePath = Annotated[str, AfterValidator(_check_rule), values.schema(pattern=f"^{_RULE.pattern}$")]
NamespaceName = Annotated[
    str,
    AfterValidator(_check_namespace),
    values.schema(pattern="^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"),
]


class Person(Model):
    """Somebody, as a token would name them. What is left out, the token does not say."""

    model_config = ConfigDict(
        json_schema_extra={
            "not": {
                "required": ["serviceAccount"],
                "anyOf": [{"required": [name]} for name in _NOT_OF_SERVICE_ACCOUNTS],
            }
        }
    )

    issuer: Issuer
    """The issuer's name in the configuration of the proxy."""
    username: values.Text = ""
    """The username."""
    groups: values.List[values.Text] = ()
    """The groups, exactly as the token has them."""
    client: values.Text = ""
    """The OAuth client that the token was issued to."""
    service_account: values.ServiceAccount = ""
    """NAMESPACE/NAME of a service account, which has nothing else."""
    claims: dict[values.Claim, values.List[values.Text]] = Field(default_factory=dict)
    """Other claims of the token, each a list of strings; dots lead into objects."""

    @classmethod
    def contradictions(cls, given: Collection[str]) -> Iterator[Fault]:
        """A cluster says nothing else of its service accounts."""
        others = [name for name in _NOT_OF_SERVICE_ACCOUNTS if name in given]
        if "serviceAccount" in given and others:
            message = f"has `serviceAccount` and {ticked(others, ' and ')}"
            hint = "a service account has nothing else, leave the others out"
            yield Fault(message, hint, Code.CONTRADICTION)


class Asked(Model):
    """Requests: one for each verb, resource and namespace."""

    verbs: values.List[values.Verb]
    """What is done."""
    resources: values.List[values.Plural]
    """What it is done with."""
    namespaces: values.List[NamespaceName] = ()
    """Names of namespaces. Where left out, all namespaces at once, as `kubectl get -A`."""
    name: values.Name = ""
    """The name of the object. Any, where left out."""
    subresource: Subresource = ""
    """A part of the object that has a path of its own."""
    patch_type: PatchType = ""
    """How a patch is written. `merge`, where left out; `apply` is a server-side apply."""

    @model_validator(mode="after")
    def _check_that_they_can_be_sent(self) -> Self:
        """Each of them is a request that the grammar of the proxy has."""
        for resource in self.served():
            values.check_verbs(resource, self.verbs)
            self._check_parts(resource)
        if "name" in self.model_fields_set:
            self._check_all("name", _NAMED)
        if self.subresource:
            self._check_all("subresource", _OF_STATUS)
        if "namespaces" not in self.model_fields_set:
            self._check_all("all namespaces", _SPANNING)
        if self.patch_type and Verb.PATCH not in self.verbs:
            values.refuse("has `patchType` and no patch", "leave it out, or add the verb")
        return self

    def _check_parts(self, resource: Resource) -> None:
        if self.subresource and self.subresource not in resource.subresources:
            message = f"has subresource `{self.subresource}`, which `{resource.plural}` do not have"
            values.refuse(message, "leave it out, or test them apart")
        types = [name for name, kind in PATCH_TYPES.items() if kind in resource.patch_types]
        if self.patch_type and self.patch_type not in types:
            message = f"has `patchType: {self.patch_type}`, which `{resource.plural}` do not have"
            values.refuse(message, f"use {ticked(types, ', ')}")

    def _check_all(self, what: str, fit: tuple[Verb, ...]) -> None:
        if wrong := [verb for verb in self.verbs if verb not in fit]:
            said = what if " " in what else f"`{what}`"
            message = f"has {said} with {ticked(wrong, ' and ')}"
            values.refuse(message, f"it goes with {ticked(fit, ', ')}")

    def served(self) -> tuple[Resource, ...]:
        """The resources that are asked for."""
        return tuple(_RESOURCES[plural] for plural in self.resources)


class ExpectedRule(Model):
    """Which rule is to have decided."""

    policy: values.Name
    """The name of its document."""
    path: RulePath = ""
    """Its place there, such as `spec.allow[0]`. Any, where left out."""


_ANY_RULE: Final = ExpectedRule.model_construct(policy="")


class Expected(Model):
    """What is to come of it."""

    decision: Decision
    """`allow` or `deny`."""
    # Of a default that is written as such, pydantic makes a copy for each test.
    rule: ExpectedRule = Field(default_factory=lambda: _ANY_RULE)
    """A rule that decides it: a grant, or the denial that wins."""
    fields: values.List[Words] = ()
    """Of a body that is refused, the fields that go too far, and no others."""

    @model_validator(mode="after")
    def _check_that_it_can_be(self) -> Self:
        """A grant allows, a denial denies, and what is allowed has no fields that are refused."""
        if self.fields and (self.rule.policy or self.decision is Effect.ALLOW):
            other = "a rule" if self.rule.policy else "`decision: allow`"
            message = f"has `fields` and {other}"
            values.refuse(message, "`fields` are those of a body that no grant lets pass")
        if self.rule.path and f".{self.decision}[" not in self.rule.path:
            message = f"has `decision: {self.decision}` by `{self.rule.path}`"
            values.refuse(message, "a grant allows, a denial denies")
        return self


class Trial(Model):
    """Somebody, what they ask for, and what is to come of it."""

    model_config = ConfigDict(json_schema_extra={"dependentRequired": {"hostClaims": ["body"]}})

    name: Words
    """What it shows, in words."""
    identity: Person
    """Who asks."""
    request: Asked
    """What they ask for."""
    body: dict[str, Any] = Field(default_factory=dict)
    """The HostClaim or Secret that is written. Without one, no bounds are tested."""
    host_claims: values.Count = None
    """How many HostClaims the namespace has already. None, where left out."""
    expect: Expected
    """The decision, and what makes it."""

    @classmethod
    def contradictions(cls, given: Collection[str]) -> Iterator[Fault]:
        """Without a body, nothing in it can be refused, nor is anything counted for it."""
        if "hostClaims" in given and "body" not in given:
            hint = "add the HostClaim that is to be made"
            yield Fault("has `hostClaims` and no body", hint, Code.CONTRADICTION)

    @model_validator(mode="after")
    def _check_the_body(self) -> Self:
        """What is written is of the resource, and something reads it."""
        if "body" not in self.model_fields_set:
            if self.expect.fields:
                values.refuse("expects `fields` and has no body", "add the body")
            return self
        asked = self.request
        if wrong := [verb for verb in asked.verbs if verb not in _WITH_BODY]:
            message = f"has a body with {ticked(wrong, ' and ')}"
            values.refuse(message, f"it goes with {ticked(_WITH_BODY, ', ')}")
        if asked.subresource or asked.patch_type == "json":
            other = "a subresource" if asked.subresource else "`patchType: json`"
            hint = "leave one out, a body is a whole object"
            values.refuse(f"has a body with {other}", hint)
        for resource in asked.served():
            for key, wanted in (("kind", resource.kind), ("apiVersion", resource.api_version)):
                if self.body.get(key, wanted) != wanted:
                    message = f"has another `{key}` in its body than `{resource.plural}` have"
                    values.refuse(message, f"write `{key}: {wanted}`")
        self._check_that_claims_count()
        return self

    def _check_that_claims_count(self) -> None:
        creates = Verb.CREATE in self.request.verbs or self.request.patch_type == "apply"
        if self.host_claims is not None and not (
            creates and HOSTCLAIMS.plural in self.request.resources
        ):
            hint = "they count where a HostClaim is made, by a create or an apply"
            values.refuse("has `hostClaims`, which do not matter here", hint)


class Trials(Model):
    """What is tested."""

    tests: values.List[Trial]
    """Each by itself, whatever their order."""

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        """A name tells one from the others."""
        seen: set[str] = set()
        for trial in self.tests:
            if trial.name in seen:
                message = f"has {shown(trial.name)} twice"
                values.refuse(message, "give each test a name of its own")
            seen.add(trial.name)
        return self


class PolicyTest(Model):
    """What policies are to say of requests. It grants nothing."""

    api_version: Annotated[
        str, values.one_of("version", [API_VERSION]), values.schema(const=API_VERSION)
    ]
    """The version of this format."""
    kind: Annotated[str, values.schema(const=KIND)]
    """What the document is."""
    metadata: Metadata
    """What it is called."""
    spec: Trials
    """What it tests."""


@dataclass(frozen=True, slots=True)
class Placed:
    """One test, and where it stands."""

    origin: Origin
    trial: Trial
