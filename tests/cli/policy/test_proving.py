"""Somebody can be whoever a token is of, if `serve` would take it; and no word is told of it."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from proxy.demo.issuer import SigningKey
from proxy.demo.issuer.keys import sign
from tests.cli.policy.files import configured, run, written

KEY = SigningKey.generate("ES256")
URL = "https://iam.example.com/realms/corp"
Minted = Callable[..., Path]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose issuers have their keys in files."""
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [KEY.jwk()]}))
    config = configured(tmp_path, written(tmp_path))
    audiences = "  audiences: [hostclaim-proxy]\n"
    by_file = f"{audiences}  algorithms: [ES256]\n  jwksFile: {keys}\n"
    config.write_text(config.read_text().replace(audiences, by_file))
    return config


@pytest.fixture
def minted(tmp_path: Path) -> Minted:
    def mint(key: SigningKey = KEY, **claims: Any) -> Path:
        now = int(time.time())
        alice: dict[str, Any] = {
            "iss": URL,
            "aud": "hostclaim-proxy",
            "sub": "f3b1",
            "iat": now,
            "exp": now + 300,
            "preferred_username": "alice",
            "roles": ["/tenants/blue"],
        }
        file = tmp_path / "token"
        header = {"alg": "ES256", "kid": key.kid}
        file.write_text(f"{sign(alice | claims, header, key)}\n")
        return file

    return mint


ASKED = ("get", "hostclaims", "-n", "blue-dev")


def explain(config: Path, token: Path, *more: object) -> Result:
    return run("explain", *ASKED, "--token-file", token, "--config", config, *more)


def test_a_token_says_who_it_is(config: Path, minted: Minted) -> None:
    result = explain(config, minted())
    assert result.exit_code == 0
    assert result.stdout.startswith("allow: corp:alice in /tenants/blue: get hostclaims")


def test_a_token_can_come_on_standard_input(config: Path, minted: Minted) -> None:
    asked = (*ASKED, "--token-file", "-", "--config", config)
    assert run("explain", *asked, stdin=minted().read_text()).exit_code == 0


@pytest.mark.parametrize(
    ("claims", "told"),
    [
        ({"exp": 10, "iat": 0}, "the token has expired"),
        ({"iss": "https://evil.example.com"}, "claim `iss` is not an issuer"),
        ({"aud": "another"}, "claim `aud` does not name this proxy"),
        ({"preferred_username": "system:admin"}, "begins with `system:`"),
    ],
)
def test_a_token_that_is_not_taken_is_told_with_what_it_would_get(
    config: Path, minted: Minted, claims: dict[str, Any], told: str
) -> None:
    result = explain(config, minted(**claims))
    assert result.exit_code == 1
    head, _, reason = result.stdout.splitlines()
    assert head == "deny: 401 Unauthorized: get hostclaims in blue-dev"
    assert told in reason


def test_a_token_that_somebody_else_signed_is_not_taken(config: Path, minted: Minted) -> None:
    other = SigningKey.generate("ES256")
    result = explain(config, minted(other), "-o", "json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["decision"], found["code"]) == (1, "deny", 401)


def test_a_matrix_of_a_token_is_of_whoever_it_is(config: Path, minted: Minted) -> None:
    result = run("matrix", "--token-file", minted(), "--config", config)
    assert "corp:alice in /tenants/blue" in result.stdout
    result = run("matrix", "--token-file", minted(exp=10, iat=0), "--config", config)
    assert (result.exit_code, "401 Unauthorized: the token has expired" in result.stderr) == (
        1,
        True,
    )


@pytest.mark.parametrize("claims", [{}, {"exp": 10, "iat": 0}])
@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_that_is_told_has_the_token_in_it(
    config: Path, minted: Minted, claims: dict[str, Any], form: str
) -> None:
    token = minted(**claims)
    result = explain(config, token, "-o", form)
    parts = token.read_text().strip().split(".")
    assert not [part for part in parts if part in result.output]


def test_an_issuer_that_cannot_be_had_leaves_nobody_to_tell(config: Path, minted: Minted) -> None:
    (config.parent / "keys.json").unlink()
    result = explain(config, minted())
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--as", "alice"), "give --token-file alone"),
        (("--issuer", "corp"), "give --token-file alone"),
    ],
)
def test_a_token_goes_with_nothing_else(
    config: Path, minted: Minted, arguments: tuple[str, ...], told: str
) -> None:
    result = explain(config, minted(), *arguments)
    assert (result.exit_code, told in result.stderr) == (2, True)


def test_without_a_configuration_nobody_knows_whose_tokens_count(
    config: Path, minted: Minted
) -> None:
    policies = config.parent / "policies"
    result = run("explain", *ASKED, "--token-file", minted(), "--policies", policies)
    assert "give --config, which says whose tokens are taken" in result.stderr


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_token_that_cannot_be_read_is_told(
    config: Path, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "nothing"
    if content is not None:
        file.write_bytes(content)
    result = explain(config, file)
    assert (result.exit_code, "cannot be read" in result.stderr) == (2, True)
