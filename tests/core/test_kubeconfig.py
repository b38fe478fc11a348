"""A kubeconfig says all that a client needs, and nothing that a client must not have."""

import base64
from typing import Any

import pytest

from proxy.core.kubeconfig import (
    ExecLogin,
    Kubeconfig,
    Login,
    StaticTokenLogin,
    TokenFileLogin,
    render,
)

CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\n"
SERVER = "https://proxy.example.com:8443"
TOKEN_FILE = TokenFileLogin("/var/run/secrets/hostclaim-proxy/token")
SECRET = "s3cr3t"


def config(
    *,
    server: str = SERVER,
    ca_pem: str | None = CA,
    login: Login = TOKEN_FILE,
    name: str = "blue",
    namespace: str = "blue-dev",
) -> Kubeconfig:
    return Kubeconfig(server, ca_pem, login, name, namespace)


def user(login: Login) -> dict[str, Any]:
    (only,) = render(config(login=login))["users"]
    found: dict[str, Any] = only["user"]
    return found


def test_it_has_one_context_and_uses_it() -> None:
    assert render(config()) == {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "blue",
        "clusters": [
            {
                "name": "blue",
                "cluster": {
                    "server": SERVER,
                    "certificate-authority-data": base64.b64encode(CA.encode()).decode(),
                },
            }
        ],
        "users": [{"name": "blue", "user": {"tokenFile": TOKEN_FILE.path}}],
        "contexts": [
            {
                "name": "blue",
                "context": {"cluster": "blue", "user": "blue", "namespace": "blue-dev"},
            }
        ],
    }


def test_without_a_ca_the_system_of_the_client_decides_whom_to_trust() -> None:
    (cluster,) = render(config(ca_pem=None))["clusters"]
    assert cluster["cluster"] == {"server": SERVER}


def test_a_plugin_gets_its_arguments_and_its_environment() -> None:
    login = ExecLogin(("token", "--client-id", "blue-capm3"), {"HTTPS_PROXY": "none"})
    plugin = user(login)["exec"]
    assert plugin["command"] == "hostclaim-proxy"
    assert plugin["args"] == ["token", "--client-id", "blue-capm3"]
    assert plugin["env"] == [{"name": "HTTPS_PROXY", "value": "none"}]


def test_a_plugin_is_declared_as_client_go_demands() -> None:
    plugin = user(ExecLogin(("token",)))["exec"]
    assert plugin["apiVersion"] == "client.authentication.k8s.io/v1"
    assert plugin["interactiveMode"] == "IfAvailable"
    assert plugin["provideClusterInfo"] is False
    assert "hostclaim-proxy" in plugin["installHint"]


def test_a_token_stands_in_it_as_it_is() -> None:
    assert user(StaticTokenLogin("a.b.c")) == {"token": "a.b.c"}


@pytest.mark.parametrize(
    "login",
    [StaticTokenLogin(SECRET), ExecLogin(("token",), {"HOSTCLAIM_PROXY_CLIENT_SECRET": SECRET})],
)
def test_no_secret_shows_when_it_is_printed(login: Login) -> None:
    assert SECRET not in repr(config(login=login))


@pytest.mark.parametrize(
    "server",
    [
        "https://proxy",
        "https://proxy/",
        "https://10.0.0.1:8443",
        "https://[2001:db8::1]:8443",
    ],
)
def test_a_server_is_a_place(server: str) -> None:
    (cluster,) = render(config(server=server))["clusters"]
    assert cluster["cluster"]["server"] == server


@pytest.mark.parametrize(
    "server",
    [
        "",
        "proxy:8443",
        "http://proxy",
        "https://",
        "https://:8443",
        "https://proxy:",
        "https://proxy:0",
        "https://proxy:port",
        "https://proxy:99999",
        "https://[::1",
        "https://user:password@proxy",
        "https://pro xy",
        "https://pröxy",
        "https://proxy/k8s",
        "https://proxy?a=b",
        "https://proxy#a",
        "https://proxy\n",
    ],
)
def test_anything_else_is_no_server(server: str) -> None:
    with pytest.raises(ValueError, match="server must be `https://HOST`"):
        config(server=server)


@pytest.mark.parametrize("pem", ["", "MIIB", KEY])
def test_a_ca_has_certificates(pem: str) -> None:
    with pytest.raises(ValueError, match="must have certificates in PEM"):
        config(ca_pem=pem)


def test_a_private_key_is_never_handed_out() -> None:
    with pytest.raises(ValueError, match="no private key"):
        config(ca_pem=CA + KEY)


@pytest.mark.parametrize("namespace", ["", "Blue", "blue/dev", "-blue"])
def test_a_namespace_is_one_that_could_exist(namespace: str) -> None:
    with pytest.raises(ValueError, match="namespace must be"):
        config(namespace=namespace)


def test_a_name_is_needed() -> None:
    with pytest.raises(ValueError, match="name must not be empty"):
        config(name="")


@pytest.mark.parametrize(
    ("login", "told"),
    [
        (ExecLogin(("token",), command=""), "command must not be empty"),
        (TokenFileLogin(""), "the path of the token file must not be empty"),
        (StaticTokenLogin(""), "the token must be"),
        (StaticTokenLogin("a b"), "the token must be"),
        (StaticTokenLogin("abc\n"), "the token must be"),
    ],
)
def test_a_login_that_cannot_work_is_refused(login: Login, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        config(login=login)
