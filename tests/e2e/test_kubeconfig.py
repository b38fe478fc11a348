"""A kubeconfig that the command makes works for kubectl, and the check says when it does not."""

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.demo import files
from tests.e2e.kubeconfigs import make, run
from tests.e2e.serving import command
from tests.e2e.world import World


def check(world: World, name: str) -> Any:
    """What the check says to programs; its exit code has to agree."""
    done = run("check", world.directory / f"{name}.kubeconfig", "-o", "json")
    found = json.loads(done.stdout)
    assert done.returncode == (0 if found["usable"] else 1), done.stderr
    return found


@pytest.fixture
def token_file(world: World) -> Path:
    file = world.directory / "made.token"
    files.write(file, world.token("blue-capm3"))
    return file


def test_a_kubeconfig_by_token_file_works_for_kubectl(world: World, token_file: Path) -> None:
    made = make(world.proxy, "by-file", "--token-file", token_file)
    assert (made.returncode, made.stdout) == (0, ""), made.stderr
    assert "identity     ok: you are `corp:service-account-blue-capm3`" in made.stderr
    listed = world.kubectl("by-file", "get", "hostclaims", "-o", "name")
    assert listed.returncode == 0, listed.stderr
    # In the namespace of the context.
    assert world.kubectl("by-file", "auth", "can-i", "create", "hostclaims").stdout == "yes\n"


def test_a_kubeconfig_with_the_token_in_it_works_for_kubectl(
    world: World, token_file: Path
) -> None:
    made = make(world.proxy, "by-token", "--embed-token", token_file)
    assert made.returncode == 0, made.stderr
    assert made.stderr.startswith("warning: the token itself is in the kubeconfig")
    assert world.kubectl("by-token", "auth", "whoami").returncode == 0


def test_the_check_says_who_and_what_and_where(world: World, token_file: Path) -> None:
    make(world.proxy, "by-file", "--token-file", token_file)
    found = check(world, "by-file")
    assert found["usable"]
    assert found["identity"]["username"] == "corp:service-account-blue-capm3"
    assert found["identity"]["groups"] == ["/tenants/blue"]
    assert [access["namespace"] for access in found["access"]] == ["blue-dev", "blue-prod"]
    for access in found["access"]:
        assert "create" in access["resources"]["hostclaims"]
        assert "create" in access["resources"]["secrets"]
        assert access["resources"]["hostclaims/status"] == ["get"]


def test_a_namespace_that_is_not_theirs_is_told_with_those_that_are(
    world: World, token_file: Path
) -> None:
    made = make(world.proxy, "astray", "--token-file", token_file, namespace="red")
    assert made.returncode == 1
    told = "access       FAILED: no policy grants you hostclaims in the context's `red`"
    assert f"{told}; your namespaces are blue-dev, blue-prod" in made.stderr


def test_a_token_that_the_proxy_refuses_is_told_with_the_reason(
    world: World, token_file: Path
) -> None:
    make(world.proxy, "by-file", "--token-file", token_file)
    for wrong in (*world.run(world.iam.wrong_tokens("alice")).values(), "opaque"):
        files.write(token_file, wrong)
        *_, last = check(world, "by-file")["steps"]
        assert (last["step"], last["ok"]) == ("identity", False)
        assert last["message"].startswith("your token is refused: ")
        assert wrong not in last["message"]


def test_a_cluster_is_no_proxy(world: World) -> None:
    *_, last = check(world, "admin")["steps"]
    assert last["step"] == "identity"
    assert last["message"].startswith("this is no HostClaim proxy: it knows you as ")


def test_a_proxy_with_a_certificate_of_another_ca_is_told(world: World, token_file: Path) -> None:
    made = run(
        *("--server", world.proxy.url, "--ca-file", world.access.ca_file, "--check"),
        *("--namespace", "blue-dev", "--token-file", token_file),
    )
    assert made.returncode == 1
    assert "connection   FAILED: its certificate is not of the CA" in made.stderr


@pytest.fixture
def client(world: World) -> tuple[object, ...]:
    """How a program of tenant blue logs in by the plugin, with its secret in a file."""
    secret = world.directory / "made.secret"
    files.write(secret, world.iam.secret("blue-capm3"))
    return (
        *("--issuer-url", world.iam.url, "--issuer-ca-file", world.iam.ca_file),
        *("--client-id", "blue-capm3", "--client-secret-file", secret),
        *("--cache-dir", world.directory / "made-cache", "--plugin", command()),
    )


def test_a_kubeconfig_that_runs_the_plugin_works_for_kubectl(
    world: World, client: tuple[object, ...]
) -> None:
    made = make(world.proxy, "by-plugin", *client)
    assert made.returncode == 0, made.stderr
    assert "credentials  ok: a token from the plugin" in made.stderr
    assert check(world, "by-plugin")["identity"]["username"] == "corp:service-account-blue-capm3"
    assert world.kubectl("by-plugin", "auth", "can-i", "create", "secrets").stdout == "yes\n"


def test_what_the_plugin_says_is_seen(world: World, client: tuple[object, ...]) -> None:
    secret = world.directory / "made.secret"
    files.write(secret, "guess-of-a-secret")
    made = make(world.proxy, "by-guess", *client, "--cache-dir", world.directory / "guess-cache")
    assert made.returncode == 1
    assert "hostclaim-proxy: no token" in made.stderr
    assert "credentials  FAILED: the plugin" in made.stderr
    assert "guess-of-a-secret" not in made.stderr
