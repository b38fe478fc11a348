"""A kubeconfig is used as a client would use it, and what is wrong with it is told."""

import asyncio
import json
import os
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from proxy.core import review
from proxy.core.checkup import Checkup, Problem, Step
from proxy.core.kubeconfig import ExecLogin, Kubeconfig, Login, StaticTokenLogin, render
from proxy.edge import checkup
from proxy.edge.checkup import Patience

TOKEN = "a.b.c"
QUICK = Patience(answer=10, plugin=10, person=10)
IMPATIENT = Patience(answer=0.2, plugin=0.2, person=0.2)
CLAIMS = {"apiGroups": ["metal3.io"], "resources": ["hostclaims"], "verbs": ["get", "list"]}


@dataclass
class Served:
    """A server that answers reviews as the proxy does, unless a test says otherwise."""

    authority: trustme.CA
    port: int = 0
    handler: Callable[[web.Request], Any] | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)
    """The namespace that each request is about, if any, and its Authorization."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        namespace = body.get("spec", {}).get("namespace", "")
        self.asked.append((namespace, request.headers.get("Authorization", "")))
        if self.handler is not None:
            answer = await self.handler(request)
            assert isinstance(answer, web.StreamResponse)
            return answer
        if not namespace:
            extra = {review.ISSUER: ["corp"], review.NAMESPACES: ["blue-dev", "blue-prod"]}
            info = {"username": "corp:alice", "groups": [], "extra": extra}
            return web.json_response({"status": {"userInfo": info}}, status=201)
        rules = [CLAIMS] if namespace.startswith("blue") else []
        return web.json_response({"status": {"resourceRules": rules}}, status=201)

    def kubeconfig(
        self, login: Login | None = None, *, host: str = "127.0.0.1", ca: str | None = ""
    ) -> dict[str, Any]:
        pem = self.authority.cert_pem.bytes().decode() if ca == "" else ca
        server = f"https://{host}:{self.port}"
        way_in = login or StaticTokenLogin(TOKEN)
        return render(Kubeconfig(server, pem, way_in, "blue", "blue-dev"))


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async for one in serving(lambda authority: authority.issue_cert("127.0.0.1")):
        yield one


async def serving(issue: Callable[[trustme.CA], trustme.LeafCert]) -> AsyncIterator[Served]:
    served = Served(trustme.CA())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issue(served.authority).configure_cert(context)
    app = web.Application()
    app.router.add_post("/{path:.*}", served.answer)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context)
    served.port = server.port or 0
    try:
        yield served
    finally:
        await server.close()


async def checked(
    document: Any, folder: Path = Path(), patience: Patience = QUICK, context: str | None = None
) -> Checkup:
    return await checkup.check(document, folder, context, patience)


def fault(found: Checkup) -> tuple[Step, str]:
    """The step that failed, and why."""
    last = found.findings[-1]
    assert not last.ok, found
    return last.step, last.message


def program(folder: Path, script: str) -> Path:
    """An exec plugin."""
    file = folder / "plugin"
    file.write_text(f"#!{sys.executable}\n{script}")
    file.chmod(0o700)
    return file


def printing(token: str) -> str:
    """A plugin that prints a token."""
    status = {"token": token}
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    return f"print({json.dumps(json.dumps({**credential, 'status': status}))})\n"


async def test_a_good_kubeconfig_is_usable(served: Served) -> None:
    found = await checked(served.kubeconfig())
    assert found.usable, found
    assert found.caller is not None
    assert found.caller.username == "corp:alice"
    assert [one.namespace for one in found.access] == ["blue-dev", "blue-prod"]
    assert [about for about, _ in served.asked] == ["", "blue-dev", "blue-prod"]
    assert {token for _, token in served.asked} == {f"Bearer {TOKEN}"}


async def test_a_context_that_leads_where_nothing_is_granted_makes_it_useless(
    served: Served,
) -> None:
    document = served.kubeconfig()
    document["contexts"][0]["context"]["namespace"] = "red"
    found = await checked(document)
    assert fault(found)[0] is Step.ACCESS
    assert "your namespaces are blue-dev, blue-prod" in fault(found)[1]
    assert [one.namespace for one in found.access] == ["red", "blue-dev", "blue-prod"]


async def test_a_token_file_is_read_from_beside_the_kubeconfig(
    served: Served, tmp_path: Path
) -> None:
    document = served.kubeconfig()
    document["users"][0]["user"] = {"tokenFile": "token"}
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert (await checked(document, tmp_path)).usable
    assert served.asked[0][1] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("content", ["", "\n", "two lines\nof it", "\xe4"])
async def test_a_token_file_without_a_token_is_told(
    served: Served, tmp_path: Path, content: str
) -> None:
    document = served.kubeconfig()
    document["users"][0]["user"] = {"tokenFile": "token"}
    (tmp_path / "token").write_text(content)
    step, message = fault(await checked(document, tmp_path))
    assert step is Step.CREDENTIALS
    assert message.startswith("there is no token of one line")
    assert not served.asked


async def test_a_token_file_that_is_no_file_is_not_waited_for(
    served: Served, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("none", "pipe", "."):
        document = served.kubeconfig()
        document["users"][0]["user"] = {"tokenFile": name}
        step, message = fault(await checked(document, tmp_path))
        assert (step, "is not there" in message) == (Step.CREDENTIALS, True)


async def test_a_plugin_gets_what_client_go_gives_it(served: Served, tmp_path: Path) -> None:
    seen = tmp_path / "seen.json"
    script = (
        "import json, os, sys\n"
        f"with open({str(seen)!r}, 'w') as file:\n"
        "    info = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
        "    json.dump([sys.argv[1:], os.environ['SET'], os.environ['PATH'], info], file)\n"
    )
    program(tmp_path, script + printing(TOKEN))
    login = ExecLogin(("token", "--a=b"), {"SET": "yes"}, "./plugin")
    assert (await checked(served.kubeconfig(login), tmp_path)).usable
    args, environment, path, info = json.loads(await asyncio.to_thread(seen.read_text))
    assert (args, environment, path) == (["token", "--a=b"], "yes", os.environ["PATH"])
    assert info["kind"] == "ExecCredential"
    assert info["spec"] == {"interactive": os.isatty(0)}


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("import sys; sys.exit(3)", "failed with 3: see what it says"),
        ("", "printed no ExecCredential"),
        (printing(""), "without a token"),
        (printing("a\nb"), "no token of one line in what the plugin"),
    ],
)
async def test_a_plugin_that_gives_no_token_is_told(
    served: Served, tmp_path: Path, script: str, told: str
) -> None:
    plugin = program(tmp_path, script)
    step, message = fault(await checked(served.kubeconfig(ExecLogin((), {}, str(plugin)))))
    assert step is Step.CREDENTIALS
    assert told in message
    assert not served.asked


async def test_a_plugin_that_does_not_end_is_ended(served: Served, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = f"import os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    plugin = program(tmp_path, script)
    login = ExecLogin((), {}, str(plugin))
    found = await checked(served.kubeconfig(login), patience=Patience(plugin=2, person=2))
    assert "gave no token within 2 s" in fault(found)[1]
    with pytest.raises(ProcessLookupError):
        os.kill(int(await asyncio.to_thread(pid.read_text)), 0)


@pytest.mark.parametrize(
    "login",
    [
        ExecLogin((), {}, "a\x00b"),
        ExecLogin(("a\x00b",), {}, "true"),
        ExecLogin((), {"a=b": "c"}, "true"),
        ExecLogin((), {"a": "b\x00"}, "true"),
    ],
)
async def test_a_plugin_that_no_system_could_run_is_told(served: Served, login: ExecLogin) -> None:
    step, message = fault(await checked(served.kubeconfig(login)))
    assert step is Step.CREDENTIALS
    assert "holds what no program can be given" in message


async def test_a_plugin_that_is_not_there_is_told(served: Served) -> None:
    login = ExecLogin((), {}, "no-such-plugin")
    step, message = fault(await checked(served.kubeconfig(login)))
    assert step is Step.CREDENTIALS
    assert message == (
        "the plugin `no-such-plugin` cannot be run: No such file or directory: install it"
    )


async def test_a_server_of_another_ca_is_told_and_gets_no_token(served: Served) -> None:
    other = trustme.CA().cert_pem.bytes().decode()
    step, message = fault(await checked(served.kubeconfig(ca=other)))
    assert (step, message) == (
        Step.CONNECTION,
        "its certificate is not of the CA that is trusted here: give the proxy's own CA",
    )
    assert not served.asked


async def test_without_a_ca_the_system_decides_whom_to_trust(served: Served) -> None:
    assert "give the proxy's own CA" in fault(await checked(served.kubeconfig(ca=None)))[1]
    assert not served.asked


async def test_a_certificate_for_another_name_is_told(served: Served) -> None:
    step, message = fault(await checked(served.kubeconfig(host="localhost")))
    assert (step, "is not for `localhost`" in message) == (Step.CONNECTION, True)
    assert not served.asked


async def test_the_name_in_a_certificate_can_be_set(served: Served) -> None:
    document = served.kubeconfig(host="localhost")
    document["clusters"][0]["cluster"]["tls-server-name"] = "127.0.0.1"
    assert (await checked(document)).usable


async def test_a_certificate_that_has_expired_is_told() -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC)
    async for served in serving(lambda ca: ca.issue_cert("127.0.0.1", not_after=past)):
        assert "has expired" in fault(await checked(served.kubeconfig()))[1]
        assert not served.asked


async def test_where_nothing_listens_it_is_told(served: Served) -> None:
    document = served.kubeconfig()
    document["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    step, message = fault(await checked(document))
    assert (step, message.startswith("nothing listens there")) == (Step.CONNECTION, True)


async def test_a_name_that_does_not_resolve_is_told(served: Served) -> None:
    document = served.kubeconfig(host="nowhere.invalid")
    step, message = fault(await checked(document))
    assert (step, "`nowhere.invalid` does not resolve" in message) == (Step.CONNECTION, True)


async def test_what_does_not_speak_tls_is_told(served: Served) -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as plain:
        served.port = plain.sockets[0].getsockname()[1]
        step, message = fault(await checked(served.kubeconfig()))
    assert (step, "does not speak TLS" in message) == (Step.CONNECTION, True)


async def test_a_server_that_does_not_answer_is_not_waited_for(served: Served) -> None:
    async def hang(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    served.handler = hang
    step, message = fault(await checked(served.kubeconfig(), patience=IMPATIENT))
    assert (step, "no answer within 0.2 s" in message) == (Step.CONNECTION, True)


@pytest.mark.parametrize(
    "server", ["https://", "https://[::1", "https://a b", "https://x:99999999"]
)
async def test_a_server_that_is_no_place_is_told(served: Served, server: str) -> None:
    document = served.kubeconfig()
    document["clusters"][0]["cluster"]["server"] = server
    assert fault(await checked(document))[0] is Step.CONNECTION


async def test_a_redirect_is_no_answer(served: Served) -> None:
    async def redirect(request: web.Request) -> web.Response:
        if request.path == "/elsewhere":
            extra = {review.ISSUER: ["corp"]}
            info = {"userInfo": {"username": "mallory", "extra": extra}}
            return web.json_response({"status": info}, status=201)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    served.handler = redirect
    step, message = fault(await checked(served.kubeconfig()))
    assert (step, "HTTP status 307" in message) == (Step.IDENTITY, True)


@pytest.mark.parametrize(
    ("answer", "step", "told"),
    [
        (
            {"status": 401, "text": '{"kind":"Status","message":"token has expired"}'},
            Step.IDENTITY,
            "your token is refused: token has expired",
        ),
        ({"status": 200, "text": "<html>"}, Step.IDENTITY, "no HostClaim proxy"),
        ({"status": 404, "text": "404 page not found"}, Step.IDENTITY, "HTTP status 404"),
        ({"status": 200, "text": "[" * 100_000}, Step.IDENTITY, "no HostClaim proxy"),
        ({"status": 200, "text": " " * 2_000_000}, Step.CONNECTION, "more than 1048576 bytes"),
    ],
    ids=["refused", "a page", "not found", "deep", "large"],
)
async def test_an_answer_that_is_of_no_use_is_told(
    served: Served, answer: dict[str, Any], step: Step, told: str
) -> None:
    async def say(_: web.Request) -> web.Response:
        return web.Response(**answer)

    served.handler = say
    found = fault(await checked(served.kubeconfig()))
    assert (found[0], told in found[1]) == (step, True)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("certificate-authority-data", "!"),
        ("certificate-authority-data", "bm90aGluZw=="),
        ("certificate-authority", "none.crt"),
    ],
)
async def test_a_ca_that_cannot_be_read_is_told(served: Served, part: str, value: str) -> None:
    document = served.kubeconfig(ca=None)
    document["clusters"][0]["cluster"][part] = value
    step, message = fault(await checked(document))
    assert (step, message.startswith("its certificates cannot be read")) == (Step.KUBECONFIG, True)
    assert not served.asked


async def test_a_ca_may_lie_in_a_file_beside_the_kubeconfig(served: Served, tmp_path: Path) -> None:
    document = served.kubeconfig(ca=None)
    document["clusters"][0]["cluster"]["certificate-authority"] = "ca.crt"
    served.authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    assert (await checked(document, tmp_path)).usable


async def test_what_leads_nowhere_is_a_finding(served: Served) -> None:
    assert fault(await checked(served.kubeconfig(), context="red"))[0] is Step.KUBECONFIG
    assert fault(await checked("text"))[0] is Step.KUBECONFIG


async def test_no_token_is_in_what_is_found(
    served: Served, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "s3cr3t-t0k3n"
    for changes in ({}, {"certificate-authority-data": "!"}, {"server": "https://127.0.0.1:1"}):
        document = served.kubeconfig(StaticTokenLogin(secret))
        document["clusters"][0]["cluster"] |= changes
        assert secret not in repr(await checked(document, tmp_path))
    assert secret not in caplog.text


def test_a_kubeconfig_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump({"current-context": "blue"}))
    assert checkup.read(file) == {"current-context": "blue"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read: No such file or directory"),
        ("token: [s3cr3t", "is not YAML"),
        ("\x00", "is not YAML"),
        ("[" * 50_000, "is not YAML"),
        ("#" * 2_000_000, "has more than 1048576 bytes"),
    ],
)
def test_what_is_no_kubeconfig_is_told_and_not_quoted(
    tmp_path: Path, content: str | None, told: str
) -> None:
    file = tmp_path / "kubeconfig"
    if content is not None:
        file.write_text(content)
    with pytest.raises(Problem, match=told) as problem:
        checkup.read(file)
    assert "s3cr3t" not in problem.value.message
