"""What the documents say is so: their links, their examples, and the commands in them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from proxy import settings
from proxy.cli import main
from proxy.edge.policyfiles import load

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "deploy" / "README.md", *sorted(ROOT.glob("docs/*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)]+)\)", re.sub(r"`[^`]*`", "", page.read_text())):
            if not target.startswith("https://"):
                yield page, target


def examples() -> Iterator[dict[str, Any]]:
    for page in PAGES:
        for block in blocks(page, "yaml"):
            yield from filter(None, yaml.safe_load_all(block))


def commands() -> Iterator[list[str]]:
    for page in PAGES:
        steps = re.findall(r"^ *- run: (.*)$", "\n".join(blocks(page, "yaml")), re.MULTILINE)
        for block in [*blocks(page, "sh"), *steps]:
            for line in block.replace("\\\n", " ").splitlines():
                name, *arguments = shlex.split(line, comments=True) or [""]
                if name == "hostclaim-proxy":
                    yield arguments[: arguments.index("|")] if "|" in arguments else arguments


@pytest.mark.parametrize(("page", "target"), [*links()])
def test_a_link_leads_somewhere(page: Path, target: str) -> None:
    path, _, anchor = target.partition("#")
    found = (page.parent / path).resolve() if path else page
    assert found.is_file()
    assert not anchor or anchor in anchors(found)


def test_every_page_is_one_step_from_the_readme() -> None:
    linked = {(page.parent / target).resolve() for page, target in links() if page == PAGES[0]}
    assert linked >= set(PAGES[1:])


def test_examples_of_settings_are_good_ones(tmp_path: Path) -> None:
    [whole] = [each for each in examples() if each.get("kind") == "ProxyConfiguration"]
    named = {"issuers", "backChannel", "entitlements"}
    parts = [each for each in examples() if each.keys() & named]
    assert len(parts) >= 4
    for part in parts:
        file = tmp_path / "proxy.yaml"
        file.write_text(yaml.safe_dump(whole | part))
        settings.load(file, {})


def test_examples_of_policies_are_good_ones(tmp_path: Path) -> None:
    policies = [each for each in examples() if each.get("kind") == "AccessPolicy"]
    [first, *_] = policies
    rules = [each for each in examples() if each.keys() == {"allow"}]
    assert len(rules) >= 2
    for spec in [
        *(policy["spec"] for policy in policies),
        *(first["spec"] | rule for rule in rules),
    ]:
        file = tmp_path / "policy.yaml"
        file.write_text(yaml.safe_dump(first | {"spec": spec}))
        load([file])


@pytest.mark.parametrize("arguments", [*commands()], ids=" ".join)
def test_commands_have_the_options_that_they_are_shown_with(arguments: list[str]) -> None:
    command: click.Command = main
    context = click.Context(main)
    known: set[str] = set()
    for argument in arguments:
        known |= {option for param in command.params for option in param.opts}
        if argument.startswith("-"):
            assert argument.partition("=")[0] in known
        elif isinstance(command, click.Group):
            found = command.get_command(context, argument)
            command = found if found is not None else command
    assert command is not main
