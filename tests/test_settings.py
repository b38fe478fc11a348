"""How it is set up: every fault names its field, and nothing has to be guessed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy import settings
from proxy.settings import Address, Settings, SettingsError

ISSUER: dict[str, Any] = {
    "name": "corp",
    "url": "https://iam.example.com/realms/metal3",
    "audiences": ["hostclaim-proxy"],
}
LEAST: dict[str, Any] = {
    "apiVersion": "hostclaim-proxy.metal3.io/v1alpha1",
    "kind": "ProxyConfiguration",
    "server": {"certFile": "tls.crt", "keyFile": "tls.key"},
    "cluster": {"inCluster": True},
    "issuers": [ISSUER],
    "policies": {"paths": ["policies"]},
}


def load(folder: Path, changes: Mapping[str, Any] | None = None, **environ: str) -> Settings:
    """Load the least that is enough, with values at dotted paths set, or left out by None."""
    tree = yaml.safe_load(yaml.safe_dump(LEAST))
    for path, value in (changes or {}).items():
        *sections, field = path.split(".")
        parent = tree
        for section in sections:
            parent = parent[int(section)] if section.isdigit() else parent.setdefault(section, {})
        if value is None:
            del parent[field]
        else:
            parent[field] = value
    file = folder / "proxy.yaml"
    file.write_text(yaml.safe_dump(tree))
    return settings.load(file, environ)


def test_the_least_that_is_enough(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    assert loaded.server.address == Address(host="0.0.0.0", port=8443)
    assert loaded.management.address == Address(host="127.0.0.1", port=8081)
    assert loaded.audit.file is None
    assert loaded.server.workers == 1


def test_relative_paths_count_from_the_file(tmp_path: Path) -> None:
    loaded = load(tmp_path, {"server.keyFile": "/etc/key", "cluster": {"kubeconfig": "k"}})
    assert loaded.server.cert_file == tmp_path / "tls.crt"
    assert loaded.server.key_file == Path("/etc/key")
    assert loaded.cluster.kubeconfig == tmp_path / "k"
    assert loaded.policies is not None
    assert loaded.policies.paths == (tmp_path / "policies",)


@pytest.mark.parametrize(
    "field",
    [
        "apiVersion",
        "kind",
        "server",
        "server.certFile",
        "server.keyFile",
        "cluster",
        "issuers",
        "issuers.0.name",
        "issuers.0.url",
        "issuers.0.audiences",
        "policies",
        "policies.paths",
    ],
)
def test_what_safety_rests_on_has_no_default(tmp_path: Path, field: str) -> None:
    said = field.replace(".0.", r"\[0\]\.")
    with pytest.raises(SettingsError, match=f"{said}: is required"):
        load(tmp_path, {field: None})


@pytest.mark.parametrize(
    "field",
    [
        "extra",
        "server.tls",
        "server.cert_File",
        "management.port",
        "cluster.insecureSkipTlsVerify",
        "issuers.0.audience",
        "issuers.0.claims.group",
        "policies.path",
        "audit.level",
        "shutdown.grace",
    ],
)
def test_a_field_that_nobody_reads_is_an_error(tmp_path: Path, field: str) -> None:
    said = field.replace(".0.", r"\[0\]\.")
    with pytest.raises(SettingsError, match=f"{said}: unknown field"):
        load(tmp_path, {field: "x"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("apiVersion", "hostclaim-proxy.metal3.io/v1"),
        ("kind", "Config"),
        ("issuers", []),
        ("issuers.0.audiences", []),
        ("policies.paths", []),
        ("server.address", "8443"),
        ("server.address", ":8443"),
        ("server.address", "127.0.0.1:https"),
        ("server.address", "127.0.0.1:65536"),
        ("server.address", "127.0.0.1:٣"),
        ("server.workers", 0),
        ("server.workers", 65),
        ("server.workers", 1.5),
        ("server.workers", "all"),
        ("server.maxConnections", 0),
        ("server.idleSeconds", 0),
        ("server.bodySeconds", -1),
        ("server.bodySeconds", ".inf"),
        ("server.stallSeconds", 0),
        ("cluster.answerSeconds", "soon"),
        ("issuers.0.maxTokenLifetimeSeconds", 10**12),
        ("policies.pollSeconds", 0),
        ("shutdown.graceSeconds", 0),
        ("shutdown.delaySeconds", -1),
    ],
)
def test_a_value_that_cannot_be_meant_is_an_error(
    tmp_path: Path, field: str, value: object
) -> None:
    said = field.replace(".0.", r"\[0\]\.")
    with pytest.raises(SettingsError, match=rf"proxy\.yaml: {said}(\.port)?: "):
        load(tmp_path, {field: value})


@pytest.mark.parametrize(
    "cluster",
    [
        {},
        {"inCluster": False},
        {"inCluster": True, "kubeconfig": "k"},
        {"inCluster": True, "context": "c"},
    ],
)
def test_there_is_one_way_into_the_cluster(tmp_path: Path, cluster: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="cluster: "):
        load(tmp_path, {"cluster": cluster})


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as told:
        load(tmp_path, {"kind": "x", "server.certFile": None, "typo": 1})
    assert [line.split(": ")[1] for line in str(told.value).splitlines()] == [
        "kind",
        "server.certFile",
        "typo",
    ]


@pytest.mark.parametrize("text", ["[::1]:8443", "::1:8443"])
def test_an_address_may_be_of_version_6(tmp_path: Path, text: str) -> None:
    loaded = load(tmp_path, {"server.address": text})
    assert loaded.server.address == Address(host="::1", port=8443)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "must hold"),
        ("- a", "must hold"),
        ("a: [", "is not YAML"),
        ("a: b\na: c", "`a` is given twice"),
        ("server: {certFile: a, certFile: b}", "`certFile` is given twice"),
        ("a: !!python/object/apply:os.getpid []", "is not YAML"),
        ("a: 1\n---\nb: 2", "is not YAML"),
        ("\xff", "is not YAML"),
        ("? [a]\n: b", "proxy.yaml: "),
        ("[" * 5000, "is not YAML"),
    ],
)
def test_a_file_that_is_no_settings_is_an_error(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "proxy.yaml"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError, match=told):
        settings.load(file, {})


def test_a_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        settings.load(tmp_path / "proxy.yaml", {})


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        {"server.maxRequests": 7},
        HOSTCLAIM_PROXY__SERVER__ADDRESS="127.0.0.1:9443",
        HOSTCLAIM_PROXY__SERVER__MAX_REQUESTS="8",
        HOSTCLAIM_PROXY__SERVER__WORKERS="4",
        HOSTCLAIM_PROXY__SHUTDOWN__GRACE_SECONDS="5",
        HOSTCLAIM_PROXY__CLUSTER__IN_CLUSTER="true",
        HOSTCLAIM_PROXY_SERVICE_HOST="10.0.0.1",
    )
    assert loaded.server.address == Address(host="127.0.0.1", port=9443)
    assert (loaded.server.max_requests, loaded.shutdown.grace_seconds) == (8, 5)
    assert loaded.server.workers == 4


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("HOSTCLAIM_PROXY__SERVER__ADRESS", r"server\.adress: unknown field"),
        ("HOSTCLAIM_PROXY__KIND__X", "`kind` cannot be set from the environment"),
        ("HOSTCLAIM_PROXY__ISSUERS__0__URL", "`issuers` cannot be set from the environment"),
        ("HOSTCLAIM_PROXY__", "unknown field"),
    ],
)
def test_a_misspelt_variable_is_an_error(tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        load(tmp_path, None, **{name: "x"})


def test_settings_do_not_change(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    with pytest.raises(ValueError, match="frozen"):
        loaded.server.max_requests = 1  # type: ignore[misc] # it is frozen, as mypy knows


def test_a_listener_for_issuers_of_whom_none_sends_anything_is_an_error(tmp_path: Path) -> None:
    cluster = ISSUER | {"name": "green", "url": "https://green", "kind": "kubernetes"}
    listener = {"backChannel": {"address": "127.0.0.1:0"}}
    with pytest.raises(SettingsError, match="`backChannel` needs an issuer of kind `oidc`"):
        load(tmp_path, {"issuers": [cluster], **listener})
    assert load(tmp_path, {"issuers": [cluster, ISSUER], **listener}).back_channel is not None
