"""What is asked for: a labelled Secret, read as an order to keep a token fresh in it."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from proxy.core.attributes import is_name
from proxy.refresher.errors import RefreshError, quoted

_DOMAIN: Final = "hostclaim-proxy.metal3.io"

LABEL: Final = f"{_DOMAIN}/refresh"
"""On a Secret with a kubeconfig: `"true"` asks that the token in it is kept fresh."""

FROM: Final = f"{_DOMAIN}/refresh-from"
"""Annotation: where tokens come from, `secret/NAME` of the same namespace or `token-file`."""

KEY: Final = f"{_DOMAIN}/refresh-key"
"""Annotation: which key of the Secret holds the kubeconfig, if not the one of `KEYS` it has."""

CONTEXT: Final = f"{_DOMAIN}/refresh-context"
"""Annotation: the context whose user gets the token, if not the current one."""

KEYS: Final = ("value", "kubeconfig")
"""Where a kubeconfig lies: as Cluster API has it, or by its name."""

REFRESHED_AT: Final = f"{_DOMAIN}/token-refreshed-at"
EXPIRES_AT: Final = f"{_DOMAIN}/token-expires-at"
ERROR: Final = f"{_DOMAIN}/refresh-error"
"""Annotations in which we say how it went."""

TOKEN_FILE: Final = "token-file"  # noqa: S105 - a word of the annotation
_SECRET: Final = "secret/"  # noqa: S105 - another


@dataclass(frozen=True, slots=True)
class FromSecret:
    """From the issuer, with what a Secret of the same namespace holds."""

    name: str


@dataclass(frozen=True, slots=True)
class FromTokenFile:
    """Our own service account's, which the kubelet keeps fresh in a file."""


Source: TypeAlias = FromSecret | FromTokenFile


@dataclass(frozen=True, slots=True)
class Order:
    """A kubeconfig, the context whose token is kept fresh, and where tokens come from."""

    source: Source
    key: str
    context: str | None
    kubeconfig: str = field(repr=False)


def read(secret: Mapping[str, Any]) -> Order:
    """Read a labelled Secret, a v1 Secret in JSON.

    Raises:
        RefreshError: with the field that is missing or wrong.
    """
    if secret.get("immutable"):
        raise RefreshError("`immutable` is set: nothing can be written into the Secret")
    annotations = annotations_of(secret)
    data: Mapping[str, str] = secret.get("data") or {}
    key = _key(annotations.get(KEY), data)
    return Order(
        source=_source(annotations.get(FROM, "")),
        key=key,
        context=annotations.get(CONTEXT),
        kubeconfig=text_of(data, key),
    )


def annotations_of(secret: Mapping[str, Any]) -> Mapping[str, str]:
    """The annotations of an object, which may have none."""
    return secret["metadata"].get("annotations") or {}


def text_of(data: Mapping[str, str], key: str) -> str:
    """What a key of a Secret holds.

    Raises:
        RefreshError: it is not there, or is no text.
    """
    try:
        return base64.b64decode(data[key], validate=True).decode()
    except KeyError as exc:
        raise RefreshError(f"the Secret has no key {quoted(key)}") from exc
    except (binascii.Error, ValueError) as exc:
        raise RefreshError(f"the key {quoted(key)} of the Secret holds no text in UTF-8") from exc


def _key(named: str | None, data: Mapping[str, str]) -> str:
    if named is not None:
        return named
    found = [key for key in KEYS if key in data]
    if len(found) != 1:
        keys = " or ".join(f"`{key}`" for key in KEYS)
        raise RefreshError(f"annotation `{KEY}` must say which key, unless it is one of {keys}")
    return found[0]


def _source(text: str) -> Source:
    if text == TOKEN_FILE:
        return FromTokenFile()
    name = text.removeprefix(_SECRET)
    if name == text or not is_name(name):
        raise RefreshError(f"annotation `{FROM}` must be `{_SECRET}NAME` or `{TOKEN_FILE}`")
    return FromSecret(name)
