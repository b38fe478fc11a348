"""What metadata looks like: the schemas that every kind shares.

ObjectMeta and its parts, in the words of `k8s.io/apimachinery/pkg/apis/meta/v1`, with the merge
annotations that patches and server-side apply go by.
"""

from typing import Any

Schema = dict[str, Any]


def text(description: str = "", **more: Any) -> Schema:
    """A string."""
    return _described({"type": "string", **more}, description)


def flag(description: str = "") -> Schema:
    """A boolean."""
    return _described({"type": "boolean"}, description)


def number(description: str = "", form: str = "int64") -> Schema:
    """An integer."""
    return _described({"type": "integer", "format": form}, description)


def record(description: str = "", *required: str, **properties: Schema) -> Schema:
    """An object of known fields."""
    found: Schema = {"type": "object", "properties": properties}
    if required:
        found["required"] = list(required)
    return _described(found, description)


def mapping(description: str = "", values: Schema | None = None) -> Schema:
    """An object of free keys."""
    return _described({"type": "object", "additionalProperties": values or text()}, description)


def many(items: Schema, description: str = "", **more: Any) -> Schema:
    """A list, atomic unless more is said."""
    kind = {} if "x-kubernetes-list-type" in more else {"x-kubernetes-list-type": "atomic"}
    return _described({"type": "array", "items": items, **kind, **more}, description)


def _described(schema: Schema, description: str) -> Schema:
    return {"description": description, **schema} if description else schema


def time(description: str = "") -> Schema:
    """A point in time."""
    return text(description, format="date-time")


API_VERSION = text(
    "APIVersion defines the versioned schema of this representation of an object. Servers should "
    "convert recognized schemas to the latest internal value, and may reject unrecognized values."
)
KIND = text(
    "Kind is a string value representing the REST resource this object represents. Servers may "
    "infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase."
)

MANAGED_FIELDS_ENTRY = record(
    "ManagedFieldsEntry is a workflow-id, a FieldSet and the group version of the resource that "
    "the fieldset applies to.",
    apiVersion=text("APIVersion defines the version of this resource that this field set is for."),
    fieldsType=text("FieldsType is the discriminator for the fields format; only FieldsV1."),
    fieldsV1={
        "description": "FieldsV1 holds the JSON form of the field set.",
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
    },
    manager=text("Manager is an identifier of the workflow managing these fields."),
    operation=text("Operation is the type of operation that made this entry: Apply or Update."),
    subresource=text("Subresource is the name of the subresource used to update that object."),
    time=time("Time is the timestamp of when the entry was added or last changed."),
)

OWNER_REFERENCE = record(
    "OwnerReference contains enough information to let you identify an owning object. It must be "
    "in the same namespace as the dependent, or be cluster-scoped.",
    "apiVersion",
    "kind",
    "name",
    "uid",
    apiVersion=text("API version of the referent."),
    blockOwnerDeletion=flag("If true, the owner waits in foreground deletion for this object."),
    controller=flag("If true, this reference points to the managing controller."),
    kind=text("Kind of the referent."),
    name=text("Name of the referent."),
    uid=text("UID of the referent."),
) | {"x-kubernetes-map-type": "atomic"}

OBJECT_META = record(
    "ObjectMeta is metadata that all persisted resources must have, which includes all objects "
    "users must create.",
    annotations=mapping(
        "Annotations is an unstructured key value map stored with a resource that may be set by "
        "external tools to store and retrieve arbitrary metadata."
    ),
    creationTimestamp=time(
        "CreationTimestamp is the server time when this object was created. Clients may not set "
        "this value."
    )
    | {"nullable": True},
    deletionGracePeriodSeconds=number("Seconds allowed for this object to terminate gracefully."),
    deletionTimestamp=time(
        "DeletionTimestamp is the time after which this object will be deleted. It is set by the "
        "server when a deletion is requested, and is not settable by a client."
    ),
    finalizers=many(
        text(),
        "Must be empty before the object is deleted from the registry. Each entry names the "
        "component that will remove it from the list.",
        **{"x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge"},
    ),
    generateName=text("GenerateName is a prefix used to make a unique name when none is given."),
    generation=number("A sequence number representing a specific generation of the desired state."),
    labels=mapping(
        "Map of string keys and values that can be used to organize and categorize (scope and "
        "select) objects."
    ),
    managedFields=many(
        MANAGED_FIELDS_ENTRY,
        "ManagedFields maps workflow-id and version to the set of fields that are managed by that "
        "workflow.",
    ),
    name=text("Name must be unique within a namespace. Cannot be updated."),
    namespace=text("Namespace defines the space within which each name must be unique."),
    ownerReferences=many(
        OWNER_REFERENCE,
        "List of objects depended by this object.",
        **{
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
            "x-kubernetes-patch-merge-key": "uid",
            "x-kubernetes-patch-strategy": "merge",
        },
    ),
    resourceVersion=text(
        "An opaque value that represents the internal version of this object, for optimistic "
        "concurrency, change detection and watches."
    ),
    selfLink=text("Deprecated: selfLink is no longer populated by the system."),
    uid=text("UID is the unique in time and space value for this object, set by the server."),
)

LIST_META = record(
    "ListMeta describes metadata that synthetic resources must have, including lists.",
    remainingItemCount=number("The number of subsequent items that are not in this response."),
    resourceVersion=text("The version of the server's internal state that the list shows."),
    selfLink=text("Deprecated: selfLink is no longer populated by the system."),
    **{"continue": text("Set if the list was cut at the limit; opaque, to be sent back.")},
)


def kind_schema(description: str, **properties: Schema) -> Schema:
    """The schema of a whole object: what every kind has, and its own fields."""
    return record(
        description,
        apiVersion=API_VERSION,
        kind=KIND,
        metadata=OBJECT_META,
        **properties,
    )
