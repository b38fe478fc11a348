"""Who we are to tenants, while the certificate is renewed under our feet."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from proxy.edge.certificate import Certificate
from tests.e2e.wire import connected
from tests.edge.certificates import Authority, der


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@asynccontextmanager
async def listening(certificate: Certificate) -> AsyncIterator[int]:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=certificate.context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def shown(port: int, trust: ssl.SSLContext) -> bytes:
    """The certificate that a new connection gets."""
    async with connected(port, trust) as connection:
        return connection.certificate


async def after_a_look(authority: Authority, change: str) -> tuple[bytes, trustme.LeafCert]:
    """What is shown after `change` was made to a certificate in use."""
    first = authority.issue()
    certificate = Certificate(authority.cert_file, authority.key_file)
    match change:
        case "certificate alone":
            authority.write_certificate(authority.ca.issue_cert("127.0.0.1"))
        case "gone":
            authority.cert_file.unlink()
        case "garbage":
            authority.key_file.write_text("-----BEGIN")
    certificate.look()
    async with listening(certificate) as port:
        return await shown(port, authority.trust), first


async def test_a_renewed_certificate_is_shown_to_new_connections(authority: Authority) -> None:
    authority.issue()
    certificate = Certificate(authority.cert_file, authority.key_file)
    async with listening(certificate) as port:
        renewed = authority.issue()
        certificate.look()
        assert await shown(port, authority.trust) == der(renewed)


async def test_files_are_looked_at_again_and_again(authority: Authority) -> None:
    authority.issue()
    certificate = Certificate(authority.cert_file, authority.key_file, interval=0.01)
    following = asyncio.create_task(certificate.run())
    async with listening(certificate) as port, asyncio.timeout(10):
        renewed = authority.issue()
        while await shown(port, authority.trust) != der(renewed):
            pass
    following.cancel()


@pytest.mark.parametrize("change", ["certificate alone", "gone", "garbage"])
async def test_a_broken_renewal_is_not_taken(authority: Authority, change: str) -> None:
    seen, first = await after_a_look(authority, change)
    assert seen == der(first)


async def test_a_pair_written_one_by_one_is_taken_when_whole(authority: Authority) -> None:
    authority.issue()
    certificate = Certificate(authority.cert_file, authority.key_file)
    renewed = authority.ca.issue_cert("127.0.0.1")
    authority.write_certificate(renewed)
    certificate.look()
    renewed.private_key_pem.write_to_path(authority.key_file)
    certificate.look()
    async with listening(certificate) as port:
        assert await shown(port, authority.trust) == der(renewed)


def test_a_broken_renewal_is_told_once(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    authority.issue()
    certificate = Certificate(authority.cert_file, authority.key_file)
    authority.key_file.write_text("not a key")
    with caplog.at_level(logging.WARNING):
        certificate.look()
        certificate.look()
    assert len(caplog.records) == 1


def test_a_certificate_that_is_missing_at_the_start_is_an_error(authority: Authority) -> None:
    with pytest.raises(FileNotFoundError):
        Certificate(authority.cert_file, authority.key_file)


def test_tls_before_1_2_is_not_spoken(authority: Authority) -> None:
    authority.issue()
    context = Certificate(authority.cert_file, authority.key_file).context
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
