"""Policy files and a configuration for the commands to read, and the commands to run."""

from pathlib import Path

from click.testing import CliRunner, Result

from proxy.cli import main

HEAD = "apiVersion: hostclaim-proxy.metal3.io/v1alpha1\nkind: AccessPolicy\n"
BLUE = """\
metadata: {name: blue}
spec:
  subjects:
  - {issuer: corp, group: /tenants/blue}
  - {issuer: corp, client: capm3-blue}
  allow:
  - {namespaces: [blue-dev, blue-prod], role: editor}
  - {namespaces: [blue-ci-*], role: editor, bounds: {maxHostClaims: 2}}
"""
RED = """\
metadata: {name: red}
spec:
  subjects: [{issuer: corp, group: /tenants/red}]
  allow:
  - {namespaces: [red], role: editor}
"""
FREEZE = """\
metadata: {name: freeze}
spec:
  subjects: [{issuer: corp, group: /interns}]
  deny:
  - {namespaces: ["blue-*"], resources: [hostclaims], verbs: [delete]}
"""
GREEN = """\
metadata: {name: green}
spec:
  subjects: [{issuer: green-cluster, serviceAccount: capm3/manager}]
  allow:
  - {namespaces: [green], role: editor}
"""
CONFIG = """\
apiVersion: hostclaim-proxy.metal3.io/v1alpha1
kind: ProxyConfiguration
server: {address: "127.0.0.1:8443", certFile: tls.crt, keyFile: tls.key}
management: {address: "127.0.0.1:8081"}
cluster: {inCluster: true}
issuers:
- name: corp
  url: https://iam.example.com/realms/corp
  audiences: [hostclaim-proxy]
  claims: {username: preferred_username, groups: roles, client: azp}
- name: green-cluster
  kind: kubernetes
  url: https://kubernetes.green.example.com
  audiences: [hostclaim-proxy]
policies: {paths: [POLICIES]}
entitlements:
  combine: any
  claims:
  - {issuer: corp, claim: roles, pattern: "/tenants/{namespace}/{role}"}
  permissions:
  - {issuer: corp, clientId: hostclaim-proxy}
"""


def written(folder: Path, *documents: str) -> Path:
    """A folder with a file for each of the documents, which begin in line 3."""
    policies = folder / "policies"
    policies.mkdir()
    for document in documents or (BLUE, RED, FREEZE, GREEN):
        name = document.partition("name: ")[2].partition("}")[0]
        (policies / f"{name}.yaml").write_text(HEAD + document)
    return policies


def configured(folder: Path, policies: Path) -> Path:
    config = folder / "proxy.yaml"
    config.write_text(CONFIG.replace("POLICIES", str(policies)))
    return config


def run(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["policy", *map(str, arguments)], input=stdin)
