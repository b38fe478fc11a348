"""Doors that must be locked: values that prove something, and imports that point one way.

A check that cannot fail proves nothing, so each is shown to fail when it is
broken on purpose: forged values in a file of their own, forbidden imports in a
copy of the package.
"""

import ast
import dataclasses
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from proxy.core import narrowing
from proxy.core.entitlement import Allow
from proxy.core.identity import Identity
from proxy.core.narrowing import UpstreamRequest
from tests.core.asking import CLAIMS, call
from tests.identities import ALICE, make_identity

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "proxy"
PYPROJECT = ROOT / "pyproject.toml"
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

# Values that prove something.


def an_allow() -> Allow:
    return call("GET", CLAIMS).allow


def an_upstream_request() -> UpstreamRequest:
    return narrowing.forward(call("GET", CLAIMS))


PROOFS: list[Callable[[], Any]] = [an_allow, an_upstream_request, make_identity]


@pytest.mark.parametrize("seal", [None, object(), True, "seal"])
@pytest.mark.parametrize(
    ("proof", "fields"),
    [
        (Allow, {"identity": make_identity(), "request": an_allow().request, "rules": ()}),
        (UpstreamRequest, {"method": "GET", "target": "/", "headers": ()}),
        (Identity, ALICE),
    ],
)
def test_a_proof_cannot_be_made_outside_its_room(
    proof: type[Any], fields: dict[str, Any], seal: object
) -> None:
    with pytest.raises(TypeError):
        proof(**fields)
    with pytest.raises(TypeError, match=r"only .* makes an"):
        proof(seal=seal, **fields)


@pytest.mark.parametrize("make", PROOFS)
def test_a_proof_cannot_be_changed_into_another(make: Callable[[], Any]) -> None:
    made = make()
    first = dataclasses.fields(made)[0].name
    with pytest.raises(ValueError, match="seal"):
        dataclasses.replace(made, **{first: getattr(made, first)})
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, first, None)


@pytest.mark.parametrize("proof", [Allow, UpstreamRequest, Identity])
def test_a_proof_has_no_heirs(proof: type[Any]) -> None:
    assert proof.__final__


FORGERIES = """\
from proxy.core.attributes import RequestInfo
from proxy.core.entitlement import Allow
from proxy.core.identity import Identity
from proxy.core.narrowing import UpstreamRequest


def honest(allow: Allow, request: UpstreamRequest) -> tuple[Identity, str]:
    return allow.identity, request.target


def forge(identity: Identity, request: RequestInfo, seal: object) -> None:
    Allow(identity, request, ())  # forged
    Allow(seal, identity, request, ())  # forged
    Allow(None, identity, request, ())  # forged
    UpstreamRequest("GET", "/", ())  # forged
    UpstreamRequest(seal, "GET", "/", ())  # forged
    Identity("corp", "f3b1", "alice", (), "", "", {}, 0.0, 0.0, "", "t-1")  # forged
    Identity(seal, "corp", "f3b1", "alice", (), "", "", {}, 0.0, 0.0, "", "t-1")  # forged
    identity.subject = "root"  # forged


class Forged(Allow):  # forged
    pass
"""


def test_a_forged_proof_does_not_type_check(tmp_path: Path) -> None:
    forged = tmp_path / "forged.py"
    forged.write_text(FORGERIES)
    mypy = [sys.executable, "-m", "mypy", "--config-file", str(PYPROJECT), str(forged)]
    said = subprocess.run(mypy, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    lines = FORGERIES.splitlines()
    wanted = {number for number, line in enumerate(lines, 1) if line.endswith("# forged")}
    assert {int(found) for found in re.findall(r"forged\.py:(\d+): error", said)} == wanted, said


# Who makes what, read off the source.


@cache
def nodes() -> list[tuple[str, ast.AST]]:
    """Every node of the package's source, with the file it stands in."""
    return [
        (path.relative_to(PACKAGE).as_posix(), node)
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
    ]


def callers_of(name: str) -> set[str]:
    """The files in which something of that name is called."""
    return {
        file
        for file, node in nodes()
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) == name
    }


@pytest.mark.parametrize(
    ("name", "rooms"),
    [
        ("SignedClaims", {"edge/jwks/jws.py"}),
        ("ToldClaims", {"core/introspection.py", "core/supposed.py"}),
        ("SignedNotice", {"edge/jwks/jws.py"}),
        ("Identity", {"core/identity.py"}),
        ("Allow", {"core/entitlement.py"}),
        ("UpstreamRequest", {"core/narrowing.py"}),
        ("_Seal", {"core/identity.py", "core/entitlement.py", "core/narrowing.py"}),
    ],
)
def test_a_proof_is_made_in_one_room(name: str, rooms: set[str]) -> None:
    assert callers_of(name) == rooms


def test_nobody_reaches_into_a_room_for_its_seal() -> None:
    reaching = {
        file
        for file, node in nodes()
        if (isinstance(node, ast.Attribute) and node.attr in {"_SEAL", "_Seal"})
        or (isinstance(node, ast.alias) and node.name in {"_SEAL", "_Seal"})
    }
    assert reaching == set()


def test_nobody_goes_around_a_constructor() -> None:
    around = {"__new__", "__setattr__", "__reduce__", "__setstate__"}
    going = {
        file for file, node in nodes() if isinstance(node, ast.Attribute) and node.attr in around
    }
    assert going == set()


def readers_of(*names: str) -> set[str]:
    """The files in which an attribute of one of these names is read."""
    return {
        file
        for file, node in nodes()
        if isinstance(node, ast.Attribute) and node.attr in names and isinstance(node.ctx, ast.Load)
    }


def test_what_shadow_rules_say_is_read_where_it_is_kept_and_where_it_is_recorded() -> None:
    kept = {f"core/policy/{name}.py" for name in ("combining", "rules", "subjects")}
    recorded = {"core/audit.py", "core/shadow.py", "pipeline/life.py"}
    # Nothing is served there: tests ask what would be.
    rehearsed = {"cli/policy/test.py"}
    assert readers_of("shadow", "only_in_shadow") <= kept | recorded | rehearsed
    explained = {"core/explanation.py"}
    assert readers_of("decided", "bounded") == {"pipeline/life.py"} | explained


# Imports that point one way.

CONTRACTS = [
    contract["name"]
    for contract in tomllib.loads(PYPROJECT.read_text())["tool"]["importlinter"]["contracts"]
]
LAYERS, EDGES, PURE, PIPELINE, DEMO, SUPPOSED, REFRESHER, DECIDING = (
    "Imports go down only: __main__, cli, serving, app, pipeline and edge, ports, core",
    "Edge modules are ignorant of each other",
    "The core and the framing of HTTP are pure: no I/O, no asyncio, no logging, no clock",
    "The pipeline does no I/O of its own",
    "What serves tenants never imports the demo",
    "Who is only supposed is never served",
    "What keeps tokens fresh is no part of what serves tenants",
    "What the refresher decides, it decides without I/O and without a clock",
)
VIOLATIONS = [
    (LAYERS, "core/errors.py", "proxy.ports"),
    (LAYERS, "ports.py", "proxy.pipeline"),
    (LAYERS, "pipeline/life.py", "proxy.edge.upstream"),
    (LAYERS, "edge/server/listener.py", "proxy.app"),
    (LAYERS, "app.py", "proxy.serving.front"),
    (LAYERS, "serving/single.py", "proxy.cli"),
    (LAYERS, "edge/oidc/login.py", "proxy.execplugin"),
    (LAYERS, "execplugin/call.py", "proxy.app"),
    (LAYERS, "refresher/service.py", "proxy.app"),
    (LAYERS, "edge/management.py", "proxy.refresher.clock"),
    (EDGES, "edge/server/listener.py", "proxy.edge.upstream"),
    (EDGES, "edge/jwks/keys.py", "proxy.edge.policyfiles.reading"),
    (EDGES, "edge/yamlbody.py", "proxy.edge.policyfiles.strictyaml"),
    (PURE, "core/wire.py", "asyncio"),
    (PURE, "core/audit.py", "time"),
    (PURE, "core/body.py", "yaml"),
    (PURE, "ports.py", "aiohttp"),
    (PURE, "http1/body.py", "asyncio"),
    (LAYERS, "http1/head.py", "proxy.edge.server"),
    (PIPELINE, "pipeline/life.py", "socket"),
    (PIPELINE, "pipeline/life.py", "yaml"),
    (PIPELINE, "pipeline/life.py", "proxy.https"),
    (DEMO, "app.py", "proxy.demo"),
    (DEMO, "serving/front.py", "proxy.demo"),
    (DEMO, "execplugin/call.py", "proxy.demo"),
    (DEMO, "settings.py", "proxy.demo.access"),
    (DEMO, "refresher/service.py", "proxy.demo"),
    (SUPPOSED, "app.py", "proxy.core.supposed"),
    (SUPPOSED, "core/review.py", "proxy.core.supposed"),
    (SUPPOSED, "edge/policyfiles/reading.py", "proxy.core.rehearsal"),
    (REFRESHER, "refresher/keeping.py", "proxy.pipeline"),
    (REFRESHER, "refresher/cluster.py", "proxy.edge.upstream"),
    (DECIDING, "refresher/lease.py", "time"),
    (DECIDING, "refresher/kubeconfig.py", "pathlib"),
]


def broken_contracts(root: Path) -> set[str]:
    said = subprocess.run(
        [LINT_IMPORTS, "--no-cache"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        env={"COLUMNS": "200"},
    ).stdout
    assert f"{len(CONTRACTS)} kept, 0 broken" in said or "BROKEN" in said, said
    return {name for name in CONTRACTS if f"{name} BROKEN" in said}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package, for breaking."""
    shutil.copytree(PACKAGE, tmp_path / "proxy", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PYPROJECT, tmp_path)
    return tmp_path


def test_every_contract_has_a_violation_to_show() -> None:
    assert {name for name, _, _ in VIOLATIONS} == set(CONTRACTS)


def test_the_contracts_hold(copy: Path) -> None:
    assert broken_contracts(copy) == set()


@pytest.mark.parametrize(("contract", "file", "imported"), VIOLATIONS)
def test_a_contract_fails_when_it_is_broken(
    copy: Path, contract: str, file: str, imported: str
) -> None:
    with (copy / "proxy" / file).open("a") as source:
        source.write(f"\nimport {imported}\n")
    assert contract in broken_contracts(copy)
