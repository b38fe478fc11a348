"""`hostclaim-proxy tenant`: what is said of options and answers that are of no use."""

import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme
from click.testing import CliRunner, Result

from proxy.cli import main
from proxy.cli.admin import VARIABLE

URL = "https://127.0.0.1:1/realms/metal3"
ADD = (
    *("add", "blue", "--issuer=corp", "--namespace=blue-dev"),
    "--proxy-url=https://proxy.example.com",
)
QUOTED = "s3cret-in-an-answer"


def run(*arguments: str, url: str = URL, secret: str = "s3cret") -> Result:
    options = (f"--issuer-url={url}", "--admin-client-id=tenant-admin")
    return CliRunner(env={VARIABLE: secret}).invoke(main, ["tenant", *options, *arguments])


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--issuer-url=http://iam/realms/a", *ADD), "must be `https://HOST/realms/REALM`"),
        (("--issuer-url=https://a:b@iam/realms/a", *ADD), "must be `https://HOST/realms/REALM`"),
        (("--issuer-url=https://iam/realms/a?b", *ADD), "must be `https://HOST/realms/REALM`"),
        (("--issuer-url=https://iam.example.com", *ADD), "must be `https://HOST/realms/REALM`"),
        (("--ca-file=missing", *ADD), "`missing` cannot be read"),
        (("--admin-client-secret-file=missing", *ADD), "`missing` cannot be read"),
        (("--admin-client-secret-file=/dev/null", *ADD), "`/dev/null` is empty"),
        ((*ADD, "--namespace=Blue"), "`Blue` is not the name of a namespace"),
        ((*ADD, "--namespace=blue-dev"), "a namespace is given twice"),
        ((*ADD, "--by=client", "--group=/tenants/blue"), "a group goes with a tenant"),
        ((*ADD, "--group=blue"), "is not the path of a group"),
        ((*ADD, "--service-account=proxy"), "write NS/NAME"),
        ((*ADD, "--proxy-url=http://proxy"), "--proxy-url"),
        ((*ADD, "--proxy-ca-file=missing"), "`missing` cannot be read"),
        (("add", "blue"), "Missing option"),
    ],
)
def test_options_that_cannot_be_used_are_told(arguments: tuple[str, ...], why: str) -> None:
    told = run(*arguments)
    assert (told.exit_code, told.stdout) == (2, "")
    assert why in " ".join(told.stderr.replace("│", " ").split())


def test_a_secret_has_to_be_somewhere() -> None:
    told = run("list", secret="")
    assert told.exit_code == 2
    assert f"give --admin-client-secret-file, or set {VARIABLE}" in told.stderr


@pytest.mark.parametrize("command", ["add", "list", "show", "rotate", "remove"])
def test_help_needs_no_options(command: str) -> None:
    assert CliRunner().invoke(main, ["tenant", command, "--help"]).exit_code == 0


def test_a_keycloak_that_is_not_there_is_told() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        told = run("list", url=f"https://127.0.0.1:{unused.getsockname()[1]}/realms/metal3")
    assert (told.exit_code, "Keycloak cannot be reached" in told.stderr) == (1, True)


class _Answering(BaseHTTPRequestHandler):
    """Whoever this is, it is no Keycloak."""

    def do_POST(self) -> None:
        self._answer(b'{"access_token": "a.b.c"}')

    def do_GET(self) -> None:
        self._answer(f'{{"secret": "{QUOTED}"}}'.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its signature
        pass

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server that answers anything with the same, and its CA."""
    authority = trustme.CA()
    ca_file = tmp_path / "ca.crt"
    authority.cert_pem.write_to_path(ca_file)
    server = HTTPServer(("127.0.0.1", 0), _Answering)
    server.socket = _tls(authority).wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}/realms/metal3", ca_file
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_answer_that_is_not_keycloaks_is_told_and_not_quoted(
    stranger: tuple[str, Path],
) -> None:
    url, ca_file = stranger
    told = run(f"--ca-file={ca_file}", "list", url=url)
    assert told.exit_code == 1
    assert "its answer is not one of Keycloak's" in told.stderr
    assert QUOTED not in told.output


def test_a_certificate_of_somebody_else_is_told(stranger: tuple[str, Path], tmp_path: Path) -> None:
    other = tmp_path / "other.crt"
    trustme.CA().cert_pem.write_to_path(other)
    told = run(f"--ca-file={other}", "list", url=stranger[0])
    assert (told.exit_code, "its certificate is not trusted" in told.stderr) == (1, True)


def test_a_ca_file_without_certificates_is_told(stranger: tuple[str, Path], tmp_path: Path) -> None:
    empty = tmp_path / "empty.crt"
    empty.write_text("none")
    told = run(f"--ca-file={empty}", "list", url=stranger[0])
    assert told.exit_code == 1
    assert "--ca-file" in told.stderr or "CA file" in told.stderr
