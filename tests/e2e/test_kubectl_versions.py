"""Other versions of kubectl, as far as the machine has them, work as the installed one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.kubectl import STAMP, Kubectl, claim, fresh, made, others, secret
from tests.e2e.world import World

# Before 1.28 `auth whoami` asks for a beta of the review, which clusters no longer have.
PROGRAMS = others(since=28)


@pytest.fixture(scope="module", params=PROGRAMS, ids=lambda program: program.name)
def blue(world: World, request: pytest.FixtureRequest) -> Kubectl:
    program: Path = request.param
    return Kubectl(world, "blue", "blue-dev", program)


@pytest.fixture
def new(blue: Kubectl) -> Iterator[str]:
    """A name for a secret that the test makes itself."""
    name = fresh("secret")
    yield name
    blue.does(f"delete secret {name} --ignore-not-found")


def test_it_finds_out_what_is_served(blue: Kubectl) -> None:
    assert set(blue.does("api-resources -o name").split()) == {"hostclaims.metal3.io", "secrets"}
    assert "FIELD: image" in blue.does("explain hostclaim.spec.image")
    assert "corp:service-account-blue-capm3" in blue.does("auth whoami")
    assert blue.does("auth can-i create hostclaims") == "yes\n"
    assert blue.ask("auth can-i get secrets -n red").returncode == 1


def test_it_works_with_claims(blue: Kubectl) -> None:
    name = fresh("claim")
    with made(blue, claim(name)):
        assert name in blue.does("get hostclaims -o wide")
        blue.does("apply -f -", claim(name, poweredOn=False))
        blue.does("apply --server-side --force-conflicts -f -", claim(name, poweredOn=True))
        blue.does(
            f"""patch hostclaim {name} --type merge -p '{{"spec": {{"poweredOn": false}}}}'"""
        )
        assert blue.ask("diff -f -", claim(name, poweredOn=True)).returncode == 1
        assert blue.does(f"get hostclaim {name} -o jsonpath={{.spec.poweredOn}}") == "false"
        blue.does(f"delete hostclaim {name} --wait --timeout=30s")


def test_it_works_with_secrets(blue: Kubectl, new: str) -> None:
    blue.does(f"create secret generic {new} --from-literal=value=one")
    blue.does("apply -f -", secret(new, "two"))
    blue.does("apply --server-side --force-conflicts -f -", secret(new, "three"))
    blue.does(f"""patch secret {new} -p '{{"stringData": {{"value": "four"}}}}'""")
    assert "Zm91cg==" in blue.does(f"get secret {new} -o yaml")
    assert f"{STAMP}=true" in blue.does(f"get secret {new} --show-labels")
    blue.does(f"delete secret {new}")


def test_it_is_told_what_is_allowed(blue: Kubectl) -> None:
    assert "your namespaces are blue-dev, blue-prod" in blue.fails("get hostclaims -n red")
