"""What a command is asked about: a verb, a resource, a namespace, as kubectl takes them."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

import click

from proxy.core.attributes import PATCH_TYPES, ResourceRequest
from proxy.core.explanation import question

_OPTIONS: Final = (
    click.argument("verb"),
    click.argument("resource", metavar="RESOURCE[/NAME]"),
    click.argument("name", required=False),
    click.option("-n", "--namespace", metavar="NS", help="The namespace that it is in."),
    click.option(
        "-A",
        "--all-namespaces",
        "everywhere",
        is_flag=True,
        help="Instead of a namespace: a list or watch of all of them.",
    ),
)
_DETAILS: Final = (
    click.option(
        "--subresource", default="", metavar="NAME", help="A part of the object, such as status."
    ),
    click.option(
        "--patch-type",
        "patch",
        default="",
        type=click.Choice(["", *PATCH_TYPES]),
        metavar=f"[{'|'.join(PATCH_TYPES)}]",
        help="Of a patch; a server-side apply needs `create` as well. Left out, it is `merge`.",
    ),
)


def asked(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives the command a `ResourceRequest`."""

    @wraps(command)
    def told(  # noqa: PLR0913 - one for each option
        *args: Any,
        verb: str,
        resource: str,
        name: str | None,
        namespace: str | None,
        everywhere: bool,
        subresource: str = "",
        patch: str = "",
        **kwargs: Any,
    ) -> Any:
        request = _read(
            verb, resource, name, _where(namespace, everywhere=everywhere), subresource, patch
        )
        return command(*args, request=request, **kwargs)

    for option in reversed(_OPTIONS):
        told = option(told)
    return told


def _where(namespace: str | None, *, everywhere: bool) -> str | None:
    if everywhere is (namespace is not None):
        raise click.UsageError("give one of --namespace and --all-namespaces")
    return namespace


def _read(
    verb: str,
    resource: str,
    name: str | None,
    namespace: str | None,
    subresource: str,
    patch: str,
) -> ResourceRequest:
    resource, slash, beside = resource.partition("/")
    if slash and name is not None:
        raise click.UsageError("give the name once")
    try:
        return question(
            verb,
            resource,
            namespace,
            name=beside if slash else name,
            subresource=subresource,
            patch=patch,
        )
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc


def details(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives `asked` the options that not every command has."""
    for option in reversed(_DETAILS):
        command = option(command)
    return command
