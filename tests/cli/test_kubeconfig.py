"""`hostclaim-proxy kubeconfig` makes a file for each way in, and says whether one works."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import jwt
import pytest
import trustme
import yaml
from click.testing import CliRunner, Result

from proxy.cli import main

SERVER = "https://127.0.0.1:1"
NEEDED = ("--server", SERVER, "--namespace", "blue-dev")
TOKEN = jwt.encode({"exp": 1_900_000_000}, "a secret of thirty-two characters")
NOTHING_LISTENS = "nothing listens there: see the port of `server`, and whether the proxy runs"
FILE_WAY = ("--token-file", "/run/token")
OIDC = ("--issuer-url", "https://iam/realms/corp", "--client-id", "blue-capm3")


def run(*arguments: object, stdin: str = "", env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, ["kubeconfig", *map(str, arguments)], input=stdin, env=env)


def made(*arguments: object, stdin: str = "") -> dict[str, Any]:
    """What is printed."""
    result = run(*NEEDED, *arguments, stdin=stdin)
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = yaml.safe_load(result.stdout)
    return document


def user(document: dict[str, Any]) -> Any:
    return document["users"][0]["user"]


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    file = tmp_path / "ca.crt"
    trustme.CA().cert_pem.write_to_path(file)
    return file


def test_a_projected_token_is_named_by_its_path(ca_file: Path) -> None:
    document = made("--token-file", "/run/token", "--ca-file", ca_file, "--name", "bmh")
    assert user(document) == {"tokenFile": "/run/token"}
    assert document["current-context"] == "bmh"
    assert document["contexts"][0]["context"]["namespace"] == "blue-dev"
    cluster = document["clusters"][0]["cluster"]
    assert cluster["server"] == SERVER
    pem = base64.b64decode(cluster["certificate-authority-data"]).decode()
    assert pem == ca_file.read_text()


def test_a_plugin_gets_the_options_of_the_token_command() -> None:
    document = made(
        *OIDC,
        *("--client-secret-file", "/etc/secret", "--scope", "a", "--scope", "b"),
        *("--issuer-ca-file", "/etc/iam.crt", "--cache-dir", "/var/cache"),
    )
    plugin = user(document)["exec"]
    assert plugin["command"] == "hostclaim-proxy"
    assert plugin["args"] == [
        "token",
        "--issuer-url=https://iam/realms/corp",
        "--client-id=blue-capm3",
        "--client-secret-file=/etc/secret",
        "--ca-file=/etc/iam.crt",
        "--cache-dir=/var/cache",
        "--scope=a",
        "--scope=b",
    ]


@pytest.mark.parametrize(
    ("proof", "argument"),
    [
        (("--private-key-file", "/etc/key"), "--private-key-file=/etc/key"),
        (("--device-code",), "--device-code"),
    ],
)
def test_there_are_more_ways_to_log_in(proof: tuple[str, ...], argument: str) -> None:
    assert user(made(*OIDC, *proof))["exec"]["args"][-1] == argument


def test_the_plugin_may_be_elsewhere_than_in_the_path() -> None:
    document = made(*OIDC, "--device-code", "--plugin", "/opt/bin/hostclaim-proxy")
    assert user(document)["exec"]["command"] == "/opt/bin/hostclaim-proxy"


def test_without_a_file_the_secret_is_in_the_environment_of_the_plugin() -> None:
    result = run(*NEEDED, *OIDC)
    assert result.exit_code == 0
    assert "HOSTCLAIM_PROXY_CLIENT_SECRET" in result.stderr
    assert "HOSTCLAIM_PROXY_CLIENT_SECRET" not in result.stdout


def test_what_is_quiet_has_nothing_to_warn_of() -> None:
    assert run(*NEEDED, *FILE_WAY).stderr == ""
    assert run(*NEEDED, *OIDC, "--device-code").stderr == ""


@pytest.mark.parametrize("way", ["--token-file", "--client-secret-file"])
def test_relative_paths_are_made_absolute_and_symlinks_kept(tmp_path: Path, way: str) -> None:
    (tmp_path / "link").symlink_to("elsewhere")
    relative = os.path.relpath(tmp_path / "link")
    shown = str(made(*(OIDC if way == "--client-secret-file" else ()), way, relative))
    assert str(Path.cwd() / relative) in shown
    assert "elsewhere" not in shown


@pytest.mark.parametrize(
    ("token", "told"),
    [(TOKEN, "until 2030-03-17 17:46 UTC"), ("opaque", "until it expires"), ("a.b.c", "until it")],
)
def test_a_token_that_is_embedded_comes_with_a_warning(
    tmp_path: Path, token: str, told: str
) -> None:
    file = tmp_path / "token"
    file.write_text(f"{token}\n")
    result = run(*NEEDED, "--embed-token", file)
    assert user(yaml.safe_load(result.stdout)) == {"token": token}
    assert result.stderr.startswith("warning: the token itself is in the kubeconfig")
    assert told in result.stderr
    assert token not in result.stderr


def test_a_token_may_come_from_standard_input() -> None:
    assert user(made("--embed-token", "-", stdin=f"{TOKEN}\n")) == {"token": TOKEN}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--server is needed"),
        (("--server", SERVER), "--namespace is needed"),
        (NEEDED, "give one way in"),
        ((*NEEDED, *FILE_WAY, "--embed-token", "-"), "give one way in"),
        ((*NEEDED, *FILE_WAY, "--device-code"), "give one way in"),
        ((*NEEDED, *FILE_WAY, "--scope", "a"), "give one way in"),
        ((*NEEDED, *OIDC[:2]), "--issuer-url and --client-id are needed"),
        ((*NEEDED, "--device-code"), "--issuer-url and --client-id are needed"),
        ((*NEEDED, *OIDC[2:], "--issuer-url", "http://iam"), "must be https://HOST"),
        ((*NEEDED, *OIDC[2:], "--issuer-url", "https://a:b@iam"), "with no password in it"),
        (
            (*NEEDED, *OIDC, "--device-code", "--private-key-file", "k"),
            "give one of --private-key-file, --device-code",
        ),
        ((*NEEDED, "--token-file", ""), "the path of the token file must not be empty"),
        ((*NEEDED, "--embed-token", "-"), "the token must be"),
        ((*NEEDED, "--embed-token", "none"), "`none` cannot be read: No such file"),
        ((*NEEDED, *FILE_WAY, "--ca-file", "none"), "`none` cannot be read: No such file"),
        ((*NEEDED, *FILE_WAY, "--ca-file", __file__), "has no certificates in PEM"),
        ((*NEEDED, *OIDC, "--plugin", ""), "command must not be empty"),
        ((*NEEDED, *FILE_WAY, "--name", ""), "name must not be empty"),
        (("--server", "http://a", "--namespace", "b", *FILE_WAY), "server must be `https://HOST`"),
        (("--server", SERVER, "--namespace", "B", *FILE_WAY), "namespace must be the name of"),
        (("--server", SERVER, "check"), "--server is for making a kubeconfig"),
        (("--token-file", "x", "check"), "--token-file is for making a kubeconfig"),
        (("prove",), "No such command 'prove'"),
        (("check", "-o", "wide"), "'wide' is not one of"),
    ],
)
def test_wrong_options_are_refused(arguments: tuple[str, ...], told: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr


def test_a_private_key_beside_the_ca_goes_to_nobody(ca_file: Path) -> None:
    key = trustme.CA().issue_cert("a").private_key_pem.bytes().decode()
    ca_file.write_text(ca_file.read_text() + key)
    result = run(*NEEDED, *FILE_WAY, "--ca-file", ca_file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no private key" in result.stderr


def test_a_ca_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(b"\xff\xfe")
    result = run(*NEEDED, *FILE_WAY, "--ca-file", tmp_path / "ca.crt")
    assert "is not plain ASCII text" in result.stderr


def test_a_file_is_for_its_owner_and_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    written = run(*NEEDED, *FILE_WAY, "-o", file)
    assert (written.exit_code, written.output) == (0, "")
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_text()
    refused = run(*NEEDED, *FILE_WAY, "--name", "other", "-o", file)
    assert (refused.exit_code, file.read_text()) == (1, before)
    assert "is there already: replace it with --force" in refused.stderr
    assert run(*NEEDED, *FILE_WAY, "--name", "other", "-o", file, "--force").exit_code == 0
    assert yaml.safe_load(file.read_text())["current-context"] == "other"


def test_a_file_that_cannot_be_written_ends_it_with_1(tmp_path: Path) -> None:
    result = run(*NEEDED, *FILE_WAY, "-o", tmp_path / "none" / "kubeconfig")
    assert result.exit_code == 1
    assert "cannot be written: No such file or directory" in result.stderr


def test_what_was_made_can_be_checked_at_once(tmp_path: Path) -> None:
    result = run(*NEEDED, "--embed-token", "-", "--check", stdin=TOKEN)
    assert result.exit_code == 1
    assert yaml.safe_load(result.stdout)["kind"] == "Config"
    assert "connection   FAILED: nothing listens there" in result.stderr
    file = tmp_path / "kubeconfig"
    result = run(*NEEDED, "--embed-token", "-", "--check", "-o", file, stdin=TOKEN)
    assert (result.exit_code, result.stdout, file.exists()) == (1, "", True)


@pytest.fixture
def useless(tmp_path: Path) -> Path:
    """A kubeconfig that leads where nothing listens."""
    file = tmp_path / "kubeconfig"
    assert run(*NEEDED, "--embed-token", "-", "-o", file, stdin=TOKEN).exit_code == 0
    return file


def test_what_fails_is_told_with_what_to_do(useless: Path) -> None:
    result = run("check", useless)
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout.splitlines() == [
        f"kubeconfig   ok: context `hostclaim-proxy` leads to {SERVER}",
        "credentials  ok: a token from the kubeconfig itself, which nobody renews",
        f"connection   FAILED: {NOTHING_LISTENS}",
    ]


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_programs_are_told_too(useless: Path, output: str, read: Any) -> None:
    result = run("check", useless, "-o", output)
    found = read(result.stdout)
    assert (result.exit_code, found["usable"]) == (1, False)
    assert [step["ok"] for step in found["steps"]] == [True, True, False]
    assert TOKEN not in result.stdout


def test_another_context_can_be_checked(useless: Path) -> None:
    result = run("check", useless, "--context", "red")
    assert "kubeconfig   FAILED: it has no context that is called `red`" in result.stdout


def test_the_environment_names_the_file_as_it_does_for_kubectl(useless: Path) -> None:
    assert "credentials  ok" in run("check", env={"KUBECONFIG": str(useless)}).stdout
    several = run("check", env={"KUBECONFIG": f"{useless}:{useless}"})
    assert several.exit_code == 2
    assert "names several files" in several.stderr
    none = run("check", env={"KUBECONFIG": "", "HOME": str(useless.parent)})
    assert f"`{useless.parent}/.kube/config` cannot be read" in none.stdout


def test_a_file_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    result = run("check", tmp_path / "none")
    assert (result.exit_code, result.stdout) == (
        1,
        f"kubeconfig   FAILED: `{tmp_path}/none` cannot be read: No such file or directory\n",
    )
