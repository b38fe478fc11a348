"""Would a test notice? Change a room of the core in one place, and run the core's tests.

`python -m tests.oracle.mutants attributes entitlement narrowing` prints, at its
end, every change that no test in `tests/core` notices. Each is then either given
a test, or shown to let nothing through.
"""

import ast
import compileall
import copy
import importlib
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, Phase, settings

ROOT = Path(__file__).parent.parent.parent
COPIED = (
    "proxy",
    "tests/core",
    "tests/fakes.py",
    "tests/identities.py",
    "pyproject.toml",
    "docs",
    "README.md",
)
LOADED = (
    "google.protobuf.json_format",
    "hypothesis.strategies",
    "jsonschema",
    "pydantic.json_schema",
    "pytest_aiohttp.plugin",
    "pytest_asyncio.plugin",
    "pytest_timeout",
    "yaml",
)
"""What the tests import that is not ours: once here, and never again in a child."""
SECONDS = 120
"""For one run of the tests; a change that makes them hang is noticed, too."""

_SWAPPED: dict[type[Any], type[Any]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.BitOr: ast.BitAnd,
    ast.Sub: ast.Add,
    ast.Add: ast.Sub,
}

_ALIKE = {"tuple", "frozenset"}  # as good as what they are made of


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module changed in one place."""

    line: int
    was: str
    now: str
    source: str

    def __str__(self) -> str:
        """Where it is, and the first line that is different."""
        lines = zip_longest(self.was.splitlines(), self.now.splitlines(), fillvalue="")
        was, now = next(pair for pair in lines if pair[0] != pair[1])
        return f"{self.line}: {was.strip()} -> {now.strip()}"


def mutants(source: str) -> Iterator[Mutant]:
    """Every change of a module that this script knows to make."""
    tree = ast.parse(source)
    unchanged = ast.unparse(tree)
    for path in _places(tree, ()):
        before = _at(tree, path)
        for after in _changes(before, _is_pattern(tree, path)):
            changed = copy.deepcopy(tree)
            _put(changed, path, after)
            line = next(node.lineno for node in ast.walk(before) if hasattr(node, "lineno"))
            text = ast.unparse(ast.fix_missing_locations(changed))
            if text != unchanged:
                yield Mutant(line, ast.unparse(before), ast.unparse(after), text)


Path_ = tuple[tuple[str, int | None], ...]


def _places(node: ast.AST, path: Path_) -> Iterator[Path_]:
    """The way to every node that does something when the module runs."""
    yield path
    if isinstance(node, ast.Raise):
        return  # that it is raised counts, and not what it says
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "type_params"}:
            continue
        children = value if isinstance(value, list) else [value]
        for number, child in enumerate(children):
            if isinstance(child, ast.AST) and not _says_only(child):
                yield from _places(child, (*path, (name, number if children is value else None)))


def _says_only(node: ast.AST) -> bool:
    """Docstrings and imports, sentences, known by their spaces, and CamelCase: types."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):
            return True
        case ast.JoinedStr(values=parts):
            return any(_says_only(part) for part in parts)
        case ast.Constant(value=str() as text):
            return " " in text.strip()
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name[0].isupper() and not name.isupper()
        case _:
            return False


def _at(tree: ast.AST, path: Path_) -> Any:
    found: Any = tree
    for name, number in path:
        value = getattr(found, name)
        found = value if number is None else value[number]
    return found


def _put(tree: ast.AST, path: Path_, node: ast.AST) -> None:
    *above, (name, number) = path
    parent = _at(tree, tuple(above))
    if number is None:
        setattr(parent, name, node)
    else:
        getattr(parent, name)[number] = node


def _is_pattern(tree: ast.AST, path: Path_) -> bool:
    """Whether a node is the text of a regular expression."""
    parent = _at(tree, path[:-1]) if path else None
    return isinstance(parent, ast.Call) and ast.unparse(parent.func) == "re.compile"


def _changes(node: Any, pattern: bool) -> Iterator[ast.AST]:  # noqa: FBT001, C901, PLR0912 - a table
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in _SWAPPED:
            yield _with(node, ops=[_SWAPPED[type(operator)]()])
        case ast.BoolOp(values=values):
            yield _with(node, op=_SWAPPED[type(node.op)]())
            yield from _shorter(node, "values", values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield operand
        case ast.BinOp(op=operator) if type(operator) in _SWAPPED:
            yield _with(node, op=_SWAPPED[type(operator)]())
            yield node.left
            yield node.right
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            yield _with(node, test=ast.UnaryOp(ast.Not(), test))
            yield _with(node, test=ast.Constant(value=True))
            yield _with(node, test=ast.Constant(value=False))
        case ast.For() | ast.comprehension():
            yield _with(node, iter=ast.Tuple(elts=[], ctx=ast.Load()))
            yield from _shorter(node, "ifs", getattr(node, "ifs", []), least=0)
        case ast.match_case(guard=ast.AST()):
            yield _with(node, guard=None)
        case ast.Match(cases=cases):
            yield from _shorter(node, "cases", cases)
        case ast.Tuple(elts=parts, ctx=ast.Load()) | ast.List(elts=parts) | ast.Set(elts=parts):
            yield from _shorter(node, "elts", parts)
        case ast.Dict(keys=keys, values=values):
            for number in range(len(keys)):
                fewer = [_without(keys, number), _without(values, number)]
                yield _with(node, keys=fewer[0], values=fewer[1])
        case ast.Call(keywords=[_, *_] as keywords):
            yield from _shorter(node, "keywords", keywords, least=0)
        case ast.Call(func=ast.Attribute(value=inner, attr="lower" | "strip" | "partition")):
            yield inner
        case ast.Call(func=ast.Name(id=name), args=[first, *_]) if (
            name.islower() and name not in _ALIKE
        ):
            yield first
        case ast.Constant(value=bool() as value):
            yield ast.Constant(value=not value)
        case ast.Constant(value=int() as value):
            yield ast.Constant(value=value + 1)
            yield ast.Constant(value=value - 1)
        case ast.Constant(value=str() as value) if pattern:
            yield from (ast.Constant(value=text) for text in _patterns(value))
        case ast.Constant(value=str() as value):
            yield ast.Constant(value=f"X{value}")
        case ast.Raise() | ast.Continue() | ast.AugAssign() | ast.Expr():
            yield ast.Pass()
        case ast.Return(value=ast.AST()):
            yield ast.Return(value=ast.Constant(value=None))


def _patterns(text: str) -> Iterator[str]:
    """A regular expression without one of its characters, where it still is one."""
    for number in range(len(text)):
        fewer = text[:number] + text[number + 1 :]
        try:
            re.compile(fewer)
        except re.error:
            continue
        yield fewer


def _with(node: Any, **fields: Any) -> Any:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _without(items: list[Any], number: int) -> list[Any]:
    return items[:number] + items[number + 1 :]


def _shorter(node: Any, name: str, items: list[Any], least: int = 1) -> Iterator[ast.AST]:
    if len(items) > least:
        for number in range(len(items)):
            yield _with(node, **{name: _without(items, number)})


def _copy(folder: Path) -> None:
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)


def _passes(folder: Path, *tests: str) -> bool:
    """Run tests in a process of their own, which has nothing of the proxy loaded yet."""
    child = os.fork()
    if child == 0:
        _run(folder, tests)
    left = time.monotonic() + SECONDS
    while time.monotonic() < left:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            # That there are no such tests is no failure.
            return os.waitstatus_to_exitcode(status) in {
                pytest.ExitCode.OK,
                pytest.ExitCode.NO_TESTS_COLLECTED,
            }
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _run(folder: Path, tests: tuple[str, ...]) -> NoReturn:
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    # Not by way of sys.exit: what the parent would do at its end is the parent's.
    os._exit(
        pytest.main(["-x", "-q", "--tb=no", "--assert=plain", "-p", "no:cacheprovider", *tests])
    )


def _prepare(folder: Path) -> None:
    """Have nothing that takes time be done more than once, and no slowness fail a test."""
    _copy(folder)
    # By hash: a change within a second of another would run the older one's bytecode.
    by_hash = PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(folder, quiet=1, invalidation_mode=by_hash)
    sys.dont_write_bytecode = True
    for name in LOADED:
        importlib.import_module(name)
    settings.register_profile(
        "mutants",
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("mutants")


def survivors(room: str, folder: Path) -> Iterator[Mutant]:
    """The changes of a room of the core that its tests do not notice."""
    changed = folder / "proxy" / "core" / f"{room}.py"
    own = f"tests/core/test_{room}.py"
    # What most often notices comes first, and what takes longest last.
    runs = [
        (own, "-m", "not hypothesis"),
        (own, "-m", "hypothesis"),
        ("tests/core", "--ignore", own),
    ]
    original = changed.read_text()
    every = tuple(mutants(original))
    for number, mutant in enumerate(every, 1):
        changed.write_text(mutant.source)
        survived = all(_passes(folder, *run) for run in runs)
        mark = "SURVIVED" if survived else "noticed"
        print(f"{room} {number}/{len(every)} {mark} {mutant}", file=sys.stderr, flush=True)  # noqa: T201
        if survived:
            yield mutant
    changed.write_text(original)


def main(rooms: list[str]) -> None:
    """Print what survives in each room."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _prepare(folder)
        if not _passes(folder, "tests/core"):
            sys.exit("the tests do not pass as they are")
        found = [f"{room}.py:{mutant}" for room in rooms for mutant in survivors(room, folder)]
    print(f"{len(found)} survived", *found, sep="\n")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
