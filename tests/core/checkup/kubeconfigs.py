"""Kubeconfigs as clients have them, and what a proxy answers."""

from typing import Any

from proxy.core import kubeconfig, review
from proxy.core.checkup import Answer, Caller, Place, locate
from proxy.core.kubeconfig import Kubeconfig, TokenFileLogin

SERVER = "https://proxy.example.com:8443"
MADE = kubeconfig.render(Kubeconfig(SERVER, None, TokenFileLogin("token"), "blue", "blue-dev"))
BLUE = Caller("corp:alice", ("/tenants/blue",), "corp", ("blue-dev", "blue-ci-*", "blue-prod"))


def changed(part: str, **fields: Any) -> dict[str, Any]:
    """A kubeconfig with fields of its `cluster`, `user` or `context` set; None leaves one out."""
    document = dict(MADE)
    [named] = document[f"{part}s"]
    whole = {**named[part], **fields}
    kept = {name: value for name, value in whole.items() if value is not None}
    return {**document, f"{part}s": [{**named, part: kept}]}


def place(namespace: str | None = "blue-dev") -> Place:
    """Where a context leads that names this namespace, or none."""
    return locate(changed("context", namespace=namespace))


def status(code: int, message: str = "no") -> Answer:
    """What Kubernetes, and the proxy, say when they say no."""
    return Answer(code, {"kind": "Status", "message": message})


def subject_review(**info: Any) -> Answer:
    """The answer about Alice, with these fields of hers."""
    extra = {review.ISSUER: ["corp"], review.NAMESPACES: list(BLUE.namespaces)}
    usual = {"username": BLUE.username, "groups": list(BLUE.groups), "extra": extra}
    return Answer(201, {"status": {"userInfo": usual | info}})


def rules_review(*rules: Any) -> Answer:
    """An answer with these rules."""
    return Answer(201, {"status": {"resourceRules": list(rules)}})
