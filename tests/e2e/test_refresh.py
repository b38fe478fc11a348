"""A kubeconfig in a Secret stays good: `hostclaim-proxy refresh` puts fresh tokens into it.

The BMH cluster is the management cluster too. The refresher is the installed command, in
processes of its own, with the rights that `deploy/refresh` has for it.
"""

import base64
import http.client
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.demo import files
from proxy.demo.issuer.accounts import DEMO_REALM
from proxy.demo.process import free_port
from proxy.demo.provision import Admin
from proxy.demo.tour import CLAIM
from tests.deploy.rendered import objects
from tests.e2e.world import KeycloakIam, World, eventually

HOME = "hostclaim-proxy-refresh"
NAMESPACE = "blue-clusters"
DOMAIN = "hostclaim-proxy.metal3.io"
ADMISSION = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
RIGHTS = {"Namespace", "ServiceAccount", "ClusterRole", "Role", "RoleBinding"}
CLIENT = "blue-capm3"


@dataclass
class Refresher:
    """One replica."""

    log_file: Path
    management_port: int
    process: "subprocess.Popen[bytes]" = field(repr=False)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)

    def management(self, path: str) -> tuple[int, str]:
        assert self.process.poll() is None, self.log_file.read_text()
        with closing(
            http.client.HTTPConnection("127.0.0.1", self.management_port, timeout=10)
        ) as connection:
            try:
                connection.request("GET", path)
                response = connection.getresponse()
                return response.status, response.read().decode()
            except ConnectionError:
                return 0, ""

    def metric(self, name: str) -> float:
        lines = self.management("/metrics")[1].splitlines()
        return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))

    def leads(self) -> bool:
        return self.metric("hostclaim_proxy_refresh_leader") == 1


@dataclass
class Management:
    """The management cluster, and the refreshers in it."""

    world: World
    replicas: list[Refresher] = field(default_factory=list)

    def admin(self, *arguments: str, manifest: object = None) -> str:
        stdin = None if manifest is None else json.dumps(manifest)
        done = self.world.kubectl("admin", *arguments, stdin=stdin)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def read(self, name: str) -> Any:
        return json.loads(self.admin("get", "secret", name, f"-n{NAMESPACE}", "-ojson"))

    def annotation(self, name: str, which: str) -> str | None:
        found: str | None = self.read(name)["metadata"]["annotations"].get(f"{DOMAIN}/{which}")
        return found

    def kubeconfig(self, name: str) -> str:
        return base64.b64decode(self.read(name)["data"]["value"]).decode()

    def token(self, name: str) -> str:
        return str(yaml.safe_load(self.kubeconfig(name))["users"][0]["user"]["token"])

    def order(self, name: str, text: str, source: str = "secret/iam") -> None:
        self.admin(
            "create",
            "-f-",
            manifest={
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {
                    "name": name,
                    "namespace": NAMESPACE,
                    "labels": {f"{DOMAIN}/refresh": "true"},
                    "annotations": {f"{DOMAIN}/refresh-from": source},
                },
                "stringData": {"value": text},
            },
        )

    def start(self, *more: str) -> Refresher:
        port = free_port()
        command = shutil.which("hostclaim-proxy", path=Path(sys.executable).parent)
        assert command is not None
        options = {
            "kubeconfig": self.world.directory / f"{HOME}.kubeconfig",
            "namespace": NAMESPACE,
            "proxy-url": self.world.proxy.url,
            "issuer-url": self.world.iam.url,
            "ca-file": self.world.iam.ca_file,
            "lease-seconds": 3,
            "management": f"127.0.0.1:{port}",
            "log-level": "debug",
        }
        log_file = self.world.directory / f"refresh-{len(self.replicas)}.log"
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [
                    command,
                    "refresh",
                    *(f"--{key}={value}" for key, value in options.items()),
                    *more,
                ],
                stdout=log,
                stderr=log,
            )
        replica = Refresher(log_file, port, process)
        self.replicas.append(replica)
        eventually(lambda: replica.management("/readyz")[0] == 200, f"readiness; see {log_file}")
        return replica

    def leader(self) -> Refresher:
        running = [each for each in self.replicas if each.process.poll() is None]
        eventually(lambda: any(each.leads() for each in running), "a leader")
        [leading] = [each for each in running if each.leads()]
        return leading


@pytest.fixture(scope="module")
def management(world: World) -> Iterator[Management]:
    made = Management(world)
    kinds = RIGHTS | ADMISSION if world.real else RIGHTS
    wanted = [found for found in objects("refresh") if found["kind"] in kinds]
    spaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}]
    whole = {"apiVersion": "v1", "kind": "List", "items": spaces + wanted}
    made.admin("apply", "-f-", "--validate=false", manifest=whole)
    made.admin("create", "-f-", manifest=_credentials(world))
    token = world.run(_token(world))
    access = world.access
    text = files.kubeconfig(access.server, access.ca_file, {"token": token}, name=HOME)
    files.write(world.directory / f"{HOME}.kubeconfig", text)
    yield made
    for replica in made.replicas:
        if replica.process.poll() is None:
            replica.stop()


async def _token(world: World) -> str:
    async with Admin(world.access) as admin:
        return await admin.token(HOME, HOME)


def _credentials(world: World) -> dict[str, Any]:
    secrets = (
        world.iam.keycloak.client_secrets
        if isinstance(world.iam, KeycloakIam)
        else {client.client_id: client.secret for client in DEMO_REALM.clients}
    )
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "iam",
            "namespace": NAMESPACE,
            "labels": {f"{DOMAIN}/refresh-credentials": "true"},
        },
        "stringData": {
            "issuer-url": world.iam.url,
            "client-id": CLIENT,
            "client-secret": secrets[CLIENT],
        },
    }


def _written(world: World, server: str | None = None) -> str:
    """A kubeconfig as a person writes it, without a token yet."""
    ca = base64.b64encode((world.directory / "proxy-ca.crt").read_bytes()).decode()
    proxy = server or world.proxy.url
    return f"""\
# kept fresh by hostclaim-proxy refresh
apiVersion: v1
kind: Config
current-context: bmh
clusters:
- {{name: bmh, cluster: {{server: "{proxy}", certificate-authority-data: {ca}}}}}
contexts:
- {{name: bmh, context: {{cluster: bmh, user: capm3, namespace: blue-dev}}}}
users:
- name: capm3
  user:
    token: ""   # not mine to write
"""


def _works(management: Management, name: str) -> None:
    """The kubeconfig in a Secret, as it is, opens the proxy for kubectl."""
    world = management.world
    files.write(world.directory / "from-secret.kubeconfig", management.kubeconfig(name))
    whoami = world.kubectl(
        "from-secret", "auth", "whoami", "-ojsonpath={.status.userInfo.username}"
    )
    assert whoami.stdout == f"corp:service-account-{CLIENT}", whoami.stderr
    listed = world.kubectl("from-secret", "get", "hostclaims")
    assert listed.returncode == 0, listed.stderr


def test_a_kubeconfig_without_a_token_gets_one_and_works(management: Management) -> None:
    management.start()
    text = _written(management.world)
    management.order("first", text)
    eventually(lambda: management.token("first") != "", "the first token")
    assert management.kubeconfig("first") == text.replace('""', f'"{management.token("first")}"')
    assert management.annotation("first", "token-expires-at") is not None
    _works(management, "first")


def test_it_works_with_the_next_token_too(management: Management) -> None:
    before = management.token("first")
    data = {"value": base64.b64encode(_written(management.world).encode()).decode()}
    # How an operator asks for a new one: by taking the old one out.
    patch = json.dumps({"data": data})
    management.admin("patch", "secret", "first", f"-n{NAMESPACE}", "--type=merge", f"-p{patch}")
    eventually(lambda: management.token("first") not in {"", before}, "the next token")
    _works(management, "first")
    claim = {**CLAIM, "metadata": {"name": "by-refreshed"}}
    world = management.world
    made = world.kubectl("from-secret", "create", "-f-", stdin=json.dumps(claim))
    assert made.returncode == 0, made.stderr
    world.kubectl("from-secret", "delete", "hostclaim", "by-refreshed", "--wait=false")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("elsewhere", "not a proxy that is allowed here"),
        ("no-source", "`secret/NAME` or `token-file`"),
        ("no-file", "`token-file` is not allowed in this namespace"),
        ("no-credentials", "cannot get Secret `nowhere`: NotFound"),
        ("not-for-us", "`first` must have the label"),
    ],
)
def test_a_secret_that_is_wrong_says_so_and_gets_no_token(
    management: Management, name: str, told: str
) -> None:
    world = management.world
    source = {
        "elsewhere": "secret/iam",
        "no-source": "iam",
        "no-file": "token-file",
        "no-credentials": "secret/nowhere",
        "not-for-us": "secret/first",
    }[name]
    elsewhere = "https://proxy.example.com" if name == "elsewhere" else None
    management.order(name, _written(world, elsewhere), source)
    eventually(lambda: told in (management.annotation(name, "refresh-error") or ""), told)
    assert management.token(name) == ""


def test_the_others_are_kept_all_the_same(management: Management) -> None:
    management.order("last", _written(management.world))
    eventually(lambda: management.token("last") != "", "a token beside the broken ones")
    leader = management.leader()
    assert leader.management("/readyz")[0] == 200
    assert "[!]secrets: " in leader.management("/readyz?verbose")[1]
    assert leader.metric("hostclaim_proxy_refresh_secrets") == 7
    assert leader.metric("hostclaim_proxy_refresh_secrets_failing") == 5


def test_the_second_of_two_replicas_writes_nothing_until_the_first_is_killed(
    management: Management,
) -> None:
    first = management.leader()
    second = management.start()
    management.order("both", _written(management.world))
    eventually(lambda: management.token("both") != "", "a token by one of two")
    assert not second.leads()
    assert 'looks_total{outcome="renewed"}' not in second.management("/metrics")[1]
    before = management.read("both")["metadata"]["resourceVersion"]
    first.stop(signal.SIGKILL)
    management.order("after", _written(management.world))
    eventually(lambda: management.token("after") != "", "a token by the second")
    assert second.leads()
    # Who takes over renews nothing before its time.
    assert management.read("both")["metadata"]["resourceVersion"] == before
    _works(management, "after")


def test_a_replica_that_is_told_to_stop_gives_the_lease_up(management: Management) -> None:
    leader = management.leader()
    assert leader.stop() == 0
    lease = management.admin("get", "lease", HOME, f"-n{HOME}", "-ojson")
    assert json.loads(lease)["spec"].get("holderIdentity", "") == ""


def test_no_log_shows_a_token_or_a_secret(management: Management) -> None:
    secret = base64.b64decode(management.read("iam")["data"]["client-secret"]).decode()
    for replica in management.replicas:
        log = replica.log_file.read_text()
        assert f"Secret {NAMESPACE}/" in log
        assert secret not in log
        assert "eyJ" not in log
