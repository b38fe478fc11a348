"""Does a kubeconfig work: use it as a client would, one step after the other.

kubernetes_asyncio reads its certificates and talks; the token is had here, since that
library keeps to itself what a plugin says to the person who waits for it, waits for ever,
and takes a token file's last newline for a part of the token. Every step is bounded in
time. Nothing is written, and no token is in any message.
"""

import asyncio
import errno
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, assert_never

import aiohttp
import yaml
from kubernetes_asyncio.client import (
    ApiClient,
    Configuration,
)
from kubernetes_asyncio.config.kube_config import KubeConfigLoader

from proxy.core.attributes import Review
from proxy.core.checkup import (
    Access,
    Answer,
    Checkup,
    Place,
    Problem,
    Step,
    judge,
    locate,
    plugin_token,
    what,
    where,
    who,
)
from proxy.core.kubeconfig import EXEC_API_VERSION, ExecLogin, StaticTokenLogin, TokenFileLogin

_MAX_DOCUMENT: Final = 1024 * 1024
_TOKEN: Final = re.compile(r"[!-~]+")
# OpenSSL's X509_V_ERR_*: which advice a certificate that is not trusted calls for.
_TIMES: Final = frozenset({9, 10})
_UNKNOWN_ISSUER: Final = frozenset({18, 19, 20, 21})
_OTHER_NAME: Final = frozenset({62, 64})


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait for an answer, for a plugin, and for one in front of which a person sits.

    A device code lives for about ten minutes.
    """

    answer: float = 10.0
    plugin: float = 60.0
    person: float = 600.0


PATIENCE: Final = Patience()


def read(file: Path) -> Any:
    """Read a kubeconfig.

    Raises:
        Problem: there is none.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_DOCUMENT + 1)
    except OSError as exc:
        raise Problem(Step.KUBECONFIG, f"`{file}` cannot be read: {exc.strerror}") from exc
    if len(content) > _MAX_DOCUMENT:
        raise Problem(Step.KUBECONFIG, f"`{file}` has more than {_MAX_DOCUMENT} bytes")
    try:
        return yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        # Its words would quote the line, which may hold a token.
        raise Problem(Step.KUBECONFIG, f"`{file}` is not YAML") from exc


async def check(
    document: Any, folder: Path, context: str | None = None, patience: Patience = PATIENCE
) -> Checkup:
    """Use a kubeconfig, by its current context or another. That it fails is a finding too.

    `folder` is where relative paths in it count from, the one that it lies in.
    """
    so_far = Checkup()
    try:
        async for so_far in _steps(document, folder, context, patience):  # noqa: B007 - the last one counts
            pass
    except Problem as problem:
        return so_far.failed(problem)
    return so_far


async def _steps(
    document: Any, folder: Path, context: str | None, patience: Patience
) -> AsyncIterator[Checkup]:
    place = locate(document, context)
    async with _client(folder, place) as client:
        message = f"context `{place.context}` leads to {place.server}"
        yield (so_far := Checkup().passed(Step.KUBECONFIG, message, place=place))

        token, message = await _token(place, folder, patience)
        client.configuration.api_key["BearerToken"] = f"Bearer {token}"
        yield (so_far := so_far.passed(Step.CREDENTIALS, message))

        answer = await _who(client, patience.answer)
        message = "the server is reached, and its certificate trusted"
        yield (so_far := so_far.passed(Step.CONNECTION, message))

        caller = who(answer)
        message = f"you are `{caller.username}`"
        yield (so_far := so_far.passed(Step.IDENTITY, message, caller=caller))

        access = tuple(
            [await _what(client, namespace, patience.answer) for namespace in where(place, caller)]
        )
        yield (so_far := replace(so_far, access=access))
        yield so_far.passed(Step.ACCESS, judge(place, caller, access))


@asynccontextmanager
async def _client(folder: Path, place: Place) -> AsyncIterator[ApiClient]:
    """A client that trusts whom the kubeconfig says, and has no token yet."""
    try:
        client = ApiClient(await _configuration(folder, place))
    except Exception as exc:
        # Whatever a broken file makes the library raise; its words may quote the file.
        message = "its certificates cannot be read: give the proxy's CA in PEM, or its file"
        raise Problem(Step.KUBECONFIG, message) from exc
    try:
        yield client
    finally:
        await client.close()


async def _configuration(folder: Path, place: Place) -> Configuration:
    certificates = {key: place.user[key] for key in place.user if key.startswith("client-")}
    alone = {
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
        "clusters": [{"name": "one", "cluster": place.cluster}],
        "users": [{"name": "one", "user": certificates}],
    }
    loader = KubeConfigLoader(alone, active_context="one", config_base_path=str(folder))
    configuration = Configuration()
    await loader.load_and_set(configuration)
    # Go does not ask of certificates what OpenSSL's strict mode does.
    configuration.disable_strict_ssl_verification = True
    return configuration


async def _token(place: Place, folder: Path, patience: Patience) -> tuple[str, str]:
    """The token, and where it is from."""
    match place.login:
        case ExecLogin() as plugin:
            found, source = (
                await _from_plugin(plugin, folder, patience),
                f"the plugin `{plugin.command}`",
            )
        case TokenFileLogin(path):
            found, source = _from_file(folder / path), f"the file `{path}`"
        case StaticTokenLogin(token):
            found, source = token, "the kubeconfig itself, which nobody renews"
        case _:
            assert_never(place.login)
    if not _TOKEN.fullmatch(found):
        raise Problem(Step.CREDENTIALS, f"there is no token of one line in what {source} has")
    return found, f"a token from {source}"


def _from_file(path: Path) -> str:
    # Opening a pipe would wait for somebody to write into it.
    if not path.is_file():
        message = f"the token file `{path}` is not there: it is where a client runs, or nowhere yet"
        raise Problem(Step.CREDENTIALS, message)
    try:
        return path.read_bytes()[:_MAX_DOCUMENT].decode("ascii", "replace").strip()
    except OSError as exc:
        message = f"the token file `{path}` cannot be read: {exc.strerror}"
        raise Problem(Step.CREDENTIALS, message) from exc


async def _from_plugin(login: ExecLogin, folder: Path, patience: Patience) -> str:
    """Run an exec plugin as client-go does (KEP-541); what it says on stderr is said here."""
    command = login.command
    if os.sep in command:
        command = str(folder / command)
    interactive = os.isatty(0)
    asked = {
        "apiVersion": EXEC_API_VERSION,
        "kind": "ExecCredential",
        "spec": {"interactive": interactive},
    }
    environment = {**os.environ, **login.env, "KUBERNETES_EXEC_INFO": json.dumps(asked)}
    try:
        process = await asyncio.create_subprocess_exec(
            command,
            *login.args,
            stdin=None if interactive else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
        )
    except OSError as exc:
        message = f"the plugin `{login.command}` cannot be run: {exc.strerror}: install it"
        raise Problem(Step.CREDENTIALS, message) from exc
    except ValueError as exc:
        message = (
            f"`exec` of `{login.command}` holds what no program can be given, such as a zero byte"
        )
        raise Problem(Step.CREDENTIALS, message) from exc
    seconds = patience.person if interactive else patience.plugin
    try:
        async with asyncio.timeout(seconds):
            printed, _ = await process.communicate()
    except TimeoutError as exc:
        message = f"the plugin `{login.command}` gave no token within {seconds:g} s"
        raise Problem(Step.CREDENTIALS, message) from exc
    finally:
        if process.returncode is None:
            process.kill()
            # Some Pythons also wait for whoever else has its output open.
            await asyncio.wait([asyncio.create_task(process.wait())], timeout=1)
    if process.returncode != 0:
        message = f"the plugin `{login.command}` failed with {process.returncode}: see what it says"
        raise Problem(Step.CREDENTIALS, message)
    return plugin_token(printed)


async def _who(client: ApiClient, seconds: float) -> Answer:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    return await _ask(client, Review.SUBJECT, review, seconds)


async def _what(client: ApiClient, namespace: str, seconds: float) -> Access:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    return what(await _ask(client, Review.RULES, review, seconds), namespace)


async def _ask(client: ApiClient, review: Review, body: dict[str, Any], seconds: float) -> Answer:
    # Not the library's typed calls: what is no Kubernetes would end in their models.
    asking = client.call_api(
        review.value,
        "POST",
        body=body,
        header_params={"Accept": "application/json"},
        auth_settings=["BearerToken"],
        _preload_content=False,
    )
    try:
        async with asyncio.timeout(seconds), await asking as response:
            return Answer(*await _read(response))
    except TimeoutError as exc:
        message = f"no answer within {seconds:g} s: see `server`, and firewalls on the way"
        raise Problem(Step.CONNECTION, message) from exc
    except (aiohttp.ClientError, ValueError) as exc:
        raise Problem(Step.CONNECTION, _why(exc)) from exc


async def _read(response: aiohttp.ClientResponse) -> tuple[int, Any]:
    if response.history:
        # It was followed; but who answers in the end is not whom we asked.
        return response.history[0].status, None
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _MAX_DOCUMENT:
            raise Problem(Step.CONNECTION, f"its answer has more than {_MAX_DOCUMENT} bytes")
    return response.status, _json(body)


def _json(body: bytearray) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _why(exc: Exception) -> str:
    """What is wrong with a connection, and where to look."""
    match exc:
        case aiohttp.ClientConnectorCertificateError():
            return _why_not_trusted(exc)
        case aiohttp.ClientConnectorDNSError():
            return f"the name `{exc.host}` does not resolve: see `server`, and your DNS"
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return "its HTTP proxy does not lead there: see `proxy-url`, HTTPS_PROXY and NO_PROXY"
        case aiohttp.ClientSSLError():
            return "what listens there does not speak TLS: see the port of `server`"
        case aiohttp.ClientConnectorError() if exc.os_error.errno == errno.ECONNREFUSED:
            return "nothing listens there: see the port of `server`, and whether the proxy runs"
        case aiohttp.ClientConnectorError():
            return f"it cannot be reached: {exc.os_error.strerror or 'unknown'}"
        case aiohttp.ClientConnectionError():
            return "it broke off: see the port of `server`"
        case _:
            return "it cannot be asked, or answers something that is not HTTP: see `server`"


def _why_not_trusted(exc: aiohttp.ClientConnectorCertificateError) -> str:
    found = exc.certificate_error
    code = getattr(found, "verify_code", None)
    if code in _UNKNOWN_ISSUER:
        return "its certificate is not of the CA that is trusted here: give the proxy's own CA"
    if code in _OTHER_NAME:
        return f"its certificate is not for `{exc.host}`: use a name that it has in `server`"
    if code in _TIMES:
        return "its certificate has expired, or is not valid yet: renew it, or set the clock"
    return f"its certificate is not trusted: {getattr(found, 'verify_message', 'unknown')}"
