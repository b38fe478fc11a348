"""`hostclaim-proxy refresh`, where it says what is wrong and ends."""

import pytest
from click.testing import CliRunner, Result

from proxy.cli import main

LEAST = (
    "--namespace=blue",
    "--proxy-url=https://proxy.example.com",
    "--issuer-url=https://iam.example.com",
)


def refresh(*options: str) -> Result:
    return CliRunner().invoke(main, ["refresh", *options])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "Missing option '--namespace'"),
        (("--namespace=blue",), "Missing option '--proxy-url'"),
        (LEAST[:2], "--issuer-url or --token-file must say"),
        ((*LEAST, "--namespace=Blue"), "`Blue` is not the name of a namespace"),
        ((*LEAST, "--lease=lock"), "--lease must be NS/NAME"),
        ((*LEAST, "--lease-seconds=1"), "1 is not in the range"),
        ((*LEAST, "--management=8081"), "--management must be HOST:PORT"),
        ((*LEAST, "--management=localhost:x"), "--management must be HOST:PORT"),
        ((*LEAST, "--management=localhost:65536"), "--management must be HOST:PORT"),
        ((*LEAST, "--kubeconfig=/nowhere"), "does not exist"),
        ((*LEAST, "--token-file=/token"), "--token-file-namespace need each other"),
        (LEAST, "the credentials for the cluster cannot be loaded"),
    ],
)
def test_what_cannot_be_used_is_named_and_ends_it_with_two(
    options: tuple[str, ...], told: str
) -> None:
    result = refresh(*options)
    assert result.exit_code == 2
    assert told in result.stderr


def test_its_help_shows_both_secrets() -> None:
    text = refresh("--help").stdout
    for part in ("refresh-from: secret/blue-iam", "refresh-credentials", "Exit codes: "):
        assert part in text
