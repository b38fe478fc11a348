"""What an admin writes: the format of a document, for the proxy and for editors.

Nothing is read loosely: no unknown field, and no value of another type.
"""

from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Final, NamedTuple, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict

from proxy.core.attributes import OPT_IN, Verb
from proxy.core.bounds import Bounds
from proxy.core.policy import subjects, values
from proxy.core.policy.codes import Code
from proxy.core.policy.faults import Fault, ticked
from proxy.core.policy.located import Path
from proxy.core.policy.rules import PLURALS, ROLES, Permission, product
from proxy.core.policy.subjects import SubjectKind

API_VERSION: Final = "hostclaim-proxy.metal3.io/v1alpha1"
KIND: Final = "AccessPolicy"


class Model(BaseModel):
    """A mapping of a document. Optional fields are empty where they are left out."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
    )

    @classmethod
    def contradictions(cls, given: Collection[str]) -> Iterator[Fault]:  # noqa: ARG003 - a default
        """What is wrong with these fields being given together, whatever their values."""
        yield from ()


class Subject(Model):
    """Somebody: an issuer, and one of the other fields."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [kind.value]} for kind in SubjectKind]}
    )

    issuer: values.Text
    """The issuer's name in the configuration of the proxy."""
    group: values.Text = ""
    """A group in the token, exactly; Keycloak's are paths such as `/tenants/blue`."""
    user: values.Text = ""
    """A username."""
    client: values.Text = ""
    """The OAuth client that a token was issued to."""
    service_account: values.ServiceAccount = ""
    """NAMESPACE/NAME of a service account; its issuer is a management cluster."""
    everyone: values.Yes = False
    """Everyone of the issuer."""

    @classmethod
    def contradictions(cls, given: Collection[str]) -> Iterator[Fault]:
        """There is one name for somebody."""
        kinds = [kind for kind in SubjectKind if kind in given]
        if len(kinds) != 1:
            message = f"has {ticked(kinds, ' and ')}" if kinds else "names nobody"
            hint = f"give one of {ticked(SubjectKind, ', ')}"
            yield Fault(message, hint, Code.CONTRADICTION)

    def compiled(self) -> subjects.Subject:
        """What the index knows it by."""
        [name] = self.model_fields_set - {"issuer"}
        kind = _KINDS[name]
        value = "" if kind is SubjectKind.EVERYONE else getattr(self, name)
        return subjects.Subject(self.issuer, kind, value)


_KINDS: Final = {
    name: SubjectKind(to_camel(name)) for name in Subject.model_fields if name != "issuer"
}


_ROLE_ALONE: Final[JsonDict] = {
    "not": {"required": ["role"], "anyOf": [{"required": ["resources"]}, {"required": ["verbs"]}]}
}
_VERBS_OF_EACH: Final[list[JsonDict]] = [
    {
        "if": {
            "properties": {"resources": {"contains": {"const": resource.plural}}},
            "required": ["resources"],
        },
        "then": {"properties": {"verbs": {"items": {"enum": [*sorted(resource.verbs)]}}}},
    }
    for resource in OPT_IN
]


class Statement(Model):
    """Permissions in namespaces: a role, or resources and verbs. What is left out adds nothing."""

    namespaces: values.List[values.Namespace] = ()
    """Exact names, beginnings such as `blue-*`, or `*`."""
    role: values.Role = None
    """A set of permissions: `viewer` reads hostclaims, `editor` writes them and secrets."""
    resources: values.List[values.Plural] = ()
    """Instead of a role. `hardwaredata` is in none, it is given by name."""
    verbs: values.List[values.Verb] = ()
    """Instead of a role. `deletecollection` is in none, it is given by name."""

    @classmethod
    def contradictions(cls, given: Collection[str]) -> Iterator[Fault]:
        """A role says it all."""
        explicit = [name for name in ("resources", "verbs") if name in given]
        if "role" in given and explicit:
            message = f"has `role` and {ticked(explicit, ' and ')}"
            yield Fault(message, "give a role, or resources and verbs", Code.CONTRADICTION)

    @model_validator(mode="after")
    def _check_verbs_of_each(self) -> Self:
        """Not every verb is one of every resource; what is left out says nothing wrong."""
        if {"resources", "verbs"}.issubset(self.model_fields_set):
            for resource in OPT_IN:
                if resource.plural in self.resources:
                    values.check_verbs(resource, self.verbs)
        return self

    def permissions(self) -> frozenset[Permission]:
        """What the statement is about."""
        return ROLES[self.role] if self.role else product(self.resources, self.verbs)


class SelectorBounds(Model):
    """What a claim's `hostSelector` must say."""

    match_labels: dict[values.Text, values.Label] = Field(default_factory=dict)
    """Labels that must be in its `matchLabels`."""
    in_namespaces: values.List[values.Namespace] = ()
    """Namespaces of hosts, one of which must be its `inNamespace`."""


# The same for all, since pydantic would copy a default for each grant.
_ANY_HOST: Final = SelectorBounds()


class ClaimBounds(Model):
    """How far a HostClaim that is written by a grant may go. What is left out is not bounded."""

    host_selector: SelectorBounds = Field(default_factory=lambda: _ANY_HOST)
    """Which hosts it may ask for."""
    images: values.List[values.ImagePrefix] = ()
    """URLs that end with `/`, under one of which its image and checksum must lie."""
    max_host_claims: values.Count = None
    """How many claims there may be in the namespace."""

    def compiled(self) -> Bounds:
        """What the judge of claims knows them by."""
        return Bounds(
            tuple(sorted(self.host_selector.match_labels.items())),
            self.host_selector.in_namespaces,
            self.images,
            self.max_host_claims,
        )


_ANY_CLAIM: Final = ClaimBounds()


class Grant(Statement):
    """What the subjects may do, and in which namespaces."""

    model_config = ConfigDict(
        json_schema_extra={
            **_ROLE_ALONE,
            "allOf": [
                {"anyOf": [{"required": ["namespaces"]}, {"required": ["namespacesFromClaim"]}]},
                {"anyOf": [{"required": ["role"]}, {"required": ["resources", "verbs"]}]},
                *_VERBS_OF_EACH,
            ],
        }
    )

    namespaces_from_claim: values.Claim = ""
    """A claim of the token that lists names of namespaces; `namespaces` bound it."""
    bounds: ClaimBounds = Field(default_factory=lambda: _ANY_CLAIM)
    """How far the HostClaims may go. Of several grants, the widest counts."""

    @classmethod
    def contradictions(cls, given: Collection[str]) -> Iterator[Fault]:
        """It says what is granted, and where."""
        yield from super().contradictions(given)
        if not {"namespaces", "namespacesFromClaim"}.intersection(given):
            hint = "give `namespaces` or `namespacesFromClaim`"
            yield Fault("names no namespace", hint, Code.CONTRADICTION)
        if "role" not in given and not {"resources", "verbs"}.issubset(given):
            hint = "give a role, or resources and verbs"
            yield Fault("grants nothing", hint, Code.CONTRADICTION)


class Denial(Statement):
    """What the subjects may not do, whoever grants it.

    Its namespaces never come from a claim: a token without the claim would lift it.
    """

    model_config = ConfigDict(json_schema_extra={**_ROLE_ALONE, "allOf": [*_VERBS_OF_EACH]})

    namespaces: values.List[values.Namespace]
    """Exact names, beginnings such as `blue-*`, or `*`."""
    resources: values.List[values.Plural] = PLURALS
    """Only these resources. All, where left out."""
    verbs: values.List[values.Verb] = tuple(Verb)
    """Only these verbs. All, where left out."""


class Enforcement(StrEnum):
    """Whether a document counts."""

    ENFORCE = "enforce"
    SHADOW = "shadow"


class Spec(Model):
    """Who may and may not do what."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["allow"]}, {"required": ["deny"]}]}
    )

    subjects: values.List[Subject]
    """Whom the document concerns: everyone whom one of them fits."""
    allow: values.List[Grant] = ()
    """What they may do. What no document grants is refused."""
    deny: values.List[Denial] = ()
    """What they may not do, even where this or another document grants it."""
    enforcement: Annotated[Enforcement, values.one_of("enforcement", Enforcement)] = (
        Enforcement.ENFORCE
    )
    """With `shadow`, the document decides nothing; what it would have changed is recorded."""

    @classmethod
    def contradictions(cls, given: Collection[str]) -> Iterator[Fault]:
        """It grants or denies."""
        if not {"allow", "deny"}.intersection(given):
            hint = "give `allow` or `deny`"
            yield Fault("neither grants nor denies anything", hint, Code.CONTRADICTION)


class Metadata(Model):
    """What the document is called."""

    name: values.Name
    """Unique among the documents of its kind, over all files."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Notes for people and tools. The proxy reads none of them."""


class AccessPolicy(Model):
    """Who may do what with HostClaims and their secrets, and in which namespaces."""

    api_version: Annotated[
        str, values.one_of("version", [API_VERSION]), values.schema(const=API_VERSION)
    ]
    """The version of this format."""
    kind: Annotated[str, values.schema(const=KIND)]
    """What the document is."""
    metadata: Metadata
    """What it is called."""
    spec: Spec
    """What it grants and denies."""


class Part(NamedTuple):
    """A field of a mapping that holds mappings of the document's own: one, or a list of them."""

    model: type[Model]
    listed: bool


@cache
def parts(model: type[Model]) -> Mapping[str, Part]:
    """The fields of a mapping that hold further ones."""
    found = {}
    for name, field in model.model_fields.items():
        listed = get_origin(field.annotation) is tuple
        inside: Any = get_args(field.annotation)[0] if listed else field.annotation
        if isinstance(inside, type) and issubclass(inside, Model):
            found[to_camel(name)] = Part(inside, listed)
    return found


def model_at(model: type[Model], path: Path) -> type[Model]:
    """What the mapping at a path, from one that is read as `model`, is read as."""
    for step in path:
        if isinstance(step, str):
            model = parts(model)[step].model
    return model


@cache
def fields(model: type[Model]) -> tuple[str, ...]:
    """The fields of a mapping as a document spells them."""
    return tuple(to_camel(name) for name in model.model_fields)
