"""Which kinds does the cluster bring along: the built-in rows of the table.

As much of `core/v1`, `coordination.k8s.io/v1` and `rbac.authorization.k8s.io/v1` as the story
needs, in upstream's words.
"""

from proxy.demo.cluster.metadata import (
    Schema,
    flag,
    kind_schema,
    many,
    mapping,
    number,
    record,
    text,
    time,
)
from proxy.demo.cluster.resources import Resource

RBAC = "rbac.authorization.k8s.io"
_BYTES = text(format="byte")

_CONDITION = record(
    "NamespaceCondition contains details about state of namespace.",
    "type",
    "status",
    lastTransitionTime=time(),
    message=text(),
    reason=text(),
    status=text("Status of the condition, one of True, False, Unknown."),
    type=text("Type of namespace controller condition."),
)

_NAMESPACE = kind_schema(
    "Namespace provides a scope for Names. Use of multiple namespaces is optional.",
    spec=record(
        "NamespaceSpec describes the attributes on a Namespace.",
        finalizers=many(
            text(),
            "Finalizers is an opaque list of values that must be empty to permanently remove the "
            "object from storage.",
        ),
    ),
    status=record(
        "NamespaceStatus is information about the current status of a Namespace.",
        conditions=many(
            _CONDITION,
            "Represents the latest available observations of a namespace's current state.",
            **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
        phase=text("Phase is the current lifecycle phase of the namespace."),
    ),
)

_SECRET = kind_schema(
    "Secret holds secret data of a certain type. The total bytes of the values in the Data field "
    "must be less than MaxSecretSize bytes.",
    data=mapping(
        "Data contains the secret data. Each key must consist of alphanumeric characters, '-', "
        "'_' or '.'. The serialized form of the secret data is a base64 encoded string.",
        _BYTES,
    ),
    immutable=flag("Immutable, if set to true, ensures that data cannot be updated."),
    stringData=mapping(
        "stringData allows specifying non-binary secret data in string form. It is write-only: "
        "merged into the data field on write, and never output when reading from the API."
    ),
    type=text("Used to facilitate programmatic handling of secret data."),
)

_CONFIG_MAP = kind_schema(
    "ConfigMap holds configuration data for pods to consume.",
    binaryData=mapping("BinaryData contains the binary data.", _BYTES),
    data=mapping("Data contains the configuration data."),
    immutable=flag("Immutable, if set to true, ensures that data cannot be updated."),
)

_LOCAL_REFERENCE = record(
    "LocalObjectReference locates the referenced object inside the same namespace.",
    name=text("Name of the referent."),
)
_OBJECT_REFERENCE = record(
    "ObjectReference contains enough information to let you inspect or modify the object.",
    apiVersion=text("API version of the referent."),
    fieldPath=text(),
    kind=text("Kind of the referent."),
    name=text("Name of the referent."),
    namespace=text("Namespace of the referent."),
    resourceVersion=text(),
    uid=text("UID of the referent."),
)
_SERVICE_ACCOUNT = kind_schema(
    "ServiceAccount binds together a name, understood by users, and perhaps by peripheral "
    "systems, for an identity; a principal that can be authenticated and authorized.",
    automountServiceAccountToken=flag("Whether pods running as this should have a token mounted."),
    imagePullSecrets=many(_LOCAL_REFERENCE, "References to secrets to pull images with."),
    secrets=many(
        _OBJECT_REFERENCE,
        "Secrets is a list of the secrets that pods using this ServiceAccount may use.",
        **{
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "x-kubernetes-patch-merge-key": "name",
            "x-kubernetes-patch-strategy": "merge",
        },
    ),
)

_RULES = many(
    record(
        "PolicyRule holds information that describes a policy rule.",
        "verbs",
        apiGroups=many(text(), 'APIGroups that contain the resources; "" is the core group.'),
        nonResourceURLs=many(text(), "A set of partial urls that a user should have access to."),
        resourceNames=many(text(), "A white list of names; empty means everything is allowed."),
        resources=many(text(), "A list of resources; '*' represents all resources."),
        verbs=many(text(), "Verbs that apply to all the resources; '*' represents all verbs."),
    ),
    "Rules holds all the PolicyRules.",
) | {"nullable": True}
_SUBJECTS = many(
    record(
        "Subject contains a reference to the object or user identities a role binding applies to.",
        "kind",
        "name",
        apiGroup=text("APIGroup holds the API group of the referenced subject."),
        kind=text('Kind of object being referenced: "User", "Group", and "ServiceAccount".'),
        name=text("Name of the object being referenced."),
        namespace=text("Namespace of the referenced object."),
    )
    | {"x-kubernetes-map-type": "atomic"},
    "Subjects holds references to the objects the role applies to.",
)
_ROLE_REF = record(
    "RoleRef contains information that points to the role being used. It is immutable.",
    "apiGroup",
    "kind",
    "name",
    apiGroup=text("APIGroup is the group for the resource being referenced."),
    kind=text("Kind is the type of resource being referenced."),
    name=text("Name is the name of resource being referenced."),
) | {"x-kubernetes-map-type": "atomic"}


def _role(scope: str) -> Schema:
    return kind_schema(
        f"A {scope} grouping of PolicyRules that can be referenced as a unit by a binding.",
        rules=_RULES,
    )


def _binding(scope: str) -> Schema:
    return kind_schema(
        f"A {scope} reference to a role, and the subjects that hold it.",
        roleRef=_ROLE_REF,
        subjects=_SUBJECTS,
    )


_LEASE = kind_schema(
    "Lease defines a lease concept.",
    spec=record(
        "LeaseSpec is a specification of a Lease.",
        acquireTime=time(),
        holderIdentity=text("holderIdentity contains the identity of the holder of a lease."),
        leaseDurationSeconds=number(
            "leaseDurationSeconds is a duration that candidates for a lease need to wait to force "
            "acquire it.",
            "int32",
        ),
        leaseTransitions=number("The number of transitions of a lease between holders.", "int32"),
        renewTime=time(),
    ),
)


def _core(plural: str, kind: str, schema: Schema, *short: str) -> Resource:
    return Resource(
        "",
        "v1",
        plural,
        kind.lower(),
        kind,
        schema,
        short_names=short,
        selectable={"type": "type"} if kind == "Secret" else {},
    )


def _rbac(plural: str, kind: str, schema: Schema, *, namespaced: bool) -> Resource:
    return Resource(
        RBAC,
        "v1",
        plural,
        kind.lower(),
        kind,
        schema,
        namespaced=namespaced,
        create_on_update=True,
    )


NAMESPACES = Resource(
    "",
    "v1",
    "namespaces",
    "namespace",
    "Namespace",
    _NAMESPACE,
    namespaced=False,
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    short_names=("ns",),
    status=True,
    selectable={"status.phase": "status.phase"},
)
SECRETS = _core("secrets", "Secret", _SECRET)
SERVICE_ACCOUNTS = _core("serviceaccounts", "ServiceAccount", _SERVICE_ACCOUNT, "sa")
CONFIG_MAPS = _core("configmaps", "ConfigMap", _CONFIG_MAP, "cm")
LEASES = Resource(
    "coordination.k8s.io",
    "v1",
    "leases",
    "lease",
    "Lease",
    _LEASE,
    unconditional_update=False,
    create_on_update=True,
)
CLUSTER_ROLES = _rbac("clusterroles", "ClusterRole", _role("cluster level"), namespaced=False)
CLUSTER_ROLE_BINDINGS = _rbac(
    "clusterrolebindings", "ClusterRoleBinding", _binding("cluster level"), namespaced=False
)
ROLES = _rbac("roles", "Role", _role("namespaced"), namespaced=True)
ROLE_BINDINGS = _rbac("rolebindings", "RoleBinding", _binding("namespaced"), namespaced=True)

_RESOURCE_ATTRIBUTES = record(
    "ResourceAttributes includes the authorization attributes of a resource request.",
    fieldSelector=mapping("The limitation to fields.")
    | {"x-kubernetes-preserve-unknown-fields": True},
    group=text('Group is the API Group of the Resource; "*" means all.'),
    labelSelector=mapping("The limitation to labels.")
    | {"x-kubernetes-preserve-unknown-fields": True},
    name=text('Name is the name of the resource being requested; "" means all.'),
    namespace=text("Namespace is the namespace of the action being requested."),
    resource=text('Resource is one of the existing resource types; "*" means all.'),
    subresource=text('Subresource is one of the existing resource types; "" means none.'),
    verb=text('Verb is a kubernetes resource API verb; "*" means all.'),
    version=text('Version is the API Version of the Resource; "*" means all.'),
)
_ANSWER = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def _review(group: str, plural: str, kind: str, description: str, **spec: Schema) -> Resource:
    return Resource(
        group,
        "v1",
        plural,
        kind.lower(),
        kind,
        kind_schema(
            description,
            spec=record("Information about the request being evaluated.", **spec),
            status=_ANSWER,
        ),
        namespaced=False,
        verbs=("create",),
    )


SELF_SUBJECT_REVIEWS = _review(
    "authentication.k8s.io",
    "selfsubjectreviews",
    "SelfSubjectReview",
    "SelfSubjectReview contains the user information that the kube-apiserver has about the user "
    "making this request.",
)
SELF_SUBJECT_ACCESS_REVIEWS = _review(
    "authorization.k8s.io",
    "selfsubjectaccessreviews",
    "SelfSubjectAccessReview",
    "SelfSubjectAccessReview checks whether or the current user can perform an action.",
    nonResourceAttributes=record("", path=text(), verb=text()),
    resourceAttributes=_RESOURCE_ATTRIBUTES,
)
SELF_SUBJECT_RULES_REVIEWS = _review(
    "authorization.k8s.io",
    "selfsubjectrulesreviews",
    "SelfSubjectRulesReview",
    "SelfSubjectRulesReview enumerates the set of actions the current user can perform within a "
    "namespace.",
    namespace=text("Namespace to evaluate rules for."),
)

TOKEN_REQUESTS = Resource(
    "authentication.k8s.io",
    "v1",
    "tokenrequests",
    "tokenrequest",
    "TokenRequest",
    kind_schema(
        "TokenRequest requests a token for a given service account.",
        spec=record(
            "Information about the request being evaluated.",
            audiences=many(text(), "The intended audiences of the token."),
            boundObjectRef=_ANSWER,
            expirationSeconds=number("The requested duration of validity of the request."),
        ),
        status=_ANSWER,
    ),
    verbs=("create",),
)
"""Served as `serviceaccounts/token` only."""

STORED: tuple[Resource, ...] = (
    CONFIG_MAPS,
    NAMESPACES,
    SECRETS,
    SERVICE_ACCOUNTS,
    LEASES,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
)
REVIEWS: tuple[Resource, ...] = (
    SELF_SUBJECT_REVIEWS,
    SELF_SUBJECT_ACCESS_REVIEWS,
    SELF_SUBJECT_RULES_REVIEWS,
)
