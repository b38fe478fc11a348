"""Where a kubeconfig leads, and what an exec plugin printed."""

import json
from collections.abc import Mapping
from typing import Any, Final

from proxy.core.checkup.findings import Place, Problem, Step
from proxy.core.kubeconfig import (
    EXEC_API_VERSION,
    ExecLogin,
    Login,
    StaticTokenLogin,
    TokenFileLogin,
)

_TEXTS: Final = (
    "certificate-authority",
    "certificate-authority-data",
    "tls-server-name",
    "proxy-url",
)
"""Fields of a cluster that are text where they are there."""


def locate(document: Any, context: str | None = None) -> Place:
    """Follow a context of a kubeconfig (package clientcmd/api/v1), or its current one.

    Raises:
        Problem: it leads nowhere, or not safely.
    """
    name = entry(document, "current-context") if context is None else context
    if not isinstance(name, str) or not name:
        raise _unfit("it has no `current-context`: set it, or give --context")
    found = _named(document, "contexts", "context", name)
    cluster = _named(document, "clusters", "cluster", found.get("cluster"))
    user = _named(document, "users", "user", found.get("user"))
    namespace = found.get("namespace") or ""
    if not isinstance(namespace, str):
        raise _unfit("the namespace of the context is not text: put it in quotes")
    server = cluster.get("server")
    if not isinstance(server, str) or not server.startswith("https://"):
        raise _unfit("`server` must be an https:// address")
    if "@" in server:
        # It is shown, and the proxy knows nobody by a password.
        raise _unfit("`server` must be an https:// address without a user and a password")
    for key in _TEXTS:
        if not isinstance(cluster.get(key) or "", str):
            raise _unfit(f"`{key}` is not text: put it in quotes")
    if cluster.get("insecure-skip-tls-verify"):
        # Whoever answers would be shown the token.
        raise _unfit("insecure-skip-tls-verify trusts anybody: give the proxy's CA instead")
    return Place(name, server, namespace, _login(user), cluster, user)


def plugin_token(printed: bytes) -> str:
    """The token in what an exec plugin printed, an ExecCredential.

    Raises:
        Problem: there is none.
    """
    try:
        document = json.loads(printed)
    except (ValueError, RecursionError):
        document = None
    expected = {"kind": "ExecCredential", "apiVersion": EXEC_API_VERSION}
    if any(entry(document, key) != value for key, value in expected.items()):
        message = f"the plugin printed no ExecCredential of {EXEC_API_VERSION}"
        raise Problem(Step.CREDENTIALS, message)
    token = entry(entry(document, "status"), "token")
    if not isinstance(token, str) or not token:
        raise Problem(Step.CREDENTIALS, "the plugin printed an ExecCredential without a token")
    return token


def entry(document: Any, key: str) -> Any:
    """A value of what may be a mapping, or None."""
    return document.get(key) if isinstance(document, Mapping) else None


def texts(values: Any) -> tuple[str, ...]:
    """The strings of what may be a list of them."""
    items = values if isinstance(values, list) else ()
    return tuple(value for value in items if isinstance(value, str))


def _login(user: Mapping[str, Any]) -> Login:
    """The way in that client-go takes, where a kubeconfig has several."""
    match user:
        case {"tokenFile": str(path)} if path:
            return TokenFileLogin(path)
        case {"token": str(token)} if token:
            return StaticTokenLogin(token)
        case {"exec": Mapping() as plugin}:
            return _exec(plugin)
        case _:
            raise _unfit(
                "the user has no exec, tokenFile or token: the proxy knows callers by tokens alone"
            )


def _exec(plugin: Mapping[str, Any]) -> ExecLogin:
    if plugin.get("apiVersion") != EXEC_API_VERSION:
        raise _unfit(f"`exec` needs `apiVersion: {EXEC_API_VERSION}`")
    command = plugin.get("command")
    if not isinstance(command, str) or not command:
        raise _unfit("`exec` needs a `command`")
    args = plugin.get("args") or []
    if not isinstance(args, list) or len(texts(args)) < len(args):
        raise _unfit("`exec.args` must be a list of texts: put numbers in quotes")
    env = plugin.get("env") or []
    if not isinstance(env, list):
        raise _unfit("`exec.env` must be a list of names and values")
    given = [(entry(one, "name"), entry(one, "value")) for one in env]
    if any(len(texts([*pair])) < 2 for pair in given):
        raise _unfit("`exec.env` must be a list of names and values: put numbers in quotes")
    return ExecLogin(texts(args), dict(given), command)


def _named(document: Any, plural: str, singular: str, name: Any) -> Mapping[str, Any]:
    """The first entry of that name in a list of them, as client-go takes it."""
    listed = entry(document, plural)
    for one in listed if isinstance(listed, list) else ():
        found = entry(one, singular)
        if isinstance(name, str) and entry(one, "name") == name and isinstance(found, Mapping):
            return found
    called = f" that is called `{name}`" if isinstance(name, str) else ""
    raise _unfit(f"it has no {singular}{called}")


def _unfit(message: str) -> Problem:
    return Problem(Step.KUBECONFIG, message)
