"""A real kubectl cannot tell: what people type works as it does elsewhere."""

import asyncio
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.demo.cluster.asking import claim, namespace, secret
from tests.demo.cluster.conftest import Running

SECONDS = 60.0
VERSIONS = ("1.28", "1.32", "1.33")
# Before 1.29 kubectl needs OpenAPI v2, which is not served, to validate, diff and explain.
OLD = ("1.28",)


def _programs() -> Iterator[Path]:
    """Find kubectl, and beside it the other versions of it that some installs bring."""
    found = shutil.which("kubectl")
    if found is None:
        return
    yield Path(found)
    folder = Path(found).resolve().parent
    yield from (folder / f"kubectl.{version}" for version in VERSIONS)


PROGRAMS = [program for program in _programs() if program.exists()]
newer = pytest.mark.parametrize(
    "kubectl",
    [program for program in PROGRAMS if not program.name.endswith(OLD)],
    ids=lambda program: program.name,
    indirect=True,
)


@dataclass(frozen=True, slots=True)
class Kubectl:
    """A kubectl of some version, as the cluster's admin, in the namespace `blue`."""

    program: Path
    config: Path

    @property
    def needs_v2(self) -> bool:
        return self.program.name.endswith(OLD)

    async def run(self, *told: str, given: object = None, editor: str = "") -> tuple[int, str]:
        """Run it to its end; give its exit code and everything it said."""
        env: Mapping[str, str] = {
            **os.environ,
            "KUBECONFIG": str(self.config),
            "KUBE_EDITOR": editor,
            "HOME": str(self.config.parent),
        }
        process = await asyncio.create_subprocess_exec(
            self.program,
            *told,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=env,
        )
        sent = json.dumps(given).encode() if given is not None else b""
        said, _ = await asyncio.wait_for(process.communicate(sent), SECONDS)
        return process.returncode or 0, said.decode()

    async def says(self, *told: str, given: object = None, editor: str = "") -> str:
        """Run it, and give what it said when all went well."""
        code, said = await self.run(*told, given=given, editor=editor)
        assert code == 0, said
        return said

    async def apply(self, obj: object, *options: str) -> str:
        """Apply an object, without client-side validation where that needs OpenAPI v2."""
        validate = ("--validate=false",) if self.needs_v2 else ()
        return await self.says("apply", *options, *validate, "-f-", given=obj)


@pytest.fixture(params=PROGRAMS, ids=lambda program: program.name)
async def kubectl(request: pytest.FixtureRequest, running: Running, tmp_path: Path) -> Kubectl:
    config = tmp_path / "kubeconfig"
    access = running.access
    cluster = {"server": access.server, "certificate-authority": str(access.ca_file)}
    document = {
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": access.admin_token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "blue"}}],
        "current-context": "c",
    }
    config.write_text(yaml.safe_dump(document))
    found = Kubectl(request.param, config)
    await found.apply(namespace("blue"))
    return found


async def test_it_finds_the_resources(kubectl: Kubectl) -> None:
    found = await kubectl.says("api-resources", "--api-group=metal3.io", "-o", "name")
    assert "hostclaims.metal3.io" in found.split()


async def test_it_gets_in_every_form(kubectl: Kubectl) -> None:
    await kubectl.apply(claim(image={"url": "http://x"}))
    assert re.match(r"NAME +.*AGE", await kubectl.says("get", "hostclaims", "-o", "wide"))
    assert await kubectl.says("get", "hostclaims", "-o", "name") == "hostclaim.metal3.io/one\n"
    path = "jsonpath={.items[0].spec.image.url}"
    assert await kubectl.says("get", "hostclaims", "-o", path) == "http://x"
    for form in ("yaml", "json"):
        assert yaml.safe_load(await kubectl.says("get", "hostclaim", "one", "-o", form))


async def test_it_creates_what_it_writes_as_protobuf(kubectl: Kubectl) -> None:
    await kubectl.says("create", "secret", "generic", "made", "--from-literal=a=b")
    await kubectl.says("create", "serviceaccount", "robot")
    await kubectl.says("create", "role", "r", "--verb=get", "--resource=secrets")
    await kubectl.says("create", "rolebinding", "b", "--role=r", "--serviceaccount=blue:robot")
    assert await kubectl.says("create", "token", "robot")
    assert await kubectl.says("get", "secret", "made", "-o", "jsonpath={.data.a}") == "Yg=="


async def test_it_applies(kubectl: Kubectl) -> None:
    assert "created" in await kubectl.apply(claim())
    assert "unchanged" in await kubectl.apply(claim())
    assert "configured" in await kubectl.apply(claim(failureDomain="x"))


@newer
async def test_it_shows_the_difference(kubectl: Kubectl) -> None:
    await kubectl.apply(claim())
    code, said = await kubectl.run("diff", "-f-", given=claim(failureDomain="x"))
    assert (code, "+  failureDomain: x" in said) == (1, True)


async def test_it_applies_on_the_servers_side(kubectl: Kubectl) -> None:
    await kubectl.apply(claim(failureDomain="x"), "--server-side")
    assert "serverside-applied" in await kubectl.apply(claim(failureDomain="x"), "--server-side")
    other = ("apply", "--server-side", "--validate=false", "--field-manager=other", "-f-")
    code, said = await kubectl.run(*other, given=claim(failureDomain="y"))
    assert (code, 'conflict with "kubectl": .spec.failureDomain' in said) == (1, True)
    await kubectl.says(*other, "--force-conflicts", given=claim(failureDomain="y"))


async def test_client_side_apply_can_become_server_side(kubectl: Kubectl) -> None:
    await kubectl.apply(claim(failureDomain="x"))
    await kubectl.apply(claim(failureDomain="y"), "--server-side")
    found = await kubectl.says("get", "hostclaim", "one", "-o", "jsonpath={.spec.failureDomain}")
    assert found == "y"


async def test_it_edits(kubectl: Kubectl) -> None:
    await kubectl.apply(claim(failureDomain="before"))
    validate = ("--validate=false",) if kubectl.needs_v2 else ()
    told = await kubectl.says(
        "edit", "hostclaim", "one", *validate, editor="sed -i s/before/after/"
    )
    assert "edited" in told


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("merge", '{"spec":{"failureDomain":"x"}}'),
        ("json", '[{"op":"add","path":"/spec/failureDomain","value":"x"}]'),
    ],
)
async def test_it_patches(kubectl: Kubectl, kind: str, patch: str) -> None:
    await kubectl.apply(claim())
    told = await kubectl.says("patch", "hostclaim", "one", f"--type={kind}", "-p", patch)
    assert told == "hostclaim.metal3.io/one patched\n"


async def test_it_patches_secrets_strategically(kubectl: Kubectl) -> None:
    await kubectl.apply(secret())
    await kubectl.says("patch", "secret", "one", "-p", '{"stringData":{"a":"b"}}')
    assert await kubectl.says("get", "secret", "one", "-o", "jsonpath={.data.a}") == "Yg=="


async def test_it_labels_and_annotates(kubectl: Kubectl) -> None:
    await kubectl.apply(claim())
    await kubectl.says("label", "hostclaim", "one", "a=b")
    await kubectl.says("annotate", "hostclaim", "one", "c=d")
    assert "one" in await kubectl.says("get", "hostclaims", "-l", "a in (b,c),!z")


async def test_it_waits(kubectl: Kubectl) -> None:
    await kubectl.apply(claim())
    wait = ("wait", "hostclaim/one", "--timeout=30s")
    await kubectl.says(*wait, "--for=jsonpath={.spec.poweredOn}=true")
    condition = {"type": "Ready", "status": "True", "reason": "r", "message": ""}
    status = {"conditions": [{**condition, "lastTransitionTime": "2030-01-01T00:00:00Z"}]}
    patch = ("patch", "hostclaim", "one", "--subresource=status", "--type=merge", "-p")
    _, met = await asyncio.gather(
        kubectl.says(*patch, str({"status": status}).replace("'", '"')),
        kubectl.says(*wait, "--for=condition=Ready"),
    )
    assert "condition met" in met


async def test_it_waits_for_what_it_deletes(kubectl: Kubectl) -> None:
    await kubectl.apply(claim())
    patch = ("patch", "hostclaim", "one", "--type=merge", "-p")
    await kubectl.says(*patch, '{"metadata":{"finalizers":["metal3.io/hostclaim"]}}')
    deleting = asyncio.create_task(kubectl.says("delete", "hostclaim", "one", "--wait"))
    gone = kubectl.says("wait", "hostclaim/one", "--for=delete", "--timeout=30s")
    marked = "--for=jsonpath={.metadata.deletionGracePeriodSeconds}=0"
    await kubectl.says("wait", "hostclaim/one", marked, "--timeout=30s")
    _, _, told = await asyncio.gather(
        gone, kubectl.says(*patch, '{"metadata":{"finalizers":null}}'), deleting
    )
    assert "deleted" in told


async def test_it_watches(kubectl: Kubectl) -> None:
    await kubectl.apply(claim())
    watching = await asyncio.create_subprocess_exec(
        kubectl.program,
        "get",
        "hostclaims",
        "-w",
        "--output-watch-events",
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "KUBECONFIG": str(kubectl.config)},
    )
    assert watching.stdout is not None
    lines = [await asyncio.wait_for(watching.stdout.readline(), SECONDS) for _ in range(2)]
    await kubectl.says("delete", "hostclaim", "one")
    lines.append(await asyncio.wait_for(watching.stdout.readline(), SECONDS))
    watching.terminate()
    await watching.wait()
    assert [text.split()[0] for text in lines] == [b"EVENT", b"ADDED", b"DELETED"]


async def test_it_describes(kubectl: Kubectl) -> None:
    await kubectl.apply(claim())
    assert "Powered On:  true" in await kubectl.says("describe", "hostclaim", "one")


@newer
async def test_it_explains(kubectl: Kubectl) -> None:
    assert "hostSelector" in await kubectl.says("explain", "hostclaim", "--recursive")
    assert "finalizers" in await kubectl.says("explain", "hostclaim.metadata")
    assert "FIELD: data" in await kubectl.says("explain", "secret.data")


async def test_it_knows_who_it_is_and_what_it_may(kubectl: Kubectl) -> None:
    assert "kubernetes-admin" in await kubectl.says("auth", "whoami")
    assert (await kubectl.says("auth", "can-i", "list", "secrets")).strip() == "yes"
    assert "*.*" in await kubectl.says("auth", "can-i", "--list")
    code, _ = await kubectl.run("auth", "can-i", "list", "secrets", "--as=bob")
    assert code == 1


@newer
async def test_it_is_told_of_a_field_there_is_not(kubectl: Kubectl) -> None:
    code, said = await kubectl.run("create", "-f-", given=claim(nope=1))
    assert (code, 'unknown field "spec.nope"' in said) == (1, True)
