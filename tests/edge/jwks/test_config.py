"""Which configurations of an issuer are refused."""

from pathlib import Path
from typing import Any

import pytest

from proxy.core.identity import IssuerRules
from proxy.edge.jwks import ALGORITHMS, IssuerConfig

RULES = IssuerRules(name="corp", url="https://iam/realms/a", audiences=("hostclaim-proxy",))


@pytest.mark.parametrize(
    "broken",
    [
        {"algorithms": ()},
        {"algorithms": ("HS256",)},
        {"algorithms": ("RS256", "HS512")},
        {"algorithms": ("none",)},
        {"algorithms": ("rs256",)},
        {"algorithms": ("ES256K",)},
        {"discovery_url": "http://iam"},
        {"discovery_url": "//iam"},
        {"discovery_url": "https://user@iam"},
        {"discovery_url": "https://[iam"},
        {"jwks_url": "http://iam/keys"},
        {"jwks_url": "https://user@iam/keys"},
        {"jwks_file": Path("keys.json"), "jwks_url": "https://iam/keys"},
        {"jwks_file": Path("keys.json"), "discovery_url": "https://iam/metadata"},
        {"cooldown": 0},
        {"cooldown": 400},
        {"refresh_interval": 4000},
        {"max_stale": float("inf")},
        {"max_stale": float("nan")},
        {"fetch_timeout": 0},
        {"fetch_timeout": float("inf")},
    ],
)
def test_a_configuration_that_is_not_safe_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="issuer `corp`"):
        IssuerConfig(rules=RULES, **broken)


def test_an_issuer_without_tls_is_refused() -> None:
    plain = IssuerRules(name="corp", url="http://iam/realms/a", audiences=("hostclaim-proxy",))
    with pytest.raises(ValueError, match="https"):
        IssuerConfig(rules=plain)


def test_an_issuer_that_is_never_asked_may_call_itself_anything() -> None:
    named = IssuerRules(name="green", url="green", audiences=("hostclaim-proxy",))
    assert IssuerConfig(rules=named, jwks_file=Path("keys.json")).rules.url == "green"


def test_only_asymmetric_algorithms_can_be_configured() -> None:
    assert {name[:2] for name in ALGORITHMS} == {"RS", "PS", "ES", "Ed"}


def test_metadata_lies_below_the_url_unless_said_otherwise() -> None:
    config = IssuerConfig(rules=RULES)
    assert config.metadata_url == "https://iam/realms/a/.well-known/openid-configuration"
    assert IssuerConfig(rules=RULES, discovery_url="https://x/y").metadata_url == "https://x/y"
