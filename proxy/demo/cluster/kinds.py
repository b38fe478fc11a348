"""What is special about a kind: the strategies of the built-in ones.

`default` completes what was sent, `prepare` adds what only the server says, `validate` judges the
object against what was there. Kinds that are not in the table have no rules of their own.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from proxy.demo.cluster.builtin import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CONFIG_MAPS,
    NAMESPACES,
    RBAC,
    ROLE_BINDINGS,
    ROLES,
    SECRETS,
)
from proxy.demo.cluster.objects import Object, clone, metadata, name_of
from proxy.demo.cluster.resources import Resource
from proxy.demo.cluster.status import Cause, bad_request
from proxy.demo.cluster.validation import invalid, refused, required

_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_KEY_TOLD = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
    "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_MAX_DATA = 1024 * 1024
_ACCOUNT = "kubernetes.io/service-account.name"
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
}


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one kind; `before` is None on create."""

    default: Callable[[Object], Object] = lambda obj: obj
    prepare: Callable[[Object], Object] = lambda obj: obj
    validate: Callable[[Object, Object | None], Iterator[Cause]] = lambda _obj, _before: iter(())


def of(resource: Resource) -> Rules:
    """Give the rules of a resource's kind."""
    return _RULES.get(resource.group_resource, Rules())


def _default_secret(obj: Object) -> Object:
    secret = clone(obj)
    for value in (secret.get("data") or {}).values():
        try:
            base64.b64decode(value or "", validate=True)
        except (binascii.Error, ValueError, TypeError) as exc:
            raise bad_request(
                'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at '
                "input byte 0"
            ) from exc
    plain = secret.pop("stringData", None)
    if plain:
        encoded = {
            key: base64.b64encode(str(text).encode()).decode() for key, text in plain.items()
        }
        secret["data"] = {**(secret.get("data") or {}), **encoded}
    if not secret.get("type"):
        secret["type"] = "Opaque"
    return secret


def _validate_secret(obj: Object, before: Object | None) -> Iterator[Cause]:
    data = obj.get("data") or {}
    yield from _data_keys("data", data)
    size = sum(len(base64.b64decode(value or "")) for value in data.values())
    if size > _MAX_DATA:
        yield Cause(
            "FieldValueTooLong", f"Too long: may not be more than {_MAX_DATA} bytes", "data"
        )
    annotations = metadata(obj).get("annotations") or {}
    if obj["type"] == "kubernetes.io/service-account-token" and not annotations.get(_ACCOUNT):
        yield required(f"metadata.annotations[{_ACCOUNT}]")
    for key in _NEEDED.get(obj["type"], ()):
        if key not in data:
            yield required(f"data[{key}]")
    if before is not None:
        if obj["type"] != before["type"]:
            yield invalid("type", obj["type"], "field is immutable")
        yield from _immutable(obj, before, ("data",))


def _validate_config_map(obj: Object, before: Object | None) -> Iterator[Cause]:
    for field in ("data", "binaryData"):
        yield from _data_keys(field, obj.get(field) or {})
    if before is not None:
        yield from _immutable(obj, before, ("data", "binaryData"))


def _data_keys(field: str, data: Object) -> Iterator[Cause]:
    for key in data:
        if not _KEY.fullmatch(key):
            yield invalid(f"{field}[{key}]", key, _KEY_TOLD)


def _immutable(obj: Object, before: Object, fields: tuple[str, ...]) -> Iterator[Cause]:
    if not before.get("immutable"):
        return
    told = "field is immutable when `immutable` is set"
    if not obj.get("immutable"):
        yield refused("immutable", told)
    for field in fields:
        if (obj.get(field) or {}) != (before.get(field) or {}):
            yield refused(field, told)


def _default_namespace(obj: Object) -> Object:
    meta = metadata(obj)
    if not meta.get("name"):
        return obj
    labels = {**(meta.get("labels") or {}), "kubernetes.io/metadata.name": name_of(obj)}
    return {**obj, "metadata": {**meta, "labels": labels}}


def _prepare_namespace(obj: Object) -> Object:
    namespace = clone(obj)
    meta = metadata(namespace)
    namespace.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    namespace["status"] = {**(namespace.get("status") or {}), "phase": "Active"}
    if meta.get("deletionTimestamp"):
        namespace["status"]["phase"] = "Terminating"
    return namespace


def _default_role(obj: Object) -> Object:
    return {**obj, "rules": obj.get("rules") or None}


def _default_binding(obj: Object) -> Object:
    binding = clone(obj)
    reference = binding.get("roleRef")
    if isinstance(reference, dict) and not reference.get("apiGroup"):
        reference["apiGroup"] = RBAC
    for subject in binding.get("subjects") or ():
        if subject.get("kind") in {"User", "Group"} and not subject.get("apiGroup"):
            subject["apiGroup"] = RBAC
    return binding


def _validate_binding(obj: Object, before: Object | None) -> Iterator[Cause]:
    reference = obj.get("roleRef") or {}
    kinds = ("ClusterRole",) if obj.get("kind") == "ClusterRoleBinding" else ("Role", "ClusterRole")
    if reference.get("kind") not in kinds:
        told = ", ".join(f'"{kind}"' for kind in kinds)
        yield Cause(
            "FieldValueNotSupported",
            f'Unsupported value: "{reference.get("kind", "")}": supported values: {told}',
            "roleRef.kind",
        )
    if not reference.get("name"):
        yield required("roleRef.name")
    for index, subject in enumerate(obj.get("subjects") or ()):
        if not subject.get("name"):
            yield required(f"subjects[{index}].name")
        if subject.get("kind") == "ServiceAccount" and not subject.get("namespace"):
            yield required(f"subjects[{index}].namespace")
    if before is not None and before["roleRef"] != reference:
        # The internal form, as upstream shows it.
        shown = {
            "APIGroup": reference.get("apiGroup", ""),
            "Kind": reference.get("kind", ""),
            "Name": reference.get("name", ""),
        }
        yield invalid("roleRef", shown, "field is immutable")


_RULES: Mapping[tuple[str, str], Rules] = {
    SECRETS.group_resource: Rules(_default_secret, validate=_validate_secret),
    CONFIG_MAPS.group_resource: Rules(validate=_validate_config_map),
    NAMESPACES.group_resource: Rules(_default_namespace, _prepare_namespace),
    ROLES.group_resource: Rules(_default_role),
    CLUSTER_ROLES.group_resource: Rules(_default_role),
    ROLE_BINDINGS.group_resource: Rules(_default_binding, validate=_validate_binding),
    CLUSTER_ROLE_BINDINGS.group_resource: Rules(_default_binding, validate=_validate_binding),
}
