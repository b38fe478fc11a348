"""Options that could not work, or would let in more than was meant, stop the start."""

from pathlib import Path
from typing import Any

import pytest

from proxy.refresher.config import Config

LEAST: dict[str, Any] = {
    "namespaces": ("blue",),
    "proxies": ("https://proxy.example.com",),
    "issuers": ("https://iam.example.com",),
    "lease": ("home", "lock"),
}
FILE = Path("/token")


def test_little_is_needed() -> None:
    assert Config(**LEAST).lease_seconds == 15


def test_a_token_file_can_stand_for_issuers() -> None:
    instead = {"issuers": (), "token_file": FILE, "token_file_namespaces": ("blue",)}
    assert Config(**LEAST | instead).token_file == FILE


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"namespaces": ()}, "--namespace must be given"),
        ({"namespaces": ("blue", "blue")}, "each namespace once"),
        ({"namespaces": ("Blue",)}, "`Blue` is not the name of a namespace"),
        ({"namespaces": ("blue-*",)}, "`blue-\\*` is not the name"),
        ({"proxies": ()}, "--proxy-url must be given"),
        ({"proxies": ("http://proxy.example.com",)}, "--proxy-url .* `https://`"),
        ({"issuers": ()}, "--issuer-url or --token-file"),
        ({"issuers": ("http://iam.example.com",)}, "--issuer-url .* `https://`"),
        ({"issuers": ("https://me@iam.example.com",)}, "--issuer-url .* `https://`"),
        ({"token_file": FILE}, "need each other"),
        ({"token_file_namespaces": ("blue",)}, "need each other"),
        (
            {"token_file": FILE, "token_file_namespaces": ("red",)},
            "must be one of --namespace",
        ),
        ({"context": "blue"}, "--context needs --kubeconfig"),
        ({"lease": ("home", "")}, "--lease must be NS/NAME"),
        ({"lease": ("", "lock")}, "--lease must be NS/NAME"),
    ],
)
def test_what_is_missing_or_wrong_is_named(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Config(**LEAST | changes)
