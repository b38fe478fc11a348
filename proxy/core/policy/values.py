"""What a field may hold: each kind of value, checked once and described to editors.

What passes can mean something: a name that some token may have, a pattern that
some namespace matches.
"""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Final, NoReturn, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, Strict
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from proxy.core import attributes, claims
from proxy.core.attributes import is_name, is_namespace
from proxy.core.bounds import is_image_prefix
from proxy.core.policy import rules
from proxy.core.policy.codes import Code
from proxy.core.policy.faults import Fault, suggestion, ticked, wrong_type
from proxy.core.policy.located import shown
from proxy.core.policy.rules import PLURALS

_LONGEST: Final = 1024
_PATTERN: Final = re.compile(
    # An RFC 1123 label; the beginning of one, up to a dash; anything.
    r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?|[a-z0-9][-a-z0-9]{0,60}-\*|\*"
)

_LABEL_VALUE: Final = r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"

_T = TypeVar("_T")


def _error(message: str, hint: str, code: Code = Code.INVALID_VALUE) -> PydanticCustomError:
    """A fault, on its way through pydantic to whoever says where it stands."""
    return PydanticCustomError("fault", "{message}", Fault(message, hint, code)._asdict())


def _check_text(value: str) -> str:
    if value != value.strip() or not value.isprintable() or not 0 < len(value) <= _LONGEST:
        hint = f"use 1 to {_LONGEST} printable characters, no blanks around them"
        raise _error(f"{shown(value)} is in no token", hint)
    if value.startswith("system:"):
        hint = "a service account is written `serviceAccount: NAMESPACE/NAME`"
        raise _error(f"{shown(value)} begins with `system:`, which no token may claim", hint)
    return value


def _check_name(value: str) -> str:
    if not is_name(value):
        hint = "use lower-case letters, digits, `-` and `.`, a letter or digit first and last"
        raise _error(f"{shown(value)} is not a name of RFC 1123", hint)
    return value


def _check_service_account(value: str) -> str:
    if not _is_service_account(value):
        # As Kubernetes writes it in a token, and in a RoleBinding.
        meant = value.removeprefix("system:serviceaccount:").replace(":", "/", 1)
        hint = f"did you mean `{meant}`?" if _is_service_account(meant) else "write NAMESPACE/NAME"
        raise _error(f"{shown(value)} is no service account", hint)
    return value


def _is_service_account(value: str) -> bool:
    namespace, _, name = value.partition("/")
    return is_namespace(namespace) and is_name(name)


def _check_claim(value: str) -> str:
    try:
        claims.path(value)
    except ValueError:
        hint = "write names with a dot between each two, such as `realm_access.roles`"
        raise _error(f"{shown(value)} is not the name of a claim", hint) from None
    return value


def _check_pattern(value: str) -> str:
    if _PATTERN.fullmatch(value):
        return value
    hint = "use a name of RFC 1123, a beginning such as `blue-*`, or `*`"
    dashed = f"{value.removesuffix('*')}-*"
    if value.endswith("*") and _PATTERN.fullmatch(dashed):
        # `blue*` would let blue into `blueberry`.
        hint = f"did you mean `{dashed}`?"
    elif _PATTERN.fullmatch(value.lower()):
        hint = f"did you mean `{value.lower()}`?"
    raise _error(f"{shown(value)} matches no namespace", hint)


def _check_label(value: str) -> str:
    if not re.fullmatch(_LABEL_VALUE, value):
        hint = "use at most 63 letters, digits, `-`, `_` and `.`"
        raise _error(f"{shown(value)} is not the value of a label", hint)
    return value


def _check_image_prefix(value: str) -> str:
    if not is_image_prefix(value):
        hint = "write a URL that ends with `/`, such as `https://images.example.com/blue/`"
        raise _error(f"{shown(value)} cannot bound images", hint)
    return value


def _check_count(value: object) -> object:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _error(*wrong_type("int_type", value))
    if value < 0:
        raise _error(f"`{value}` is below zero", "give a number, zero or more")
    return value


def _check_some(value: tuple[_T, ...]) -> tuple[_T, ...]:
    if not value:
        raise _error("is empty", "give it an item")
    return value


def _check_true(value: bool) -> bool:  # noqa: FBT001 - pydantic calls it with the value
    if not value:
        raise _error("is `false`", "leave the field out, or write `true`")
    return value


def refuse(message: str, hint: str) -> NoReturn:
    """Refuse a mapping whose fields cannot all be so, and say what would be right."""
    raise _error(message, hint, Code.CONTRADICTION)


def refuse_value(message: str, hint: str) -> NoReturn:
    """Refuse a value that cannot mean anything, and say what would be right."""
    raise _error(message, hint)


def check_verbs(resource: attributes.Resource, verbs: Iterable[attributes.Verb]) -> None:
    """Refuse verbs that a resource does not have, whoever is given them."""
    if wrong := [verb for verb in verbs if verb not in resource.verbs]:
        message = f"has {ticked(wrong, ' and ')}, and `{resource.plural}` is only read"
        hint = f"use {ticked(sorted(resource.verbs), ', ')}"
        raise _error(message, hint, Code.CONTRADICTION)


def one_of(what: str, choices: Iterable[str]) -> BeforeValidator:
    """One of these words; any other is answered with the one that was meant."""
    known = {str(choice): choice for choice in choices}

    def check(value: object) -> str:
        if not isinstance(value, str):
            raise _error(*wrong_type("string_type", value))
        if value not in known:
            message = f"unknown {what} {shown(value)}"
            raise _error(message, suggestion(value, known), Code.UNKNOWN_VALUE)
        return known[value]

    return BeforeValidator(check)


def schema(**extra: Any) -> Any:
    """What a check of ours means in the words of JSON Schema."""
    return Field(json_schema_extra=extra)


Text = Annotated[
    str,
    AfterValidator(_check_text),
    schema(maxLength=_LONGEST, pattern=r"^(?!system:)\S(.*\S)?$"),
]
Claim = Annotated[
    str,
    AfterValidator(_check_text),
    AfterValidator(_check_claim),
    schema(
        maxLength=_LONGEST,
        pattern=r"^(?!system:)(?!\.)(?!.*(?<!\\)\.(\.|$))\S(.*\S)?$",
    ),
]
Name = Annotated[
    str,
    AfterValidator(_check_name),
    schema(
        maxLength=253, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
    ),
]
ServiceAccount = Annotated[
    str, AfterValidator(_check_service_account), schema(pattern="^[^/]+/[^/]+$")
]
Namespace = Annotated[
    str, AfterValidator(_check_pattern), schema(pattern=f"^({_PATTERN.pattern})$")
]
Role = Annotated[rules.Role | SkipJsonSchema[None], one_of("role", rules.Role)]
Plural = Annotated[str, one_of("resource", PLURALS), schema(enum=[*PLURALS])]
Verb = Annotated[attributes.Verb, one_of("verb", attributes.Verb)]
Label = Annotated[str, AfterValidator(_check_label), schema(pattern=f"^{_LABEL_VALUE}$")]
ImagePrefix = Annotated[
    str, AfterValidator(_check_image_prefix), schema(pattern="^(https?|oci)://[^/]+/(.*/)?$")
]
Count = Annotated[int | SkipJsonSchema[None], BeforeValidator(_check_count), schema(minimum=0)]
Yes = Annotated[bool, AfterValidator(_check_true), schema(const=True)]

# The tree has a list where a frozen model has a tuple; nothing else is read loosely.
List = Annotated[
    tuple[_T, ...], Strict(strict=False), AfterValidator(_check_some), schema(minItems=1)
]
