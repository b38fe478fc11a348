"""A real apiserver takes what `hostclaim-proxy rbac` prints, and grants just that."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.cli import main
from tests.real.kubectl import Kubectl, KubectlError

PROXY = "system:serviceaccount:hostclaim-proxy:hostclaim-proxy"
POLICY = """\
apiVersion: hostclaim-proxy.metal3.io/v1alpha1
kind: AccessPolicy
metadata: {name: tenants}
spec:
  subjects: [{issuer: corp, everyone: true}]
  allow:
  - {namespaces: [rbac-viewed], role: viewer}
  - {namespaces: [rbac-edited], role: editor}
"""
NAMESPACES = ("rbac-edited", "rbac-viewed")


@pytest.fixture(scope="module")
def tenants(admin: Kubectl) -> Kubectl:
    for namespace in NAMESPACES:
        admin.run("create", "namespace", namespace)
    return admin


def written(directory: Path, output: str) -> Path:
    """What the command prints, in a file."""
    (directory / "policy.yaml").write_text(POLICY)
    arguments = ["rbac", "--policies", str(directory / "policy.yaml"), "-o", output]
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    file = directory / f"rbac.{output}"
    file.write_text(result.stdout)
    return file


@pytest.mark.parametrize("output", ["yaml", "json"])
def test_the_apiserver_takes_it(tenants: Kubectl, tmp_path: Path, output: str) -> None:
    file = str(written(tmp_path, output))
    taken = tenants.run("apply", "--dry-run=server", "--validate=strict", "-f", file)
    assert taken.count("(server dry run)") == 2 * len(NAMESPACES)


@pytest.fixture(scope="module")
def bound(tenants: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    tenants.run("apply", "-f", str(written(tmp_path_factory.mktemp("rbac"), "yaml")))
    return tenants


@pytest.mark.parametrize(
    ("verb", "resource", "namespace", "expected"),
    [
        ("list", "hostclaims.metal3.io", "rbac-viewed", True),
        ("get", "hostclaims.metal3.io --subresource=status", "rbac-viewed", True),
        ("create", "hostclaims.metal3.io", "rbac-viewed", False),
        ("get", "secrets", "rbac-viewed", False),
        ("create", "hostclaims.metal3.io", "rbac-edited", True),
        ("update", "hostclaims.metal3.io --subresource=status", "rbac-edited", False),
        ("patch", "secrets", "rbac-edited", True),
        ("deletecollection", "secrets", "rbac-edited", False),
        ("get", "configmaps", "rbac-edited", False),
        ("list", "hostclaims.metal3.io", "default", False),
    ],
)
def test_the_account_may_what_was_printed(
    bound: Kubectl, verb: str, resource: str, namespace: str, *, expected: bool
) -> None:
    asked = ("auth", "can-i", verb, *resource.split(), "-n", namespace, f"--as={PROXY}")
    try:
        allowed = bound.run(*asked).strip() == "yes"
    except KubectlError:  # which is how kubectl says no
        allowed = False
    assert allowed is expected
