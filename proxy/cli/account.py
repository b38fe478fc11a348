"""The option that names the account of the proxy, wherever rights are printed for it."""

from typing import Final

import click

from proxy.core.attributes import is_name, is_namespace
from proxy.core.rights import Account

_OPTION: Final = "--service-account"


def _read(_ctx: click.Context, _param: click.Parameter, text: str) -> Account:
    namespace, _, name = text.partition("/")
    if not is_namespace(namespace) or not is_name(name):
        raise click.BadParameter("write NS/NAME", param_hint=_OPTION)
    return Account(namespace, name)


service_account = click.option(
    _OPTION,
    "account",
    default="hostclaim-proxy/hostclaim-proxy",
    show_default=True,
    metavar="NS/NAME",
    callback=_read,
    help="The account that the proxy runs as.",
)
"""Gives the command an `Account`."""
