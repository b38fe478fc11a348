"""The manifests give the proxy what it needs and nothing more."""

import pytest

from tests.deploy.rendered import (
    KUSTOMIZATIONS,
    NOBODY,
    UNPRIVILEGED,
    container,
    objects,
    of_kind,
    only,
    pod,
    ports,
)

PROXY = {"kind": "ServiceAccount", "name": "hostclaim-proxy", "namespace": "hostclaim-proxy"}
ALL_VERBS = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]
LABEL = {"app.kubernetes.io/name": "hostclaim-proxy"}


@pytest.mark.parametrize(
    ("kustomization", "kinds"),
    [
        (
            "base",
            {
                "ClusterRole": 1,
                "Deployment": 1,
                "Namespace": 1,
                "NetworkPolicy": 1,
                "PodDisruptionBudget": 1,
                "Service": 1,
                "ServiceAccount": 1,
                "ValidatingAdmissionPolicy": 3,
                "ValidatingAdmissionPolicyBinding": 3,
            },
        ),
        ("hardwaredata", {"ClusterRole": 2, "RoleBinding": 5}),
        ("namespaces", {"RoleBinding": 3}),
        (
            "refresh",
            {
                "ClusterRole": 1,
                "Deployment": 1,
                "Namespace": 1,
                "NetworkPolicy": 1,
                "PodDisruptionBudget": 1,
                "Role": 1,
                "RoleBinding": 2,
                "ServiceAccount": 1,
                "ValidatingAdmissionPolicy": 2,
                "ValidatingAdmissionPolicyBinding": 2,
            },
        ),
        (
            "example",
            {
                "ClusterRole": 1,
                "ConfigMap": 2,
                "Deployment": 1,
                "Namespace": 1,
                "NetworkPolicy": 1,
                "PodDisruptionBudget": 1,
                "RoleBinding": 3,
                "Service": 1,
                "ServiceAccount": 1,
                "ValidatingAdmissionPolicy": 3,
                "ValidatingAdmissionPolicyBinding": 3,
            },
        ),
    ],
)
def test_nothing_else_is_installed(kustomization: str, kinds: dict[str, int]) -> None:
    found = [one["kind"] for one in objects(kustomization)]
    assert {kind: found.count(kind) for kind in found} == kinds


def test_every_folder_is_rendered_here() -> None:
    assert KUSTOMIZATIONS == ("base", "example", "hardwaredata", "namespaces", "refresh")


def test_the_role_has_these_rules_and_no_other() -> None:
    assert only("ClusterRole")["rules"] == [
        {"apiGroups": ["metal3.io"], "resources": ["hostclaims"], "verbs": ALL_VERBS},
        {"apiGroups": ["metal3.io"], "resources": ["hostclaims/status"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ALL_VERBS},
    ]


def test_hardwaredata_takes_these_rules_and_no_other() -> None:
    assert {
        role["metadata"]["name"]: role["rules"] for role in of_kind("ClusterRole", "hardwaredata")
    } == {
        "hostclaim-proxy-hosts-namespace": [
            {
                "apiGroups": ["metal3.io"],
                "resources": ["hardwaredata"],
                "verbs": ["get", "list", "watch"],
            },
            {"apiGroups": ["metal3.io"], "resources": ["hostdeploypolicies"], "verbs": ["list"]},
        ],
        "hostclaim-proxy-namespace-labels": [
            {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]}
        ],
    }


def test_hardwaredata_is_bound_where_hosts_are_and_labels_where_tenants_are() -> None:
    bindings = of_kind("RoleBinding", "hardwaredata")
    assert all(each["subjects"] == [PROXY] for each in bindings)
    assert {(each["roleRef"]["name"], each["metadata"]["namespace"]) for each in bindings} == {
        *(("hostclaim-proxy-hosts-namespace", pool) for pool in ("pool-a", "pool-b")),
        *(("hostclaim-proxy-namespace-labels", name) for name in ("blue-dev", "blue-prod", "red")),
    }


def test_the_role_is_aggregated_into_no_other() -> None:
    role = only("ClusterRole")
    assert "aggregationRule" not in role
    assert not any("aggregate-to" in label for label in role["metadata"]["labels"])


def test_each_tenant_namespace_binds_the_role_to_the_proxy_alone() -> None:
    bindings = of_kind("RoleBinding")
    role = only("ClusterRole")["metadata"]["name"]
    assert {each["metadata"]["namespace"] for each in bindings} == {"blue-dev", "blue-prod", "red"}
    assert all(each["subjects"] == [PROXY] for each in bindings)
    assert {(each["roleRef"]["kind"], each["roleRef"]["name"]) for each in bindings} == {
        ("ClusterRole", role)
    }


def test_the_bound_service_account_is_the_one_that_runs() -> None:
    account = only("ServiceAccount")["metadata"]
    assert (account["name"], account["namespace"]) == (PROXY["name"], PROXY["namespace"])
    assert pod()["serviceAccountName"] == account["name"]
    assert only("Deployment")["metadata"]["namespace"] == account["namespace"]


def test_the_token_goes_to_the_pods_that_ask_for_it() -> None:
    assert only("ServiceAccount")["automountServiceAccountToken"] is False
    assert pod()["automountServiceAccountToken"] is True


@pytest.mark.parametrize("mode", ["enforce", "audit", "warn"])
def test_the_namespace_takes_restricted_pods_only(mode: str) -> None:
    labels = only("Namespace")["metadata"]["labels"]
    assert labels[f"pod-security.kubernetes.io/{mode}"] == "restricted"


def test_the_pod_is_nobody() -> None:
    assert pod()["securityContext"] == NOBODY


def test_the_container_has_no_privileges() -> None:
    assert container()["securityContext"] == UNPRIVILEGED


@pytest.mark.parametrize("field", ["hostNetwork", "hostPID", "hostIPC", "initContainers"])
def test_the_pod_asks_for_nothing_of_its_node(field: str) -> None:
    assert field not in pod()


def test_no_volume_is_of_the_node() -> None:
    assert {kind for volume in pod()["volumes"] for kind in volume if kind != "name"} == {
        "configMap",
        "secret",
    }


def test_every_mount_is_a_read_only_folder() -> None:
    assert all(
        mount["readOnly"] and "subPath" not in mount for mount in container()["volumeMounts"]
    )


def test_a_service_adds_no_variables() -> None:
    assert pod()["enableServiceLinks"] is False


def test_memory_is_bounded() -> None:
    resources = container()["resources"]
    assert set(resources["requests"]) == {"cpu", "memory"}
    assert "memory" in resources["limits"]


@pytest.mark.parametrize(
    ("probe", "path"),
    [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")],
)
def test_probes_ask_the_management_listener(probe: str, path: str) -> None:
    assert container()[probe]["httpGet"] == {"path": path, "port": "management"}


def test_an_update_takes_no_replica_away() -> None:
    spec = only("Deployment")["spec"]
    assert spec["replicas"] >= 2
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_a_drain_takes_one_replica_at_a_time() -> None:
    budget = only("PodDisruptionBudget")["spec"]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")


def test_all_selectors_mean_the_proxys_pods() -> None:
    deployment = only("Deployment")["spec"]
    assert deployment["template"]["metadata"]["labels"] == LABEL
    assert deployment["selector"]["matchLabels"] == LABEL
    assert only("Service")["spec"]["selector"] == LABEL
    assert only("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == LABEL
    assert only("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == LABEL
    (spread,) = pod()["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == LABEL


def test_the_service_leads_to_tenants_listener_alone() -> None:
    (port,) = only("Service")["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (443, "https")


def test_only_monitoring_reaches_the_management_listener() -> None:
    tenants, monitoring = only("NetworkPolicy")["spec"]["ingress"]
    assert tenants == {"ports": [{"port": ports()["https"]}]}
    assert monitoring == {
        "from": [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
        ],
        "ports": [{"port": ports()["management"]}],
    }


def test_the_proxy_reaches_dns_and_https_and_nothing_else() -> None:
    policy = only("NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    reached = {
        (port["port"], port.get("protocol", "TCP"))
        for rule in policy["egress"]
        for port in rule["ports"]
    }
    assert reached == {(53, "UDP"), (53, "TCP"), (443, "TCP"), (6443, "TCP")}
