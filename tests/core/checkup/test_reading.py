"""A kubeconfig is followed as client-go follows it, and only where that is safe."""

import json
from typing import Any

import pytest

from proxy.core.checkup import Problem, Step, locate, plugin_token
from proxy.core.kubeconfig import (
    ExecLogin,
    Kubeconfig,
    Login,
    StaticTokenLogin,
    TokenFileLogin,
    render,
)
from tests.core.checkup.kubeconfigs import MADE, SERVER, changed

EXEC = {"apiVersion": "client.authentication.k8s.io/v1", "command": "plugin"}
SECRET = "s3cr3t"


def made(login: Login) -> dict[str, Any]:
    return render(Kubeconfig(SERVER, None, login, "blue", "blue-dev"))


@pytest.mark.parametrize(
    "login",
    [
        ExecLogin(("token", "--client-id=blue"), {"A": "b"}),
        ExecLogin(()),
        TokenFileLogin("token"),
        StaticTokenLogin("a.b.c"),
    ],
)
def test_what_was_made_is_read_as_it_was_meant(login: Login) -> None:
    found = locate(made(login))
    assert (found.context, found.server, found.namespace) == ("blue", SERVER, "blue-dev")
    assert found.login == login


def test_another_context_can_be_asked_for() -> None:
    [context] = MADE["contexts"]
    other = {"name": "other", "context": {**context["context"], "namespace": "red"}}
    document = {**MADE, "contexts": [context, other]}
    assert locate(document, "other").namespace == "red"
    assert locate(document).namespace == "blue-dev"


def test_a_context_need_not_name_a_namespace() -> None:
    assert locate(changed("context", namespace=None)).namespace == ""


@pytest.mark.parametrize(
    ("user", "login"),
    [
        ({"tokenFile": "f", "token": "t", "exec": EXEC}, TokenFileLogin("f")),
        ({"tokenFile": "", "token": "t", "exec": EXEC}, StaticTokenLogin("t")),
        ({"tokenFile": None, "token": "", "exec": EXEC}, ExecLogin((), {}, "plugin")),
        (
            {"tokenFile": None, "exec": {**EXEC, "args": None, "env": None}},
            ExecLogin((), {}, "plugin"),
        ),
    ],
)
def test_of_several_ways_in_the_one_that_client_go_takes_is_taken(
    user: dict[str, Any], login: Login
) -> None:
    assert locate(changed("user", **user)).login == login


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (None, "no `current-context`"),
        ([], "no `current-context`"),
        ({"current-context": ""}, "no `current-context`"),
        ({"current-context": 1}, "no `current-context`"),
        ({**MADE, "current-context": "red"}, "no context that is called `red`"),
        ({**MADE, "contexts": None}, "no context that is called `blue`"),
        ({**MADE, "contexts": ["blue", {"name": "blue"}]}, "no context that is called `blue`"),
        ({**MADE, "clusters": []}, "no cluster that is called `blue`"),
        ({**MADE, "users": {}}, "no user that is called `blue`"),
        (changed("context", user=None), "it has no user"),
        (changed("context", cluster=["blue"]), "it has no cluster"),
        (changed("context", namespace=1), "namespace of the context is not text"),
        (changed("cluster", **{"tls-server-name": 5}), "`tls-server-name` is not text"),
        (changed("cluster", **{"proxy-url": ["x"]}), "`proxy-url` is not text"),
        (changed("cluster", server=None), "`server` must be an https:// address"),
        (changed("cluster", server=f"https://a:{SECRET}@proxy"), "without a user and a password"),
        (changed("cluster", server="http://proxy"), "`server` must be an https:// address"),
        (changed("cluster", **{"insecure-skip-tls-verify": True}), "trusts anybody"),
        (changed("user", tokenFile=None), "has no exec, tokenFile or token"),
        (changed("user", tokenFile=None, username="a", password="b"), "has no exec, tokenFile"),
        (changed("user", tokenFile=None, exec="plugin"), "has no exec, tokenFile or token"),
    ],
)
def test_what_leads_nowhere_or_not_safely_is_told(document: Any, told: str) -> None:
    with pytest.raises(Problem, match=told) as problem:
        locate(document)
    assert problem.value.step is Step.KUBECONFIG


@pytest.mark.parametrize(
    ("plugin", "told"),
    [
        ({"apiVersion": "client.authentication.k8s.io/v1alpha1"}, "`exec` needs `apiVersion: "),
        ({"command": None}, "needs a `command`"),
        ({"command": ""}, "needs a `command`"),
        ({"args": "token"}, "`exec.args` must be a list"),
        ({"args": ["token", 1]}, "put numbers in quotes"),
        ({"env": {"A": "b"}}, "`exec.env` must be a list"),
        ({"env": [{"name": "A"}]}, "`exec.env` must be a list"),
        ({"env": [{"name": "A", "value": 1}]}, "put numbers in quotes"),
        ({"env": ["A=b"]}, "`exec.env` must be a list"),
    ],
)
def test_a_plugin_that_client_go_would_not_run_is_told(plugin: dict[str, Any], told: str) -> None:
    with pytest.raises(Problem, match=told):
        locate(changed("user", tokenFile=None, exec={**EXEC, **plugin}))


@pytest.mark.parametrize(
    "login", [StaticTokenLogin(SECRET), ExecLogin((), {"HOSTCLAIM_PROXY_CLIENT_SECRET": SECRET})]
)
def test_no_secret_shows_when_a_place_is_printed(login: Login) -> None:
    assert SECRET not in repr(locate(made(login)))


def credential(**changes: Any) -> bytes:
    usual = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "a.b.c"},
    }
    return json.dumps(usual | changes).encode()


def test_a_plugin_prints_a_token() -> None:
    assert plugin_token(credential()) == "a.b.c"


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        (b"", "printed no ExecCredential of client.authentication.k8s.io/v1"),
        (b"s3cr3t", "printed no ExecCredential"),
        (b"\xff", "printed no ExecCredential"),
        (b"[" * 100_000, "printed no ExecCredential"),
        (b"[]", "printed no ExecCredential"),
        (credential(kind="Token"), "printed no ExecCredential"),
        (credential(apiVersion="client.authentication.k8s.io/v1beta1"), "no ExecCredential of"),
        (credential(status=None), "without a token"),
        (credential(status={"token": ""}), "without a token"),
        (credential(status={"token": 1}), "without a token"),
    ],
)
def test_anything_else_that_a_plugin_prints_is_no_token(printed: bytes, told: str) -> None:
    with pytest.raises(Problem, match=told) as problem:
        plugin_token(printed)
    assert problem.value.step is Step.CREDENTIALS
    assert "s3cr3t" not in problem.value.message
