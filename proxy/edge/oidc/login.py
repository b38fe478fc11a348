"""Ask for tokens: each way in is a method, and all say what went wrong in the same words."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from proxy.edge.oidc import device
from proxy.edge.oidc.clients import Client, authenticated
from proxy.edge.oidc.device import DeviceCode, Prompt, read_code
from proxy.edge.oidc.faults import LoginError, RefusedError, UnreachableError, told
from proxy.edge.oidc.provider import Endpoints, Provider, discover
from proxy.edge.oidc.tokens import Tokens, read_tokens
from proxy.https import Answer, Conversation, conversation

Clock: TypeAlias = Callable[[], float]
Pause: TypeAlias = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Login:
    """One client at one IAM. Each call asks anew; nothing is remembered.

    `clock` tells the seconds since the epoch, `pause` waits for a number of seconds.

    All methods raise:
        UnreachableError: the IAM did not answer, or is not well.
        RefusedError: it said no.
        LoginError: its answer cannot be used.
    """

    provider: Provider
    client: Client
    scopes: tuple[str, ...] = ()
    clock: Clock = time.time
    pause: Pause = asyncio.sleep

    async def client_credentials(self) -> Tokens:
        """Tokens for the client itself (RFC 6749, 4.4)."""
        return await self._ask({"grant_type": "client_credentials", **self._scope()})

    async def refresh(self, refresh_token: str) -> Tokens:
        """Tokens for whoever logged in before (RFC 6749, 6).

        Where the IAM gives no new refresh token, the one of before is kept.
        """
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        tokens = await self._ask(form)
        if tokens.refresh is not None:
            return tokens
        return Tokens(tokens.access, tokens.asked_at, tokens.expires_at, refresh_token)

    async def device_code(self, prompt: Prompt) -> Tokens:
        """Tokens for a person who logs in elsewhere (RFC 8628); takes as long as they do."""
        asked_at = self.clock()
        async with self._conversation() as iam:
            endpoints = await discover(self.provider, iam)
            if endpoints.device_authorization is None:
                raise LoginError("it does not let people log in by a device code")
            url = endpoints.device_authorization
            answer = await self._post(iam, endpoints, url, self._scope())
        code = read_code(answer, asked_at)
        prompt.show(code)
        return await self._poll(endpoints, code, prompt)

    async def _poll(self, endpoints: Endpoints, code: DeviceCode, prompt: Prompt) -> Tokens:
        form = {"grant_type": device.GRANT, "device_code": code.device_code}
        interval = code.interval
        while self.clock() < code.expires_at:
            await self.pause(min(interval, code.expires_at - self.clock()))
            try:
                async with self._conversation() as iam:
                    return await self._tokens(iam, endpoints, form)
            except UnreachableError:
                interval = device.backed_off(interval)
            except RefusedError as refused:
                interval = device.slower(interval, refused)
            prompt.waiting(max(0.0, code.expires_at - self.clock()))
        raise RefusedError("expired_token")

    async def _ask(self, form: Mapping[str, str]) -> Tokens:
        async with self._conversation() as iam:
            return await self._tokens(iam, await discover(self.provider, iam), form)

    async def _tokens(
        self, iam: Conversation, endpoints: Endpoints, form: Mapping[str, str]
    ) -> Tokens:
        asked_at = self.clock()
        return read_tokens(await self._post(iam, endpoints, endpoints.token, form), asked_at)

    async def _post(
        self, iam: Conversation, endpoints: Endpoints, url: str, form: Mapping[str, str]
    ) -> Answer:
        question = authenticated(self.client, form, self.provider, endpoints, self.clock())
        return await iam.post(url, question.form, question.headers)

    @asynccontextmanager
    async def _conversation(self) -> AsyncIterator[Conversation]:
        with told():
            provider = self.provider
            async with conversation(
                provider.ca_file, provider.timeout, ca_pem=provider.ca_pem
            ) as iam:
                yield iam

    def _scope(self) -> Mapping[str, str]:
        return {"scope": " ".join(self.scopes)} if self.scopes else {}
