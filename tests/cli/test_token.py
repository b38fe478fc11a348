"""`hostclaim-proxy token`, as a process of its own, against an issuer that counts."""

import asyncio
import base64
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from proxy.demo.issuer import DEMO_REALM, Client, EmbeddedIssuer, Endpoint, Outage, SigningKey
from proxy.execplugin.ways import Account, ByDeviceCode, BySecret

KEY = SigningKey.generate("ES256")
SIGNER = Client("signer", service_account=True, public_key=KEY.public_pem)
DEVICE = ("--client-id", "demo-cli", "--device-code")
SECRET = "HOSTCLAIM_PROXY_CLIENT_SECRET"


def exec_info(*, interactive: bool = True, version: str = "v1") -> dict[str, str]:
    document = {
        "apiVersion": f"client.authentication.k8s.io/{version}",
        "kind": "ExecCredential",
        "spec": {"interactive": interactive},
    }
    return {"KUBERNETES_EXEC_INFO": json.dumps(document)}


@dataclass(frozen=True)
class Run:
    """How a run ended."""

    code: int
    out: str
    err: str

    @property
    def token(self) -> str:
        assert self.code == 0, self.err
        token: str = json.loads(self.out)["status"]["token"]
        return token


@dataclass(frozen=True)
class Plugin:
    """The installed command, with a cache of its own."""

    issuer: EmbeddedIssuer
    folder: Path

    @property
    def requests(self) -> int:
        return self.issuer.requests[Endpoint.TOKEN]

    @property
    def secret_file(self) -> Path:
        file = self.folder / "secret"
        file.write_text("blue-secret\n")
        return file

    @property
    def blue(self) -> tuple[str, ...]:
        return ("--client-id", "blue-capm3", "--client-secret-file", str(self.secret_file))

    async def run(self, *arguments: str, **environ: str) -> Run:
        process = await self.start(*arguments, **environ)
        out, err = await process.communicate()
        assert process.returncode is not None
        return Run(process.returncode, out.decode(), err.decode())

    async def start(self, *arguments: str, **environ: str) -> asyncio.subprocess.Process:
        command = shutil.which("hostclaim-proxy", path=Path(sys.executable).parent)
        assert command is not None
        trust = () if "--ca-data" in arguments else ("--ca-file", str(self.issuer.ca_file))
        options = ("--issuer-url", self.issuer.url, *trust)
        clean = {k: v for k, v in os.environ.items() if k not in {SECRET, "KUBERNETES_EXEC_INFO"}}
        home = {"XDG_CACHE_HOME": str(self.folder / "cache")}
        return await asyncio.create_subprocess_exec(
            command,
            "token",
            *options,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            stdin=asyncio.subprocess.DEVNULL,
            env=clean | home | environ,
        )

    def spoil(self, account: Account, **changes: Any) -> None:
        """Change what the cache holds for an account."""
        file = self.folder / "cache" / "hostclaim-proxy" / "tokens" / f"{account.digest}.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.fixture
async def plugin(tmp_path: Path) -> AsyncIterator[Plugin]:
    realm = replace(DEMO_REALM, clients=(*DEMO_REALM.clients, SIGNER))
    issuer = EmbeddedIssuer(tmp_path, realm=realm)
    await issuer.start()
    yield Plugin(issuer, tmp_path)
    await issuer.stop()


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_a_client_gets_a_token_in_the_version_that_was_asked_for(
    plugin: Plugin, version: str
) -> None:
    run = await plugin.run(*plugin.blue, **exec_info(version=version))
    assert run.token.count(".") == 2
    assert json.loads(run.out)["apiVersion"] == f"client.authentication.k8s.io/{version}"
    assert run.err == ""


async def test_an_issuer_is_trusted_by_certificates_that_a_kubeconfig_holds(plugin: Plugin) -> None:
    ca = base64.b64encode(plugin.issuer.ca_file.read_bytes()).decode()
    assert (await plugin.run(*plugin.blue, "--ca-data", ca)).token
    other = base64.b64encode(trustme.CA().cert_pem.bytes()).decode()
    refused = await plugin.run(*plugin.blue, "--scope", "email", "--ca-data", other)
    assert (refused.code, "its certificate is not trusted" in refused.err) == (1, True)


async def test_certificates_come_from_one_place(plugin: Plugin) -> None:
    both = ("--ca-data", "bm9uZQ==", "--ca-file", str(plugin.issuer.ca_file))
    run = await plugin.run(*plugin.blue, *both)
    assert (run.code, "give one of --ca-file and --ca-data" in run.err) == (2, True)


async def test_the_token_is_kept_for_the_next_run(plugin: Plugin) -> None:
    runs = [await plugin.run(*plugin.blue) for _ in range(2)]
    assert runs[0].out == runs[1].out
    assert plugin.requests == 1


async def test_a_secret_may_come_from_the_environment(plugin: Plugin) -> None:
    run = await plugin.run("--client-id", "blue-capm3", **{SECRET: "blue-secret"})
    assert run.token


async def test_a_client_may_sign(plugin: Plugin) -> None:
    file = plugin.folder / "key.pem"
    file.write_bytes(KEY.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert (await plugin.run("--client-id", "signer", "--private-key-file", str(file))).token


async def test_twenty_at_once_with_an_expired_token_ask_once(plugin: Plugin) -> None:
    first = await plugin.run(*plugin.blue)
    plugin.spoil(blue(plugin), asked_at=1.0, renew_at=2.0, expires_at=3.0)
    runs = await asyncio.gather(*(plugin.run(*plugin.blue, **exec_info()) for _ in range(20)))
    [token] = {run.token for run in runs}
    assert token != first.token
    assert plugin.requests == 2


async def test_one_process_that_asks_again_for_a_token_it_has_gets_another_one(
    plugin: Plugin,
) -> None:
    """As client-go does after a 401; these tests are the parent of both runs."""
    first = await plugin.run(*plugin.blue, **exec_info())
    plugin.spoil(blue(plugin), asked_at=1.0)
    again = await plugin.run(*plugin.blue, **exec_info())
    assert again.token != first.token
    assert plugin.requests == 2


async def test_a_new_secret_does_not_get_the_token_of_the_old_one(plugin: Plugin) -> None:
    await plugin.run(*plugin.blue)
    run = await plugin.run("--client-id", "blue-capm3", **{SECRET: "guess-of-a-secret"})
    assert (run.code, run.out) == (1, "")
    assert "does not know the client" in run.err
    assert "guess-of-a-secret" not in run.err


async def test_a_person_logs_in_and_needs_not_do_so_again(plugin: Plugin) -> None:
    process = await plugin.start(*DEVICE, **exec_info())
    assert process.stderr is not None
    shown = await process.stderr.readuntil(b"Without it")
    code = re.search(r"code (\S+)\. ", shown.decode())
    assert code is not None
    plugin.issuer.approve(code[1], "alice")
    out, err = await process.communicate()
    first = Run(process.returncode or 0, out.decode(), err.decode()).token
    demo_cli = Account(plugin.issuer.url, "demo-cli", ByDeviceCode())
    plugin.spoil(demo_cli, asked_at=1.0, renew_at=2.0, expires_at=3.0)
    second = await plugin.run(*DEVICE, **exec_info(interactive=False))
    assert second.token != first
    assert second.err == ""
    assert plugin.issuer.requests[Endpoint.DEVICE] == 1


async def test_a_session_that_is_over_needs_a_person_again(plugin: Plugin) -> None:
    process = await plugin.start(*DEVICE, **exec_info())
    assert process.stderr is not None
    shown = (await process.stderr.readuntil(b"Without it")).decode()
    plugin.issuer.approve(shown.split("user_code=")[1].split()[0], "alice")
    await process.communicate()
    plugin.issuer.end_sessions("alice")
    demo_cli = Account(plugin.issuer.url, "demo-cli", ByDeviceCode())
    plugin.spoil(demo_cli, asked_at=1.0, renew_at=2.0, expires_at=3.0)
    run = await plugin.run(*DEVICE, **exec_info(interactive=False))
    assert (run.code, run.out) == (1, "")
    assert "a person has to log in" in run.err


async def test_a_person_who_says_no_is_told(plugin: Plugin) -> None:
    process = await plugin.start(*DEVICE, **exec_info())
    assert process.stderr is not None
    shown = (await process.stderr.readuntil(b"Without it")).decode()
    plugin.issuer.deny(shown.split("user_code=")[1].split()[0])
    out, err = await process.communicate()
    assert (process.returncode, out) == (1, b"")
    assert "the login was denied" in err.decode()


async def test_nobody_is_asked_where_nobody_is(plugin: Plugin) -> None:
    run = await plugin.run(*DEVICE, **exec_info(interactive=False))
    assert (run.code, run.out) == (1, "")
    assert "`interactive: false`" in run.err
    assert plugin.issuer.requests[Endpoint.DEVICE] == 0


async def test_an_issuer_that_is_away_is_told(plugin: Plugin) -> None:
    await plugin.issuer.pause(Outage.REFUSES_CONNECTIONS)
    run = await plugin.run(*plugin.blue)
    assert (run.code, run.out) == (1, "")
    assert run.err == "hostclaim-proxy: no token from the issuer: it cannot be reached\n"


@pytest.mark.parametrize(
    ("arguments", "environ", "why"),
    [
        ((), {}, "there is none"),
        (("--device-code",), {SECRET: "s3cret"}, f"not {SECRET} and --device-code"),
        (("--client-secret-file", "/dev/null"), {}, "--client-secret-file is empty"),
        ((), {SECRET: ""}, f"{SECRET} is empty"),
        (("--client-secret-file", "missing"), {}, "cannot be read: No such file"),
        (("--private-key-file", "/dev/null"), {}, "no private key in PEM"),
        (("--private-key-file", "/dev/zero"), {}, "more than 65536 bytes"),
        (("--client-secret-file", sys.executable), {}, "--client-secret-file"),
        (("--device-code",), exec_info(version="v1alpha1"), "apiVersion must be"),
        (("--device-code", "--issuer-url", "http://iam"), {}, "https://"),
        (("--device-code", "--cache-dir", "/"), {}, "chmod 700"),
        (("--device-code", "--ca-file", "missing"), {}, "does not exist"),
        (("--device-code", "--ca-data", ""), {}, "not certificates in PEM, in Base64"),
        (("--device-code", "--ca-data", "%"), {}, "not certificates in PEM, in Base64"),
        (("--device-code", "--ca-data", "bm9uZQ=="), {}, "not certificates in PEM, in Base64"),
        (("--client-secret", "s3cret"), {}, "No such option"),
    ],
)
async def test_options_that_cannot_be_used_are_told(
    plugin: Plugin, arguments: tuple[str, ...], environ: Mapping[str, str], why: str
) -> None:
    run = await plugin.run("--client-id", "demo-cli", *arguments, **environ)
    assert (run.code, run.out) == (2, "")
    assert why in run.err
    assert "s3cret" not in run.err
    assert plugin.requests == 0


async def test_without_a_place_to_keep_it_there_still_is_a_token(plugin: Plugin) -> None:
    (plugin.folder / "cache").write_text("in the way")
    run = await plugin.run(*plugin.blue)
    assert run.token
    assert "tokens are not cached: File exists" in run.err


async def test_a_cache_folder_that_is_relative_is_not_used(plugin: Plugin) -> None:
    home = plugin.folder / "home"
    home.mkdir()
    await plugin.run(*plugin.blue, XDG_CACHE_HOME="relative", HOME=str(home))
    assert len(list((home / ".cache" / "hostclaim-proxy" / "tokens").glob("*.json"))) == 1


async def test_what_else_lies_in_the_cache_of_this_name_may_be_for_all_to_read(
    plugin: Plugin,
) -> None:
    (plugin.folder / "cache" / "hostclaim-proxy").mkdir(parents=True, mode=0o755)
    run = await plugin.run(*plugin.blue)
    assert (run.code, run.err) == (0, "")


async def test_a_token_of_before_is_shown_without_loading_what_talks_to_a_network(
    plugin: Plugin,
) -> None:
    await plugin.run(*plugin.blue)
    run = await plugin.run(*plugin.blue, PYTHONPROFILEIMPORTTIME="1")
    assert run.token
    assert " proxy.execplugin.call\n" in run.err
    assert " aiohttp\n" not in run.err


def blue(plugin: Plugin) -> Account:
    return Account(plugin.issuer.url, "blue-capm3", BySecret("blue-secret"))
