"""What can be set for an issuer, by its kind."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy import settings
from proxy.settings import IssuerSettings, SettingsError

BASE: dict[str, Any] = {
    "apiVersion": settings.API_VERSION,
    "kind": settings.KIND,
    "server": {"certFile": "tls.crt", "keyFile": "tls.key"},
    "cluster": {"inCluster": True},
    "policies": {"paths": ["policies"]},
}


def load(folder: Path, **issuer: Any) -> IssuerSettings:
    """The settings of one issuer, as the file of the proxy holds them."""
    usual = {"name": "green-cluster", "url": "https://green", "audiences": ["hostclaim-proxy"]}
    path = folder / "proxy.yaml"
    path.write_text(yaml.safe_dump({**BASE, "issuers": [usual | issuer]}))
    [loaded] = settings.load(path, {}).issuers
    return loaded


def test_an_issuer_is_an_oidc_provider_unless_set(tmp_path: Path) -> None:
    assert load(tmp_path).kind == "oidc"
    assert load(tmp_path, kind="oidc", claims={"username": "email"}).claims.username == "email"


def test_a_cluster_is_an_issuer_by_its_kind(tmp_path: Path) -> None:
    set_up = {"discoveryUrl": "https://10.0.0.1/d", "jwksUrl": "https://10.0.0.1/k"}
    cluster = load(tmp_path, kind="kubernetes", caFile="green.crt", **set_up)
    assert (cluster.kind, cluster.discovery_url) == ("kubernetes", "https://10.0.0.1/d")
    assert (cluster.jwks_url, cluster.ca_file) == ("https://10.0.0.1/k", tmp_path / "green.crt")


@pytest.mark.parametrize("kind", ["oidc", "kubernetes"])
def test_keys_may_lie_in_a_file_beside_the_settings(tmp_path: Path, kind: str) -> None:
    assert load(tmp_path, kind=kind).jwks_file is None
    assert load(tmp_path, kind=kind, jwksFile="green.jwks").jwks_file == tmp_path / "green.jwks"


@pytest.mark.parametrize("field", ["discoveryUrl", "jwksUrl"])
def test_keys_are_had_in_one_way(tmp_path: Path, field: str) -> None:
    both = {"jwksFile": "green.jwks", field: "https://green/x"}
    with pytest.raises(SettingsError, match=r"issuers\[0\]\.jwksFile: stands for discoveryUrl"):
        load(tmp_path, **both)


@pytest.mark.parametrize("kind", ["Kubernetes", "", "k8s", None, ["kubernetes"]])
def test_another_kind_is_an_error(tmp_path: Path, kind: object) -> None:
    with pytest.raises(SettingsError, match=r"issuers\[0\]\.kind: "):
        load(tmp_path, kind=kind)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("claims", {"username": "sub"}),
        ("claims", {}),
        ("authorizedParties", ["kubectl"]),
        ("authorizedParties", []),
    ],
)
def test_what_means_nothing_for_a_cluster_is_an_error(
    tmp_path: Path, field: str, value: object
) -> None:
    with pytest.raises(SettingsError, match=rf"issuers\[0\]\.{field}: is for kind `oidc`"):
        load(tmp_path, kind="kubernetes", **{field: value})


ASKED: dict[str, Any] = {"clientId": "hostclaim-proxy", "clientSecretFile": "secret"}


def test_an_issuer_is_not_asked_unless_set(tmp_path: Path) -> None:
    assert (load(tmp_path).verify, load(tmp_path).introspection) == ("jwt", None)


@pytest.mark.parametrize("verify", ["introspection", "both"])
def test_an_issuer_that_is_asked_fails_closed_unless_set(tmp_path: Path, verify: str) -> None:
    asked = load(tmp_path, verify=verify, introspection=ASKED).introspection
    assert asked is not None
    assert asked.client_secret_file == tmp_path / "secret"
    assert (asked.cache_seconds, asked.grace_seconds, asked.timeout_seconds) == (30, 0, 5)


@pytest.mark.parametrize(
    ("issuer", "told"),
    [
        ({"verify": "both"}, "need each other"),
        ({"verify": "introspection"}, "need each other"),
        ({"introspection": ASKED}, "need each other"),
        ({"verify": "jwt", "introspection": ASKED}, "need each other"),
        ({"verify": "userinfo", "introspection": ASKED}, r"\.verify: "),
        ({"verify": "both", "introspection": {"clientId": "x"}}, "clientSecretFile: is required"),
        ({"verify": "both", "introspection": ASKED | {"clientId": ""}}, r"\.clientId: "),
        ({"verify": "both", "introspection": ASKED | {"clientSecret": "x"}}, "unknown field"),
        ({"verify": "both", "introspection": ASKED | {"graceSeconds": -1}}, r"\.graceSeconds: "),
        ({"verify": "both", "introspection": ASKED | {"cacheSeconds": 0}}, r"\.cacheSeconds: "),
        (
            {"verify": "both", "introspection": ASKED | {"cacheSeconds": 19}},
            "`timeoutSeconds` must be at most a quarter of `cacheSeconds`",
        ),
        (
            {"verify": "both", "introspection": ASKED, "jwksFile": "keys.json"},
            "needs the `url` where to ask",
        ),
        ({"kind": "kubernetes", "introspection": ASKED}, "is for kind `oidc`"),
    ],
)
def test_a_way_to_ask_that_would_not_be_used_as_it_reads_is_an_error(
    tmp_path: Path, issuer: dict[str, Any], told: str
) -> None:
    with pytest.raises(SettingsError, match=told):
        load(tmp_path, **issuer)


def test_an_issuer_whose_keys_are_in_a_file_can_be_asked_where_its_url_says(
    tmp_path: Path,
) -> None:
    asked = ASKED | {"url": "https://iam/introspect"}
    loaded = load(tmp_path, verify="both", introspection=asked, jwksFile="keys.json")
    assert loaded.introspection is not None
