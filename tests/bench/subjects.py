"""Who is compared: nothing in between, nginx as the floor, kube-rbac-proxy, and this proxy.

Each is started the same way: on the proxies' core, with TLS on both sides.
"""

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from proxy.demo import files
from proxy.demo.process import free_port
from tests.bench import nginx, objects
from tests.bench.certificates import Certificates
from tests.bench.iam import AUDIENCE, FEW, FEW_GROUPS, GROUPS_OF_MANY, USER
from tests.bench.nginx import Floor
from tests.bench.parts import Parts
from tests.bench.serving import Command, answers, running
from tests.bench.upstream import Plan

DIRECT: Final = "direct"
NGINX: Final = "nginx"
PEER: Final = "kube-rbac-proxy"
OURS: Final = "hostclaim-proxy"
ENTITLEMENTS: Final = 10_000
Settings = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """One that runs: its port, its process if it has one, and how long its start took.

    Of this proxy alone: where its metrics are, and the folder that its files lie in.
    """

    name: str
    port: int
    pid: int | None = None
    started: float = 0.0
    management_port: int = 0
    folder: Path = Path()


@dataclass(frozen=True, slots=True)
class Site:
    """What all of them share: the programs, the files, the stub and the core.

    `apiserver` is the port that requests go to: the stub's, or that of who answers watches.
    `token` is one that is let through, for whoever says that it is ready by nothing else.
    """

    parts: Parts
    folder: Path
    certificates: Certificates
    upstream: Plan
    apiserver: int
    core: int
    token: str = field(repr=False)

    def new_folder(self, name: str) -> Path:
        """A folder that nobody has used."""
        count = len(list(self.folder.glob(f"{name}.*")))
        made = self.folder / f"{name}.{count}"
        made.mkdir()
        return made


@contextmanager
def direct(site: Site) -> Iterator[Subject]:
    """The upstream itself."""
    yield Subject(DIRECT, site.apiserver)


@contextmanager
def floor(site: Site) -> Iterator[Subject]:
    """Nginx, which decides nothing."""
    folder, port = site.new_folder(NGINX), free_port()
    config = folder / "nginx.conf"
    config.write_text(
        nginx.floor(Floor(folder, port, site.apiserver, site.certificates)),
    )
    command = Command([site.parts.nginx, "-c", config], site.core, folder / "output.log")
    trust = site.certificates.trust()
    with running(command, lambda: answers(port, "/readyz", trust=trust)) as started:
        yield Subject(NGINX, port, started.pid, started.seconds)


@contextmanager
def peer(site: Site) -> Iterator[Subject]:
    """kube-rbac-proxy, with OIDC, and with static rules for what is allowed.

    Static rules cost it less than any other. What they do not name it asks the apiserver
    about, as a SubjectAccessReview, whose answer it keeps for half a minute.
    """
    folder, port = site.new_folder(PEER), free_port()
    rules = [
        {"user": {"name": USER}, "verb": verb, "path": path, "resourceRequest": False}
        for verb in ("get", "patch")
        for path in (objects.CLAIMS, f"{objects.CLAIMS}/{objects.NAME}")
    ]
    (folder / "config.yaml").write_text(yaml.safe_dump({"authorization": {"static": rules}}))
    kubeconfig = _write_kubeconfig(folder, site.upstream.port, site.certificates)
    arguments = {
        "secure-listen-address": f"127.0.0.1:{port}",
        "upstream": f"https://127.0.0.1:{site.apiserver}/",
        "tls-cert-file": site.certificates.chain,
        "tls-private-key-file": site.certificates.key,
        "config-file": folder / "config.yaml",
        "kubeconfig": kubeconfig,
        "oidc-issuer": site.upstream.issuer,
        "oidc-clientID": AUDIENCE,
        "oidc-ca-file": site.certificates.authority,
        "oidc-username-claim": "preferred_username",
    }
    argv: list[str | Path] = [
        site.parts.kube_rbac_proxy,
        *(f"--{name}={value}" for name, value in arguments.items()),
        "--oidc-sign-alg=RS256",
        "--oidc-sign-alg=ES256",
    ]
    # Without --upstream-ca-file it speaks HTTP/2 to the upstream, over one connection. With
    # it, it speaks HTTP/1.1 and keeps two connections, so that sixteen callers cost it a TLS
    # handshake for most requests.
    environment = {"SSL_CERT_FILE": str(site.certificates.authority)}
    command = Command(argv, site.core, folder / "output.log", environment)
    trust, headers = site.certificates.trust(), {"Authorization": f"Bearer {site.token}"}
    claim = f"{objects.CLAIMS}/{objects.NAME}"
    # Its `/healthz` is there before the keys of the issuer are.
    with running(command, lambda: answers(port, claim, trust=trust, headers=headers)) as started:
        yield Subject(PEER, port, started.pid, started.seconds)


@contextmanager
def ours(
    site: Site, change: Callable[[Settings], None] = lambda _: None, *, many: bool = True
) -> Iterator[Subject]:
    """This proxy, as `serve` runs it; `many` has it know the 10,000 entitlements too."""
    folder = site.new_folder(OURS)
    policies = folder / "policies"
    policies.mkdir()
    (policies / "few.yaml").write_text(yaml.safe_dump_all(few_policies()))
    if many:
        (policies / "many.yaml").write_text(yaml.safe_dump_all(many_policies()))
    port, management_port = free_port(), free_port()
    settings = _settings(site, port, management_port)
    settings["cluster"]["kubeconfig"] = str(
        _write_kubeconfig(folder, site.apiserver, site.certificates)
    )
    change(settings)
    config = folder / "proxy.yaml"
    config.write_text(yaml.safe_dump(settings))
    argv: list[str | Path] = [installed(), "serve", "--config", config, "--log-level", "warning"]
    command = Command(argv, site.core, folder / "output.log")
    with running(command, lambda: answers(management_port, "/readyz")) as started:
        yield Subject(OURS, port, started.pid, started.seconds, management_port, folder)


STARTS: Final[Mapping[str, Callable[[Site], Any]]] = {
    DIRECT: direct,
    NGINX: floor,
    PEER: peer,
    OURS: ours,
}


def installed() -> str:
    """The installed command."""
    found = shutil.which("hostclaim-proxy", path=str(Path(sys.executable).parent))
    assert found is not None, "the package is installed in the environment of the benchmark"
    return found


def few_policies() -> list[dict[str, Any]]:
    """Ten namespaces, one for each group of the caller; the first is the one that is used."""
    names = [objects.NAMESPACE, *(f"few-{number}" for number in range(1, FEW))]
    return [
        policy(f"few-{number}", group, [name])
        for number, (group, name) in enumerate(zip(FEW_GROUPS, names, strict=True))
    ]


def many_policies() -> list[dict[str, Any]]:
    """10,000 namespaces, spread over 300 groups; one of them is the one that is used."""
    names = [objects.NAMESPACE, *(f"many-{number}" for number in range(1, ENTITLEMENTS))]
    count = len(GROUPS_OF_MANY)
    return [
        policy(f"many-{number}", group, names[number::count])
        for number, group in enumerate(GROUPS_OF_MANY)
    ]


def policy(name: str, group: str, namespaces: list[str]) -> dict[str, Any]:
    """A policy that makes a group editor of some namespaces."""
    return {
        "apiVersion": "hostclaim-proxy.metal3.io/v1alpha1",
        "kind": "AccessPolicy",
        "metadata": {"name": name},
        "spec": {
            "subjects": [{"issuer": "bench", "group": group}],
            "allow": [{"namespaces": namespaces, "role": "editor"}],
        },
    }


def _settings(site: Site, port: int, management_port: int) -> Settings:
    return {
        "apiVersion": "hostclaim-proxy.metal3.io/v1alpha1",
        "kind": "ProxyConfiguration",
        "server": {
            "address": f"127.0.0.1:{port}",
            "certFile": str(site.certificates.chain),
            "keyFile": str(site.certificates.key),
        },
        "management": {"address": f"127.0.0.1:{management_port}"},
        "cluster": {},
        "issuers": [
            {
                "name": "bench",
                "url": site.upstream.issuer,
                "audiences": [AUDIENCE],
                "caFile": str(site.certificates.authority),
                "claims": {"username": "preferred_username"},
            }
        ],
        "policies": {"paths": ["policies"]},
        "audit": {"file": "audit.jsonl"},
    }


def _write_kubeconfig(folder: Path, port: int, certificates: Certificates) -> Path:
    """The way to the stub, which takes any token."""
    path = folder / "kubeconfig"
    server = f"https://127.0.0.1:{port}"
    user = {"token": "service-account"}
    files.write(path, files.kubeconfig(server, certificates.authority, user, name="proxy"))
    return path
