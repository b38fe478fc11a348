"""What lies in the demo's folder: settings, policies and kubeconfigs that serve as examples."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ISSUER: Final = "corp"
POLICIES: Final = {
    "blue.yaml": """\
# The blue team: its people and its CAPM3 controllers may work with claims in its namespaces.
apiVersion: hostclaim-proxy.metal3.io/v1alpha1
kind: AccessPolicy
metadata:
  name: blue
spec:
  subjects:
  - {issuer: corp, group: /tenants/blue}
  allow:
  - namespaces: [blue-dev, blue-prod]
    role: editor
""",
    "red.yaml": """\
apiVersion: hostclaim-proxy.metal3.io/v1alpha1
kind: AccessPolicy
metadata:
  name: red
spec:
  subjects:
  - {issuer: corp, group: /tenants/red}
  allow:
  - namespaces: [red]
    role: editor
""",
    "auditors.yaml": """\
# A viewer sees the claims; secrets are not part of the role.
apiVersion: hostclaim-proxy.metal3.io/v1alpha1
kind: AccessPolicy
metadata:
  name: auditors
spec:
  subjects:
  - {issuer: corp, group: /auditors}
  allow:
  - namespaces: [blue-dev, blue-prod, red]
    role: viewer
""",
}


@dataclass(frozen=True, slots=True)
class Tenant:
    """Somebody with a kubeconfig: whose account it uses, and the namespace it starts in."""

    name: str
    client_id: str
    namespace: str


TENANTS: Final = (
    Tenant("blue", "blue-capm3", "blue-dev"),
    Tenant("red", "red-capm3", "red"),
    Tenant("auditor", "auditor", "blue-dev"),
)


@dataclass(frozen=True, slots=True)
class Listening:
    """What the settings have to say of the world around; everything else is the same always."""

    port: int
    management_port: int
    issuer_url: str
    issuer_ca: Path


def write_policies(directory: Path) -> None:
    """Write the policy files, each whole or not at all."""
    folder = directory / "policies"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in POLICIES.items():
        write(folder / name, text)


def write_settings(directory: Path, listening: Listening) -> Path:
    """Write `proxy.yaml`, what `hostclaim-proxy serve --config` reads."""
    settings = {
        "apiVersion": "hostclaim-proxy.metal3.io/v1alpha1",
        "kind": "ProxyConfiguration",
        "server": {
            "address": f"127.0.0.1:{listening.port}",
            "certFile": "proxy.crt",
            "keyFile": "proxy.key",
        },
        "management": {"address": f"127.0.0.1:{listening.management_port}"},
        "cluster": {"kubeconfig": "proxy.kubeconfig"},
        "issuers": [
            {
                "name": ISSUER,
                "url": listening.issuer_url,
                "audiences": ["hostclaim-proxy"],
                "caFile": str(listening.issuer_ca.resolve()),
                "claims": {"username": "preferred_username"},
            }
        ],
        "policies": {"paths": ["policies"]},
        "audit": {"file": "audit.jsonl"},
    }
    path = directory / "proxy.yaml"
    write(path, yaml.safe_dump(settings, sort_keys=False))
    return path


def kubeconfig(
    server: str, ca_file: Path, user: dict[str, Any], *, name: str, namespace: str = "default"
) -> str:
    """A kubeconfig with one context, in YAML."""
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "clusters": [
                {
                    "name": "bmh",
                    "cluster": {
                        "server": server,
                        "certificate-authority": str(ca_file.resolve()),
                    },
                }
            ],
            "users": [{"name": name, "user": user}],
            "contexts": [
                {"name": name, "context": {"cluster": "bmh", "user": name, "namespace": namespace}}
            ],
        },
        sort_keys=False,
    )


def write(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.touch(mode=0o600)
    unfinished.write_text(text)
    unfinished.rename(path)
