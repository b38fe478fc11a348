"""Which namespaces there are: asked of a cluster once, by a command and never while serving."""

import json
from typing import Any, Final

import aiohttp
from kubernetes_asyncio.client import ApiClient, CoreV1Api
from kubernetes_asyncio.client.exceptions import ApiException, OpenApiException

ANSWER_SECONDS: Final = 30
"""How long the apiserver has for each answer."""

PAGE: Final = 500
"""Namespaces in one answer."""

_MOST_PAGES: Final = 100


class NamespacesError(Exception):
    """The cluster did not say. The message says why, and what to mend."""


async def listed(client: ApiClient) -> frozenset[str]:
    """The names of all namespaces.

    Raises:
        NamespacesError: the cluster cannot be asked, or refuses.
    """
    # Its types know of no answers as they came, though its code does.
    core: Any = CoreV1Api(client)
    names: set[str] = set()
    more: dict[str, Any] = {}
    for _ in range(_MOST_PAGES):
        found, after = await _page(core, more)
        names.update(found)
        if not after:
            return frozenset(names)
        more = {"_continue": after}
    raise NamespacesError("cannot list the namespaces: the list does not end")


async def _page(core: Any, more: dict[str, Any]) -> tuple[list[str], str]:
    try:
        response = await core.list_namespace(
            limit=PAGE, **more, _preload_content=False, _request_timeout=ANSWER_SECONDS
        )
        async with response:
            if response.status != 200:
                raise NamespacesError(f"cannot list the namespaces: {_why(response.status)}")
            page = json.loads(await response.read())
        names = [str(item["metadata"]["name"]) for item in page["items"] or ()]
        return names, str(page["metadata"].get("continue") or "")
    except (aiohttp.ClientError, OpenApiException, ApiException, TimeoutError) as exc:
        kind = type(exc).__name__
        raise NamespacesError(f"cannot list the namespaces: no answer ({kind})") from exc
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise NamespacesError("cannot list the namespaces: the answer cannot be read") from exc


def _why(status: int) -> str:
    match status:
        case 401:
            return "the credentials are wrong, or have expired"
        case 403:
            return "the credentials lack the right to `list` them"
        case _:
            return f"it answers with HTTP status {status}"
