"""A kubeconfig as text: where its token goes, and the same text with another token.

One scalar is replaced where it stands. Everything else, comments and order
included, stays byte for byte as its owner wrote it.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from yaml import CSafeLoader, MappingNode, Node, ScalarNode, SequenceNode
from yaml.events import CollectionEndEvent, CollectionStartEvent

from proxy.refresher.errors import RefreshError, quoted

LONGEST: Final = 32 * 1024
"""Characters. A kubeconfig of one cluster has a few thousand; all wait while one is read."""

# Levels. Libyaml's time grows with their square, and with that of directives.
_DEEPEST: Final = 32
_DIRECTIVE: Final = re.compile(r"^%", re.MULTILINE)

# `b64token` of RFC 6750, 2.1, and nothing that would have to be escaped in YAML.
_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_LONGEST_TOKEN: Final = 16 * 1024

# Client-go would log in by these and leave the token aside, or refuse the two together
# (clientcmd/api/v1/types.go, clientcmd/validation.go).
_OTHER_LOGINS: Final = ("tokenFile", "exec", "auth-provider", "username", "password")

_UNWRITABLE: Final = "the kubeconfig is written so that no token can be put into it"


@dataclass(frozen=True, slots=True)
class Login:
    """The way in that one context of a kubeconfig names: to what server, with which token."""

    server: str
    token: str = field(repr=False)


def read(text: str, context: str | None) -> Login:
    """Find the way in by a context, or by the current one.

    Raises:
        RefreshError: there is none, or a token in it would not be used, or would go
            where TLS does not say who gets it.
    """
    user, server = _places(_parse(text), context)
    token = _child(user, "token")
    return Login(server, token.value if isinstance(token, ScalarNode) else "")


def with_token(text: str, context: str | None, token: str) -> str:
    """The same text with another token for a context.

    Raises:
        RefreshError: as `read`, or the text is written so that nothing can be put in.
        ValueError: no HTTP header could hold that token.
    """
    if not _TOKEN.fullmatch(token) or len(token) > _LONGEST_TOKEN:
        raise ValueError("the token is not one that an Authorization header can hold")
    # Libyaml takes a byte order mark off before it counts characters.
    body = text.removeprefix("\ufeff")
    user, _ = _places(_parse(body), context)
    place = _child(user, "token")
    edited = _added(body, user, token) if place is None else _replaced(body, place, token)
    _prove(body, edited, context, token)
    return text.removesuffix(body) + edited


def _parse(text: str) -> MappingNode:
    if len(text) > LONGEST:
        raise RefreshError(f"the kubeconfig has more than {LONGEST} characters")
    if _DIRECTIVE.search(text):
        raise RefreshError("the kubeconfig has a directive: leave it out")
    try:
        _check_events(text)
        root = yaml.compose(text, CSafeLoader)
        if not isinstance(root, MappingNode):
            raise RefreshError("the kubeconfig must be a mapping")
        _check_tree(root)
    except (yaml.YAMLError, ValueError) as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        # What is wrong is left out of the cause too: PyYAML quotes the line.
        raise RefreshError(f"the kubeconfig is not YAML{where}") from None
    return root


def _check_events(text: str) -> None:
    """Whoever writes a Secret must not have us stand still over it, or read it in our own way."""
    deep = 0
    for event in yaml.parse(text, Loader=CSafeLoader):
        if isinstance(event, CollectionStartEvent):
            deep += 1
        elif isinstance(event, CollectionEndEvent):
            deep -= 1
        if deep > _DEEPEST:
            raise RefreshError(f"the kubeconfig has more than {_DEEPEST} levels")
        # `!!binary` is text to a client that reads it, and other text to us.
        if getattr(event, "tag", None) is not None:
            raise RefreshError("the kubeconfig has a tag: leave it out")


def _check_tree(root: Node) -> None:
    """No key twice, and no part that stands in two places: to write one would be to write both."""
    seen: set[int] = set()
    left = [root]
    while left:
        node = left.pop()
        if id(node) in seen:
            raise RefreshError("the kubeconfig has an alias: write it out")
        seen.add(id(node))
        if isinstance(node, MappingNode):
            keys = {key.value for key, _ in node.value if isinstance(key, ScalarNode)}
            if len(keys) < len(node.value) or "<<" in keys:
                raise RefreshError("the kubeconfig has a key twice, or one that is no text")
            left += [value for _, value in node.value]
        elif isinstance(node, SequenceNode):
            left += node.value


def _places(root: MappingNode, context: str | None) -> tuple[MappingNode, str]:
    """The mapping that holds the token, and the server that it is sent to."""
    name = context if context is not None else _text(root, "current-context")
    if not name:
        raise RefreshError("`current-context` is missing, and no context is named")
    chosen = _entry(root, "contexts", name, "context")
    cluster = _entry(root, "clusters", _text(chosen, "cluster"), "cluster")
    user = _entry(root, "users", _text(chosen, "user"), "user")
    _check_others(root, chosen)
    _check_cluster(cluster)
    for other in _OTHER_LOGINS:
        if _child(user, other) is not None:
            raise RefreshError(f"`user.{other}` is there and is used before a token: leave it out")
    return user, _text(cluster, "server")


def _check_others(root: MappingNode, chosen: MappingNode) -> None:
    """Else the token could be sent elsewhere, by a context that we were not asked about."""
    for item in _items(root, "contexts"):
        context = _child(item, "context")
        if (
            isinstance(context, MappingNode)
            and _text(context, "user") == _text(chosen, "user")
            and _text(context, "cluster") != _text(chosen, "cluster")
        ):
            named = quoted(_text(item, "name"))
            raise RefreshError(
                f"context {named} has the same user for another cluster: give it one of its own"
            )


def _check_cluster(cluster: MappingNode) -> None:
    """Else somebody on the way, whom the kubeconfig names, could be given the token."""
    if not _text(cluster, "server").startswith("https://"):
        raise RefreshError("`cluster.server` must begin with `https://`")
    if _text(cluster, "insecure-skip-tls-verify") not in {"", "false"}:
        raise RefreshError("`cluster.insecure-skip-tls-verify` is set: give the CA instead")
    if _text(cluster, "proxy-url"):
        raise RefreshError("`cluster.proxy-url` is not supported: leave it out")


def _entry(root: MappingNode, plural: str, name: str, kind: str) -> MappingNode:
    """The mapping of that name in one of the lists of a kubeconfig."""
    found = [_child(item, kind) for item in _items(root, plural) if _text(item, "name") == name]
    # Client-go refuses a list with a name twice.
    if len(found) != 1:
        raise RefreshError(f"`{plural}` must have {quoted(name)} once, not {len(found)} times")
    [node] = found
    if not isinstance(node, MappingNode):
        raise RefreshError(f"`{kind}` of {quoted(name)} in `{plural}` must be a mapping")
    return node


def _items(root: MappingNode, plural: str) -> list[MappingNode]:
    listed = _child(root, plural)
    items = listed.value if isinstance(listed, SequenceNode) else []
    return [item for item in items if isinstance(item, MappingNode)]


def _child(node: MappingNode, name: str) -> Node | None:
    found: dict[str, Node] = {key.value: value for key, value in node.value}
    return found.get(name)


def _text(node: MappingNode, name: str) -> str:
    child = _child(node, name)
    return str(child.value) if isinstance(child, ScalarNode) else ""


def _replaced(text: str, place: Node, token: str) -> str:
    start, end = place.start_mark.index, place.end_mark.index
    written = json.dumps(token)
    if start == end:  # `token:` and nothing more
        written = f" {written}"
    elif text[start] in "|>":  # whose end is that of its last line
        written = f"{written}\n"
    return text[:start] + written + text[end:]


def _added(text: str, user: MappingNode, token: str) -> str:
    start = user.start_mark.index
    written = f'"token": {json.dumps(token)}'
    if user.flow_style:
        more = ", " if user.value else ""
        return f"{text[: start + 1]}{written}{more}{text[start + 1 :]}"
    indent = " " * user.start_mark.column
    return f"{text[:start]}{written}\n{indent}{text[start:]}"


def _prove(before: str, after: str, context: str | None, token: str) -> None:
    """Whatever was done to the text, it must say what it said but for the one token."""
    try:
        was, now = (yaml.load(text, CSafeLoader) for text in (before, after))
        for login in _logins(was, context):
            login["token"] = token
    except (yaml.YAMLError, ValueError, LookupError, TypeError, OverflowError):
        raise RefreshError(_UNWRITABLE) from None
    if was != now:
        raise RefreshError(_UNWRITABLE)


def _logins(tree: Any, context: str | None) -> Iterator[dict[str, Any]]:
    name = context if context is not None else tree["current-context"]
    for chosen in tree["contexts"]:
        if chosen["name"] == name:
            for user in tree["users"]:
                if user["name"] == chosen["context"]["user"]:
                    yield user["user"]
