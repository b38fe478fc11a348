"""How it is set up: one file and the environment, read once into frozen settings.

Nothing that matters for safety has a default: an issuer, its audience, a
certificate, a policy. An unknown field, in the file or in the environment, is
an error, since a misspelt restriction restricts nothing.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, assert_never

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from proxy.core.identity import IssuerRules, Naming, OidcNaming, ServiceAccountNaming
from proxy.core.policy import ClaimGrant, ClaimGrants, Combination, Combine, values

API_VERSION = "hostclaim-proxy.metal3.io/v1alpha1"
KIND = "ProxyConfiguration"

ENVIRONMENT_PREFIX = "HOSTCLAIM_PROXY__"
"""`HOSTCLAIM_PROXY__SERVER__ADDRESS` overrides `server.address`.

Two underscores, so that what Kubernetes sets for a Service of that name
(`HOSTCLAIM_PROXY_SERVICE_HOST` and so on) is not meant.
"""


class SettingsError(Exception):
    """The settings cannot be used; the message has a line for each fault, naming the field."""


def _beside_the_file(path: Path, info: ValidationInfo) -> Path:
    """A relative path counts from the folder of the configuration file."""
    return Path((info.context or {}).get("folder", ".")) / path


def _address(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    host, _, port = value.rpartition(":")
    if not host or not port.isascii() or not port.isdigit():
        raise ValueError("must be HOST:PORT, such as 0.0.0.0:8443 or [::1]:8443")
    return {"host": host.strip("[]"), "port": int(port)}


FilePath = Annotated[Path, AfterValidator(_beside_the_file)]
Seconds = Annotated[float, Field(gt=0, le=86_400 * 366)]

_T = TypeVar("_T")


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )


class Address(_Section):
    """Where to listen. Port 0 lets the system choose."""

    host: str
    port: int = Field(ge=0, le=65535)


_Address = Annotated[Address, BeforeValidator(_address)]


class ServerSettings(_Section):
    """The tenants' listener. The files are read again when they change.

    With more than one of `workers`, each is a process that uses a core of its own and
    keeps limits of its own: all that begin with `max` are of each.
    """

    address: _Address = Address(host="0.0.0.0", port=8443)
    workers: int = Field(default=1, ge=1, le=64)
    cert_file: FilePath
    key_file: FilePath
    idle_seconds: Seconds = 75
    body_seconds: Seconds = 60
    stall_seconds: Seconds = 60
    max_connections: int = Field(default=10_000, gt=0)
    max_requests: int = Field(default=400, gt=0)
    max_requests_per_caller: int = Field(default=100, gt=0)
    max_watches: int = Field(default=10_000, gt=0)
    max_watches_per_caller: int = Field(default=1_000, gt=0)


class ManagementSettings(_Section):
    """The operators' listener: `/livez`, `/readyz`, `/metrics`, `/policies`."""

    address: _Address = Address(host="127.0.0.1", port=8081)


class BackChannelSettings(_Section):
    """The issuers' listener, with the certificate of the tenants' one; none without an address.

    `/backchannel-logout` takes logout tokens (OpenID Connect Back-Channel Logout
    1.0), and below `/` Keycloak finds what it looks for at the admin URL of a client.
    """

    address: _Address


class ClusterSettings(_Section):
    """The BMH cluster, as the proxy's own service account."""

    kubeconfig: FilePath | None = None
    context: str | None = None
    in_cluster: bool = False
    connect_seconds: Seconds = 5
    answer_seconds: Seconds = 65

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.kubeconfig is None) is not self.in_cluster:
            raise ValueError("give one of `kubeconfig: FILE` and `inCluster: true`")
        if self.context is not None and self.kubeconfig is None:
            raise ValueError("`context` needs a `kubeconfig`")
        return self


class ClaimSettings(_Section):
    """Which claims of an OIDC provider hold the name, the groups and the client."""

    username: str = "sub"
    groups: str = "groups"
    client: str = "azp"


class QuestionSettings(_Section):
    """For how long what an IAM says counts, in seconds.

    It counts for `cacheSeconds`. While the IAM does not answer, what was known counts
    for `graceSeconds` more, and callers that were not known are refused. A question is
    given up after `timeoutSeconds`.
    """

    cache_seconds: Seconds = 30
    grace_seconds: float = Field(default=0, ge=0, le=86_400)
    timeout_seconds: Seconds = 5

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if self.timeout_seconds > self.cache_seconds / 4:
            raise ValueError(
                "`timeoutSeconds` must be at most a quarter of `cacheSeconds`,"
                " or open watches would not end in time"
            )
        return self


class IntrospectionSettings(QuestionSettings):
    """How an issuer is asked whether a token still counts (RFC 7662).

    As the client `clientId`, with the secret that `clientSecretFile` holds and
    that is read anew for each question; at `url`, or where its metadata says.
    """

    client_id: str = Field(min_length=1)
    client_secret_file: FilePath
    url: str = ""


class IssuerSettings(_Section):
    """One issuer that is trusted to say who somebody is.

    An OIDC provider, whose `claims` name people and clients; or, as kind
    `kubernetes`, the service account issuer of a management cluster. Policies
    name those as `serviceAccount: NAMESPACE/NAME`, or as the user
    `serviceaccount:NAMESPACE:NAME`; they are in no group and of no client, and
    no claim gives them a namespace.

    `url` is what tokens have as `iss`, and what the issuer's metadata must call
    itself. Where it is not reachable under that name, as an apiserver that
    calls itself `https://kubernetes.default.svc`, `discoveryUrl` is where that
    metadata lies; `jwksUrl` is where its keys lie, if its metadata names a place
    that is not reachable from here. Where nothing of it is reachable, `jwksFile`
    holds its keys, and is read again when it changes.

    `verify` says what makes a token count: its signature (`jwt`), what the issuer
    says when it is asked (`introspection`), or both. Asked, it knows who was
    disabled, logged out or taken out of a group since the token was made. With
    `introspection` alone anybody who makes up tokens makes questions, too.
    """

    name: str
    kind: Literal["oidc", "kubernetes"] = "oidc"
    url: str
    audiences: tuple[str, ...] = Field(min_length=1)
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    discovery_url: str = ""
    jwks_url: str = ""
    jwks_file: FilePath | None = None
    ca_file: FilePath | None = None
    claims: ClaimSettings = ClaimSettings()
    required_claims: dict[str, str] = {}
    authorized_parties: tuple[str, ...] = ()
    max_token_lifetime_seconds: Seconds = 86_400
    refresh_seconds: Seconds = 300
    max_stale_seconds: Seconds = 3600
    verify: Literal["jwt", "introspection", "both"] = "jwt"
    introspection: IntrospectionSettings | None = None

    @field_validator("claims", "authorized_parties", "introspection")
    @classmethod
    def _means_something(cls, value: _T, info: ValidationInfo) -> _T:
        """Validators see only what is given: a restriction that nothing would read."""
        if info.data.get("kind") == "kubernetes":
            raise ValueError("is for kind `oidc`: a cluster names its service accounts itself")
        return value

    @model_validator(mode="after")
    def _asked_as_configured(self) -> Self:
        if (self.introspection is None) is not (self.verify == "jwt"):
            raise ValueError(
                "`introspection` and a `verify` of `introspection` or `both` need each other"
            )
        if self.introspection and self.jwks_file and not self.introspection.url:
            raise ValueError("with `jwksFile`, `introspection` needs the `url` where to ask")
        return self

    @field_validator("jwks_file")
    @classmethod
    def _instead_of_urls(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        """A url beside it would look as if it were asked."""
        if value is not None and (info.data.get("discovery_url") or info.data.get("jwks_url")):
            raise ValueError("stands for discoveryUrl and jwksUrl: leave those out, or this")
        return value

    def rules(self) -> IssuerRules:
        """What whoever verifies tokens knows it by."""
        return IssuerRules(
            name=self.name,
            url=self.url,
            audiences=self.audiences,
            naming=self._naming(),
            required_claims=self.required_claims,
            max_lifetime=self.max_token_lifetime_seconds,
        )

    def _naming(self) -> Naming:
        match self.kind:
            case "oidc":
                return OidcNaming(
                    username_claim=self.claims.username,
                    groups_claim=self.claims.groups,
                    client_claim=self.claims.client,
                    authorized_parties=self.authorized_parties,
                )
            case "kubernetes":
                return ServiceAccountNaming()
            case _:
                assert_never(self.kind)


class PolicySettings(_Section):
    """The policy files: each path is a file or a folder of them."""

    paths: tuple[FilePath, ...] = Field(min_length=1)
    poll_seconds: Seconds = 1


class ClaimEntitlements(_Section):
    """Namespaces that a claim of an issuer's tokens grants by itself.

    The claim is named as in `claims` of an issuer. A value that is all of
    `pattern`, where `{namespace}` and `{role}` stand for a name and `viewer` or
    `editor`, grants that role there; or `role`, where the pattern has none. With
    `within`, names and patterns as in policy files, nowhere else.
    """

    issuer: str
    claim: str
    pattern: str
    role: values.Role = None
    within: values.List[values.Namespace] = ("*",)

    @model_validator(mode="after")
    def _check_meaning(self) -> Self:
        self.compiled()
        return self

    def compiled(self) -> ClaimGrant:
        """What whoever reads tokens knows it by."""
        return ClaimGrant(self.issuer, self.claim, self.pattern, self.role, self.within)


class PermissionEntitlements(QuestionSettings):
    """What Keycloak's Authorization Services permit the callers of an issuer.

    `clientId` is the client whose resources are namespaces.
    """

    issuer: str
    client_id: str = Field(min_length=1)


class EntitlementSettings(_Section):
    """What the IAM grants, and how it counts beside the policy files.

    With `any`, each of the sources that are configured for an issuer grants by
    itself. With `all`, every one of them has to; policy files are one wherever
    there are any. What a policy file denies is denied either way.
    """

    combine: Combine = Combine.ANY
    claims: tuple[ClaimEntitlements, ...] = ()
    permissions: tuple[PermissionEntitlements, ...] = ()

    @model_validator(mode="after")
    def _has_what_it_combines(self) -> Self:
        """Where the IAM was to agree and is not asked, policy files would grant alone."""
        if self.combine is Combine.ALL and not self.claims and not self.permissions:
            raise ValueError("`combine: all` needs `claims` or `permissions`")
        return self

    def combination(self) -> Combination:
        """What whoever combines sources knows it by."""
        return Combination(self.combine, ClaimGrants(claim.compiled() for claim in self.claims))


class AuditSettings(_Section):
    """Where audit records go: a file, or standard output without one."""

    file: FilePath | None = None


class ShutdownSettings(_Section):
    """What happens between SIGTERM and the end.

    For `delaySeconds` the proxy only says that it is not ready, so that load
    balancers stop sending; then requests have `graceSeconds` to finish.
    """

    delay_seconds: float = Field(default=0, ge=0, le=600)
    grace_seconds: Seconds = 30


class Settings(_Section):
    """Everything `hostclaim-proxy serve` needs to know."""

    api_version: Literal["hostclaim-proxy.metal3.io/v1alpha1"]
    kind: Literal["ProxyConfiguration"]
    server: ServerSettings
    management: ManagementSettings = ManagementSettings()
    back_channel: BackChannelSettings | None = None
    cluster: ClusterSettings
    issuers: tuple[IssuerSettings, ...] = Field(min_length=1)
    entitlements: EntitlementSettings = EntitlementSettings()
    policies: PolicySettings | None = Field(default=None, validate_default=True)
    audit: AuditSettings = AuditSettings()
    shutdown: ShutdownSettings = ShutdownSettings()

    @model_validator(mode="after")
    def _hears_somebody(self) -> Self:
        """It would look as if what is ended were heard of."""
        if self.back_channel is not None and all(i.kind == "kubernetes" for i in self.issuers):
            raise ValueError("`backChannel` needs an issuer of kind `oidc`: clusters send nothing")
        return self

    @field_validator("entitlements")
    @classmethod
    def _name_providers(
        cls, value: EntitlementSettings, info: ValidationInfo
    ) -> EntitlementSettings:
        """Whom a misspelt issuer was to entitle, nothing would."""
        issuers: tuple[IssuerSettings, ...] = info.data.get("issuers", ())
        providers = {issuer.name for issuer in issuers if issuer.kind == "oidc"}
        asked = [permissions.issuer for permissions in value.permissions]
        for name in (*(claim.issuer for claim in value.claims), *asked):
            if issuers and name not in providers:
                raise ValueError(f"`{name}` is not the name of an issuer of kind `oidc`")
        if len(set(asked)) != len(asked):
            raise ValueError("permissions: each issuer can be asked about one client")
        return value

    @field_validator("policies")
    @classmethod
    def _has_a_source(
        cls, value: PolicySettings | None, info: ValidationInfo
    ) -> PolicySettings | None:
        """Nobody could do anything, which nobody means."""
        entitlements = info.data.get("entitlements")
        iam = entitlements and (entitlements.claims or entitlements.permissions)
        if value is None and not iam:
            raise ValueError("is required, where `entitlements` grants nothing")
        return value


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the configuration file, then what the environment overrides.

    Raises:
        SettingsError: the file cannot be read, or a field is missing, unknown or wrong.
    """
    tree = _read(path)
    for name, value in environ.items():
        if name.startswith(ENVIRONMENT_PREFIX):
            _override(tree, name, value)
    try:
        return Settings.model_validate(tree, context={"folder": str(path.resolve().parent)})
    except ValidationError as exc:
        faults = [f"{_field(error['loc'])}: {_say(error)}" for error in exc.errors()]
        raise SettingsError("\n".join(f"{path}: {fault}" for fault in faults)) from exc


def _read(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.load(path.read_bytes(), _StrictLoader)  # noqa: S506 - a SafeLoader
    except OSError as exc:
        raise SettingsError(f"{path}: cannot be read: {exc.strerror}") from exc
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise SettingsError(f"{path}: is not YAML: {' '.join(str(exc).split())}") from exc
    if not isinstance(tree, dict):
        raise SettingsError(f"{path}: must hold `apiVersion: {API_VERSION}`, `kind: {KIND}`, ...")
    return tree


class _StrictLoader(yaml.SafeLoader):
    """A key given twice would silently be one of the two."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"`{key}` is given twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


def _override(tree: dict[str, Any], name: str, value: str) -> None:
    *sections, field = (
        to_camel(part.lower()) for part in name.removeprefix(ENVIRONMENT_PREFIX).split("__")
    )
    for section in sections:
        child = tree.setdefault(section, {})
        if not isinstance(child, dict):
            raise SettingsError(f"{name}: `{section}` cannot be set from the environment")
        tree = child
    tree[field] = value


def _field(location: tuple[int | str, ...]) -> str:
    path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in location)
    return path.removeprefix(".") or "(top level)"


def _say(error: ErrorDetails) -> str:
    message = {
        "Extra inputs are not permitted": "unknown field",
        "Field required": "is required",
    }.get(error["msg"], error["msg"].removeprefix("Value error, "))
    # What is written as in policy files is judged as there, with a hint.
    return ", ".join(filter(None, (message, error.get("ctx", {}).get("hint"))))
