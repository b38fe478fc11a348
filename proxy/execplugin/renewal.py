"""Ask the IAM for a token: by the refresh token that is left, or by another login."""

import asyncio
import random
from typing import assert_never

from proxy.edge.oidc import (
    Client,
    KeyClient,
    Login,
    LoginError,
    Prompt,
    Provider,
    PublicClient,
    RefusedError,
    SecretClient,
    SigningKey,
    Tokens,
    UnreachableError,
)
from proxy.execplugin import faults
from proxy.execplugin.faults import PluginError, WrongUseError
from proxy.execplugin.kept import Kept
from proxy.execplugin.ways import Account, ByDeviceCode, ByKey, BySecret


class NobodyThereError(Exception):
    """A person has to log in, and there is none."""


def renew(account: Account, prompt: Prompt | None, refresh: str | None) -> Kept:
    """Get a token; `prompt` is how to ask a person, where there is one.

    Raises:
        UnreachableError: the IAM does not answer now.
        WrongUseError: an option cannot be used.
        PluginError: there is none to be had.
    """
    try:
        login = Login(
            Provider(account.issuer_url, account.ca_file, ca_pem=account.ca_pem),
            _client(account),
            account.scopes,
        )
    except ValueError as exc:
        raise WrongUseError(str(exc)) from exc
    try:
        tokens = asyncio.run(_tokens(login, account, prompt, refresh))
    except NobodyThereError as exc:
        raise PluginError(
            "a person has to log in, and the caller says that nobody is there "
            "(`interactive: false`): run `kubectl auth whoami` at a terminal first"
        ) from exc
    except UnreachableError as exc:
        raise faults.UnreachableError(f"no token from the issuer: {exc}") from exc
    except LoginError as exc:
        raise PluginError(f"no token from the issuer: {exc}") from exc
    return _kept(tokens)


async def _tokens(
    login: Login, account: Account, prompt: Prompt | None, refresh: str | None
) -> Tokens:
    if not account.needs_person:
        # It can always ask again; a refresh token would be one more thing to steal.
        return await login.client_credentials()
    if refresh is not None:
        try:
            return await login.refresh(refresh)
        except RefusedError as refused:
            if refused.error != "invalid_grant":
                raise
    if prompt is None:
        raise NobodyThereError
    return await login.device_code(prompt)


def _client(account: Account) -> Client:
    match account.way:
        case BySecret(secret):
            return SecretClient(account.client_id, secret)
        case ByKey(pem):
            return KeyClient(account.client_id, SigningKey.read(pem))
        case ByDeviceCode():
            return PublicClient(account.client_id)
        case _:
            assert_never(account.way)


def _kept(tokens: Tokens) -> Kept:
    # client-go is told whole seconds, and the cache must not think otherwise.
    renew_at = int(tokens.renew_at(random.random()))  # noqa: S311 - it spreads load, no more
    return Kept(tokens.access, tokens.asked_at, renew_at, tokens.expires_at, tokens.refresh)
