"""The manifests of the refresher give it what it needs and nothing more."""

from typing import Any

import click
import pytest

from proxy.cli.refresh import _config, refresh
from proxy.refresher.config import Config
from tests.deploy.rendered import NOBODY, UNPRIVILEGED, of_kind

HOME = "hostclaim-proxy-refresh"
ACCOUNT = {"kind": "ServiceAccount", "name": HOME, "namespace": HOME}
LABEL = {"app.kubernetes.io/name": HOME}
USER = f"system:serviceaccount:{HOME}:{HOME}"


def only(kind: str) -> dict[str, Any]:
    (found,) = of_kind(kind, "refresh")
    return found


def pod() -> Any:
    return only("Deployment")["spec"]["template"]["spec"]


def container() -> Any:
    (found,) = pod()["containers"]
    return found


@pytest.fixture
def config() -> Config:
    """What the command makes of the container's arguments."""
    name, *arguments = container()["args"]
    assert name == "refresh"
    with refresh.make_context(name, list(arguments)) as context:
        assert isinstance(context, click.Context)
        parameters = dict(context.params)
    del parameters["log_level"]
    return _config(parameters.pop("lease"), parameters.pop("management"), parameters)


def bindings() -> dict[str, Any]:
    return {each["roleRef"]["name"]: each for each in of_kind("RoleBinding", "refresh")}


def test_the_arguments_can_be_used_in_a_pod(config: Config) -> None:
    assert config.kubeconfig is None
    assert config.host == "0.0.0.0"
    assert {"name": "management", "containerPort": config.port} in container()["ports"]


def test_in_a_namespace_it_reads_secrets_and_patches_them_and_makes_none() -> None:
    assert only("ClusterRole")["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch", "patch"]}
    ]


def test_nothing_is_bound_in_the_whole_cluster() -> None:
    assert not of_kind("ClusterRoleBinding", "refresh")


def test_each_namespace_of_the_arguments_is_bound(config: Config) -> None:
    bound = bindings()[only("ClusterRole")["metadata"]["name"]]
    assert (bound["metadata"]["namespace"],) == config.namespaces
    assert bound["subjects"] == [ACCOUNT]


def test_it_has_the_lease_of_the_arguments_and_no_other(config: Config) -> None:
    namespace, name = config.lease
    leases = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    assert only("Role")["rules"] == [
        {**leases, "resourceNames": [name], "verbs": ["get", "update"]},
        {**leases, "verbs": ["create"]},
    ]
    bound = bindings()[only("Role")["metadata"]["name"]]
    assert bound["subjects"] == [ACCOUNT]
    assert bound["metadata"]["namespace"] == only("Role")["metadata"]["namespace"] == namespace


def test_the_bound_service_account_is_the_one_that_runs() -> None:
    account = only("ServiceAccount")
    assert account["metadata"]["name"] == pod()["serviceAccountName"] == HOME
    assert account["metadata"]["namespace"] == only("Deployment")["metadata"]["namespace"] == HOME
    assert account["automountServiceAccountToken"] is False
    assert pod()["automountServiceAccountToken"] is True


def test_the_policies_are_about_that_account_and_deny() -> None:
    policies = of_kind("ValidatingAdmissionPolicy", "refresh")
    assert all(
        USER in condition["expression"]
        for policy in policies
        for condition in policy["spec"]["matchConditions"]
    )
    assert all(policy["spec"]["failurePolicy"] == "Fail" for policy in policies)
    bound = of_kind("ValidatingAdmissionPolicyBinding", "refresh")
    assert {each["spec"]["policyName"] for each in bound} == {
        policy["metadata"]["name"] for policy in policies
    }
    assert all(each["spec"]["validationActions"] == ["Deny", "Audit"] for each in bound)


@pytest.mark.parametrize("mode", ["enforce", "audit", "warn"])
def test_its_namespace_takes_restricted_pods_only(mode: str) -> None:
    labels = only("Namespace")["metadata"]["labels"]
    assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"


def test_the_pod_is_nobody_without_privileges_or_volumes() -> None:
    assert pod()["securityContext"] == NOBODY
    assert container()["securityContext"] == UNPRIVILEGED
    assert not {"volumes", "hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod())
    assert "memory" in container()["resources"]["limits"]


@pytest.mark.parametrize(
    ("probe", "path"),
    [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")],
)
def test_probes_ask_the_management_listener(probe: str, path: str) -> None:
    assert container()[probe]["httpGet"] == {"path": path, "port": "management"}


def test_there_is_a_second_replica_to_take_over() -> None:
    spec = only("Deployment")["spec"]
    assert spec["replicas"] == 2
    assert only("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_it_has_time_to_give_the_lease_up(config: Config) -> None:
    assert pod()["terminationGracePeriodSeconds"] > config.lease_seconds


def test_all_selectors_mean_its_pods() -> None:
    deployment = only("Deployment")["spec"]
    assert deployment["template"]["metadata"]["labels"] == LABEL
    assert deployment["selector"]["matchLabels"] == LABEL
    assert only("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == LABEL
    assert only("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == LABEL
    (spread,) = pod()["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == LABEL


def test_only_monitoring_reaches_it_and_it_reaches_dns_and_https(config: Config) -> None:
    policy = only("NetworkPolicy")["spec"]
    (monitoring,) = policy["ingress"]
    assert monitoring["ports"] == [{"port": config.port}]
    reached = {
        (port["port"], port.get("protocol", "TCP"))
        for rule in policy["egress"]
        for port in rule["ports"]
    }
    assert reached == {(53, "UDP"), (53, "TCP"), (443, "TCP"), (6443, "TCP")}
