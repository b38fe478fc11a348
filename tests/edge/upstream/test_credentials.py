"""What is read of a kubeconfig, and how each request carries it."""

from pathlib import Path

import pytest

from proxy.edge.upstream import ClusterAccess, ClusterError
from proxy.edge.upstream.credentials import Credentials, load
from tests.edge.apiservers import FakeApiServer
from tests.edge.certificates import Authority


@pytest.fixture
def fake(tmp_path: Path) -> FakeApiServer:
    """Written down, and not listening."""
    Authority(tmp_path).ca.cert_pem.write_to_path(tmp_path / "ca.crt")
    return FakeApiServer(tmp_path, [], port=6443)


async def read(path: Path, known: Credentials | None = None) -> Credentials:
    return await load(ClusterAccess(path), known)


@pytest.mark.parametrize(
    ("server", "host", "port", "prefix", "name"),
    [
        ("https://api", "api", 443, "", "api"),
        ("https://api:443", "api", 443, "", "api"),
        ("https://API.Example.:6443/", "API.Example.:6443", 6443, "", "API.Example"),
        ("https://10.0.0.1:6443", "10.0.0.1:6443", 6443, "", "10.0.0.1"),
        ("https://[fd00::1]", "[fd00::1]", 443, "", "fd00::1"),
        ("https://[fd00::1]:6443/k8s/c-1", "[fd00::1]:6443", 6443, "/k8s/c-1", "fd00::1"),
    ],
)
async def test_an_address_is_read_as(
    fake: FakeApiServer, server: str, host: str, port: int, prefix: str, name: str
) -> None:
    found = await read(fake.kubeconfig({"server": server}))
    assert (found.host, found.prefix) == (("Host", host), prefix)
    assert (found.origin.port, found.origin.server_name) == (port, name)


@pytest.mark.parametrize(
    "server",
    [
        "https://",
        "https://a:b@api",
        "https://api?x=y",
        "https://api/x?y",
        "https://api#x",
        "https://api/a b",
        "https://api:0",
        "https://api:65536",
        "https://api:",
        "https://a..b",
        "https://.a",
        "https://" + 64 * "a",
        "https://b\u00fccher",
        "https://[fe80::1%eth0]",
        "https://api\r\nX: y",
    ],
)
async def test_what_is_no_address_is_refused(fake: FakeApiServer, server: str) -> None:
    with pytest.raises(ClusterError, match="the server must be"):
        await read(fake.kubeconfig({"server": server}))


@pytest.mark.parametrize("name", [".api", "a..b", "a b", "b\u00fccher"])
async def test_what_cannot_be_verified_is_no_name(fake: FakeApiServer, name: str) -> None:
    with pytest.raises(ClusterError, match="tls-server-name"):
        await read(fake.kubeconfig({"tls-server-name": name}))


@pytest.mark.parametrize("token", ["to\u20acken", "to\0ken"])
async def test_a_token_that_no_header_takes_is_refused_unseen(
    fake: FakeApiServer, token: str
) -> None:
    with pytest.raises(ClusterError, match="the token") as refused:
        await read(fake.kubeconfig(token=token))
    assert "ken" not in str(refused.value).replace("token", "")


async def test_trust_is_kept_while_nothing_changes(fake: FakeApiServer) -> None:
    first = await read(fake.kubeconfig())
    assert (await read(fake.kubeconfig(token="new"), first)).tls is first.tls


@pytest.mark.parametrize("change", ["authority", "server", "tls-server-name"])
async def test_trust_is_made_anew_with_what_is_verified(fake: FakeApiServer, change: str) -> None:
    first = await read(fake.kubeconfig())
    if change == "authority":
        Authority(fake.folder).ca.cert_pem.write_to_path(fake.folder / "ca.crt")
        path = fake.kubeconfig()
    else:
        path = fake.kubeconfig({change: "https://b" if change == "server" else "b"})
    assert (await read(path, first)).tls is not first.tls


async def test_neither_a_token_nor_a_key_is_shown(fake: FakeApiServer) -> None:
    assert "ours" not in repr(await read(fake.kubeconfig(token="ours")))
