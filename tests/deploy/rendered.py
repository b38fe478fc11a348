"""What does the apiserver get: the manifests as kustomize renders them."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.real import gate
from tests.real.parts import KUBECTL

TOP = Path(__file__).parents[2]
DEPLOY = TOP / "deploy"
KUSTOMIZATIONS = tuple(sorted(file.parent.name for file in DEPLOY.glob("*/kustomization.yaml")))
SECONDS = 60

NOBODY = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "runAsGroup": 65532,
    "fsGroup": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""The security context of every pod here."""

UNPRIVILEGED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
"""That of every container."""


@cache
def objects(kustomization: str) -> tuple[dict[str, Any], ...]:
    """Render a kustomization, by the name of its folder."""
    rendered = subprocess.run(
        [gate.need(KUBECTL), "kustomize", DEPLOY / kustomization],
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
    )
    return tuple(yaml.safe_load_all(rendered.stdout))


def of_kind(kind: str, kustomization: str = "example") -> list[dict[str, Any]]:
    """Pick the objects of one kind."""
    return [found for found in objects(kustomization) if found["kind"] == kind]


def only(kind: str) -> dict[str, Any]:
    """Pick the one object of a kind that the example has."""
    (found,) = of_kind(kind)
    return found


def pod() -> Any:
    """Pick what the Deployment says of its pods."""
    return only("Deployment")["spec"]["template"]["spec"]


def container() -> Any:
    """Pick the pod's one container."""
    (found,) = pod()["containers"]
    return found


def ports() -> dict[str, int]:
    """Number the container's ports by name."""
    return {port["name"]: port["containerPort"] for port in container()["ports"]}
