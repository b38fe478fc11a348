"""The example's configuration can be used, and agrees with the pod that uses it."""

from pathlib import Path, PurePosixPath

import pytest
import yaml

from proxy import settings
from proxy.core.attributes import Verb
from proxy.core.policy import Effect
from proxy.edge import policyfiles
from proxy.settings import Settings
from tests.deploy.rendered import container, of_kind, pod, ports
from tests.identities import make_identity

CONFIG = "hostclaim-proxy-config"
POLICIES = "hostclaim-proxy-policies"


def folders() -> dict[str, str]:
    """Where each volume is mounted."""
    return {mount["name"]: mount["mountPath"] for mount in container()["volumeMounts"]}


def data(prefix: str) -> dict[str, str]:
    (found,) = (
        one["data"] for one in of_kind("ConfigMap") if one["metadata"]["name"].startswith(prefix)
    )
    return dict(found)


def write(files: dict[str, str], folder: Path) -> Path:
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def loaded(tmp_path: Path) -> Settings:
    return settings.load(write(data(CONFIG), tmp_path) / "proxy.yaml", {})


def test_the_pod_starts_with_the_mounted_file() -> None:
    assert container()["args"] == ["serve", "--config", f"{folders()['config']}/proxy.yaml"]
    assert set(data(CONFIG)) == {"proxy.yaml"}


def test_the_certificate_is_where_its_secret_is_mounted(loaded: Settings) -> None:
    tls = PurePosixPath(folders()["tls"])
    # The keys of a `kubernetes.io/tls` secret.
    assert loaded.server.cert_file == Path(tls / "tls.crt")
    assert loaded.server.key_file == Path(tls / "tls.key")


def test_the_policies_are_where_they_are_mounted(loaded: Settings) -> None:
    assert loaded.policies is not None
    assert loaded.policies.paths == (Path(folders()["policies"]),)


def test_it_listens_where_it_is_looked_for(loaded: Settings) -> None:
    assert ports() == {
        "https": loaded.server.address.port,
        "management": loaded.management.address.port,
    }


def test_the_kubelet_reaches_the_management_listener(loaded: Settings) -> None:
    assert loaded.management.address.host == "0.0.0.0"


def test_it_uses_its_own_service_account(loaded: Settings) -> None:
    assert loaded.cluster.in_cluster


def test_it_may_drain_before_it_is_killed(loaded: Settings) -> None:
    shutdown = loaded.shutdown
    assert pod()["terminationGracePeriodSeconds"] > shutdown.delay_seconds + shutdown.grace_seconds


def test_readiness_waits_for_the_apiserver(loaded: Settings) -> None:
    assert container()["readinessProbe"]["timeoutSeconds"] > loaded.cluster.connect_seconds


def test_a_change_of_configuration_rolls_the_pods_and_one_of_policies_does_not() -> None:
    mounted = {
        volume["name"]: volume["configMap"]["name"]
        for volume in pod()["volumes"]
        if "configMap" in volume
    }
    assert mounted["policies"] == POLICIES
    assert mounted["config"].removeprefix(f"{CONFIG}-").isalnum()
    assert set(mounted.values()) == {one["metadata"]["name"] for one in of_kind("ConfigMap")}


@pytest.mark.parametrize(
    ("group", "namespaces", "secrets_too"),
    [
        ("blue", ("blue-dev", "blue-prod"), True),
        ("red", ("red",), True),
        ("auditors", ("blue-dev", "blue-prod", "red"), False),
        ("nobody", (), False),
    ],
)
def test_the_policies_grant_what_the_role_bindings_allow(
    tmp_path: Path, group: str, namespaces: tuple[str, ...], *, secrets_too: bool
) -> None:
    policies = policyfiles.load([write(data(POLICIES), tmp_path)])
    rules = policies.rules_for(make_identity(issuer="corp", groups=(group,)))
    assert rules.namespaces() == namespaces
    assert set(namespaces) <= {one["metadata"]["namespace"] for one in of_kind("RoleBinding")}
    for namespace in namespaces:
        secret = rules.matching(Effect.ALLOW, "secrets", Verb.GET, namespace)
        assert (secret is not None) == secrets_too


def test_the_policies_speak_of_issuers_that_are_trusted(loaded: Settings) -> None:
    trusted = {issuer.name for issuer in loaded.issuers}
    policies = [yaml.safe_load(text) for text in data(POLICIES).values()]
    subjects = [subject for policy in policies for subject in policy["spec"]["subjects"]]
    assert {subject["issuer"] for subject in subjects} == trusted
