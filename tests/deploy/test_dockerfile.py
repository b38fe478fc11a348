"""The Dockerfile can be built from what the repository has, and agrees with the Deployment."""

import json
import re
import tomllib
from pathlib import PurePosixPath
from typing import NamedTuple

import pytest

from tests.deploy.rendered import DEPLOY, TOP, container, objects, pod

PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]


class Instruction(NamedTuple):
    name: str
    arguments: str


def instructions() -> list[Instruction]:
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [Instruction(*line.split(maxsplit=1)) for line in lines]


def arguments(name: str) -> list[str]:
    return [each.arguments for each in instructions() if each.name == name]


def sources() -> list[str]:
    """What is copied from the repository."""
    copied = [each.split() for each in arguments("COPY") if "--from=" not in each]
    return [source for *found, _ in copied for source in found]


def ignored() -> list[str]:
    lines = (TOP / ".dockerignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("source", sources())
def test_what_is_copied_exists_and_is_not_ignored(source: str) -> None:
    assert (TOP / source).exists()
    assert f"!{source.removeprefix('./')}" in ignored()


def test_the_build_sees_nothing_that_it_does_not_copy() -> None:
    first, *others = ignored()
    assert first == "*"
    assert {line.removeprefix("!") for line in others if line.startswith("!")} == set(sources())


@pytest.mark.parametrize("field", ["readme", "license-files"])
def test_the_files_that_the_wheel_names_are_copied(field: str) -> None:
    named = PROJECT[field]
    assert set([named] if isinstance(named, str) else named) <= set(sources())


def test_both_stages_have_the_same_pinned_python() -> None:
    build, final = (image.split()[0] for image in arguments("FROM"))
    assert build == final
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", final)


def test_the_tools_of_the_build_are_pinned() -> None:
    (install,) = (each for each in arguments("RUN") if "pip install" in each)
    assert re.search(r" uv==\d+\.\d+\.\d+$", install)


def test_dependencies_come_from_the_lock_without_those_of_development() -> None:
    syncs = [each for each in arguments("RUN") if "uv sync" in each]
    assert syncs
    assert all("--frozen" in each and "--no-dev" in each for each in syncs)


def test_it_runs_as_the_deployments_user() -> None:
    context = pod()["securityContext"]
    assert arguments("USER")[-1] == f"{context['runAsUser']}:{context['runAsGroup']}"


def test_it_runs_the_command_of_the_project() -> None:
    (entrypoint,) = arguments("ENTRYPOINT")
    (command,) = json.loads(entrypoint)
    (environment,) = (each for each in arguments("ENV") if "UV_PROJECT_ENVIRONMENT" in each)
    assert PurePosixPath(command).name in PROJECT["scripts"]
    assert f"UV_PROJECT_ENVIRONMENT={PurePosixPath(command).parents[1]} " in environment


def test_whoever_executes_something_in_the_pod_finds_the_command_by_its_name() -> None:
    (entrypoint,) = arguments("ENTRYPOINT")
    (command,) = json.loads(entrypoint)
    environment = arguments("ENV")[-1].split()
    assert f'PATH="{PurePosixPath(command).parent}:$PATH"' in environment


def test_it_serves_unless_told_otherwise() -> None:
    (command,) = arguments("CMD")
    assert json.loads(command) == container()["args"]


def test_it_exposes_the_pods_ports() -> None:
    (exposed,) = arguments("EXPOSE")
    assert exposed.split() == [str(port["containerPort"]) for port in container()["ports"]]


def test_the_base_deploys_the_version_that_is_here() -> None:
    (deployment,) = (one for one in objects("base") if one["kind"] == "Deployment")
    (base,) = deployment["spec"]["template"]["spec"]["containers"]
    assert base["image"] == f"hostclaim-proxy:{PROJECT['version']}"
