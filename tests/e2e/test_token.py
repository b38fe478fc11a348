"""kubectl logs in by itself: a kubeconfig that runs `hostclaim-proxy token`."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.core.kubeconfig import ExecLogin, Kubeconfig, render
from proxy.demo import files
from tests.e2e.kubectl import Kubectl
from tests.e2e.world import SIGNER, World
from tests.real import gate
from tests.real.parts import KUBECTL

CAPM3 = "blue-capm3"
WHOAMI = "auth whoami -o jsonpath={.status.userInfo.username}"
AT_ONCE = 20


@dataclass(frozen=True)
class Tenant:
    """Somebody of tenant blue whose kubectl runs the plugin, with a cache of its own."""

    world: World
    name: str
    cache: Path

    @property
    def kubectl(self) -> Kubectl:
        return Kubectl(self.world, self.name, "blue-dev")

    def spoil(self, **changes: Any) -> None:
        """Change what the cache holds."""
        [file] = self.cache.glob("*.json")
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    def expire(self) -> None:
        self.spoil(asked_at=1.0, renew_at=2.0, expires_at=3.0)


def tenant(world: World, name: str, client: str, *way: str) -> Tenant:
    """Write a kubeconfig with this way in."""
    command = shutil.which("hostclaim-proxy", path=Path(sys.executable).parent)
    assert command is not None
    made = Tenant(world, name, world.directory / f"{name}-cache")
    options = {
        "--issuer-url": world.iam.url,
        "--ca-file": str(world.iam.ca_file.resolve()),
        "--client-id": client,
        "--cache-dir": str(made.cache),
    }
    arguments = ("token", *(part for option in options.items() for part in option), *way)
    ca = (world.directory / "proxy-ca.crt").read_text()
    login = ExecLogin(arguments, command=command)
    config = render(Kubeconfig(world.proxy.url, ca, login, name, "blue-dev"))
    files.write(world.directory / f"{name}.kubeconfig", yaml.safe_dump(config))
    return made


@pytest.fixture
def program(world: World, request: pytest.FixtureRequest) -> Tenant:
    """Tenant blue's controllers, with their secret in a file."""
    file = world.directory / "blue-capm3.secret"
    files.write(file, world.iam.secret(CAPM3))
    return tenant(world, request.node.name, CAPM3, "--client-secret-file", str(file))


def test_a_program_logs_in_with_its_secret(program: Tenant) -> None:
    assert program.kubectl.does(WHOAMI) == "corp:service-account-blue-capm3"
    program.kubectl.does("get hostclaims")


def test_a_program_logs_in_with_its_key(world: World) -> None:
    file = world.directory / "signer.pem"
    files.write(file, world.iam.key(SIGNER).decode())
    signer = tenant(world, "signer", SIGNER, "--private-key-file", str(file))
    assert signer.kubectl.does(WHOAMI) == f"corp:service-account-{SIGNER}"


def test_twenty_at_once_with_an_expired_token_ask_the_iam_once(program: Tenant) -> None:
    program.kubectl.does(WHOAMI)
    program.expire()
    before = _requests(program)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        said = list(pool.map(program.kubectl.does, [WHOAMI] * AT_ONCE))
    assert said == ["corp:service-account-blue-capm3"] * AT_ONCE
    assert _requests(program) - before == 1


def test_a_token_that_the_proxy_refuses_is_replaced_for_the_next_command(
    world: World, program: Tenant
) -> None:
    program.kubectl.does(WHOAMI)
    wrong = world.run(world.iam.wrong_tokens("alice"))["ID"]
    program.spoil(access=wrong, asked_at=1.0)
    before = _requests(program)
    assert "must be logged in" in program.kubectl.fails("get --raw /version")
    assert "gitVersion" in program.kubectl.does("get --raw /version")
    assert _requests(program) - before == 1


def test_a_secret_that_is_wrong_is_told(world: World) -> None:
    file = world.directory / "wrong.secret"
    files.write(file, "guess-of-a-secret")
    guesser = tenant(world, "guesser", CAPM3, "--client-secret-file", str(file))
    told = guesser.kubectl.fails(WHOAMI)
    assert "no token from the issuer" in told
    assert "guess-of-a-secret" not in told


def test_a_person_logs_in_once_in_a_browser(world: World) -> None:
    alice = tenant(world, "alice", world.iam.peoples_client, "--device-code")
    with _at_a_terminal(world, alice) as kubectl:
        world.run(world.iam.approve(_page(kubectl), "alice"))
        out, err = kubectl.communicate(timeout=60)
    assert (kubectl.returncode, out) == (0, "corp:alice"), err
    alice.expire()
    assert alice.kubectl.does(WHOAMI) == "corp:alice"


def test_where_no_person_is_there_nobody_is_asked(world: World) -> None:
    absent = tenant(world, "absent", world.iam.peoples_client, "--device-code")
    assert "a person has to log in" in absent.kubectl.fails(f"{WHOAMI} -v=0", manifest={})


@contextmanager
def _at_a_terminal(world: World, person: Tenant) -> Iterator["subprocess.Popen[str]"]:
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(
            [
                str(gate.need(KUBECTL)),
                f"--kubeconfig={world.directory / person.name}.kubeconfig",
                *WHOAMI.split(),
            ],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "HOME": str(world.directory)},
        ) as kubectl:
            try:
                yield kubectl
            finally:
                kubectl.kill()
    finally:
        os.close(ours)
        os.close(theirs)


def _page(kubectl: "subprocess.Popen[str]") -> str:
    assert kubectl.stderr is not None
    for line in kubectl.stderr:
        if found := re.match(r"https://\S+user_code=\S+", line):
            return found[0]
    raise AssertionError("no page was shown")


def _requests(program: Tenant) -> int:
    return program.world.run(program.world.iam.token_requests(CAPM3))
