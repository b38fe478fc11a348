"""`hostclaim-proxy serve`, where it says what is wrong and ends."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from proxy import __version__
from proxy.cli import main
from tests.edge.certificates import Authority
from tests.test_settings import ISSUER, LEAST

CERTIFIED = {"certFile": "tls.crt", "keyFile": "tls.key"}
POLICY = """\
apiVersion: hostclaim-proxy.metal3.io/v1alpha1
kind: AccessPolicy
metadata: {name: blue}
spec:
  subjects:
  - {issuer: corp, group: blue}
  allow:
  - {namespaces: [blue], role: editor}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Everything that it needs but a cluster, its kubeconfig included."""
    Authority(tmp_path).issue()
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "blue.yaml").write_text(POLICY)
    cluster = {"server": "https://127.0.0.1:1"}
    (tmp_path / "kubeconfig").write_text(
        yaml.safe_dump(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": cluster}],
                "users": [{"name": "u", "user": {"token": "t"}}],
            }
        )
    )
    return tmp_path


def serve(folder: Path, **changes: object) -> Result:
    tree = LEAST | {
        "server": CERTIFIED | {"address": "127.0.0.1:0"},
        "management": {"address": "127.0.0.1:0"},
        "cluster": {"kubeconfig": "kubeconfig"},
        "audit": {"file": "audit.jsonl"},
    }
    (folder / "proxy.yaml").write_text(yaml.safe_dump(tree | changes))
    return CliRunner().invoke(main, ["serve", "--config", str(folder / "proxy.yaml")])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"kind": "Config"}, "proxy.yaml: kind: "),
        ({"audit": {"level": "All"}}, "proxy.yaml: audit.level: unknown field"),
        (
            {"server": {"certFile": "none", "keyFile": "tls.key"}},
            "server.certFile, server.keyFile: ",
        ),
        ({"server": {"certFile": "tls.crt", "keyFile": "kubeconfig"}}, "server.keyFile: "),
        ({"audit": {"file": "none/audit.jsonl"}}, "audit.file: "),
        ({"audit": {"file": "policies"}}, "audit.file: "),
        ({"policies": {"paths": ["none"]}}, "none"),
        ({"cluster": {"kubeconfig": "none"}}, "cluster: "),
        ({"cluster": {"kubeconfig": "tls.crt"}}, "cluster: "),
        ({"cluster": {"kubeconfig": "kubeconfig", "context": "none"}}, "cluster: "),
        ({"cluster": {"inCluster": True}}, "cluster: "),
        ({"issuers": [ISSUER, ISSUER]}, "issuers: "),
        ({"issuers": [{**ISSUER, "url": "http://iam"}]}, "issuers: issuer `corp`"),
        ({"issuers": [{**ISSUER, "algorithms": ["HS256"]}]}, "issuers: issuer `corp`"),
        ({"issuers": [{**ISSUER, "name": "system"}]}, "issuers: "),
        ({"server": CERTIFIED | {"address": "192.0.2.1:1"}}, "server.address: "),
        ({"management": {"address": "192.0.2.1:1"}}, "management.address: "),
    ],
)
def test_what_cannot_be_used_ends_it_with_2_and_the_field(
    folder: Path, changes: dict[str, object], told: str
) -> None:
    ended = serve(folder, **changes)
    assert ended.exit_code == 2, ended.exception
    assert ended.stderr.startswith("hostclaim-proxy: ")
    assert told in ended.stderr


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ("a: [", "blue.yaml:"),
        (POLICY.replace("editor", "king"), "blue.yaml:8"),
        (POLICY + "  typo: 1\n", "blue.yaml:9"),
        (POLICY + "---\n" + POLICY, "blue.yaml:"),
        ("", "policies"),
    ],
    ids=["no YAML", "no such role", "an unknown field", "a name twice", "nothing"],
)
def test_a_policy_that_cannot_be_used_ends_it_with_2_file_and_line(
    folder: Path, policy: str, told: str
) -> None:
    (folder / "policies" / "blue.yaml").write_text(policy)
    ended = serve(folder)
    assert ended.exit_code == 2, ended.exception
    assert told in ended.stderr


def test_no_policies_at_all_end_it_with_2(folder: Path) -> None:
    (folder / "policies" / "blue.yaml").unlink()
    ended = serve(folder)
    assert ended.exit_code == 2
    assert "policies" in ended.stderr


@pytest.mark.parametrize(
    "arguments", [["serve"], ["serve", "--config"], ["serve", "--log-level", "all"], ["reign"]]
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(main, arguments).exit_code == 2


def test_help_says_how_to_begin() -> None:
    shown = CliRunner().invoke(main, ["--help"]).output
    assert "hostclaim-proxy serve --config" in shown
    assert "Exit codes" in CliRunner().invoke(main, ["serve", "--help"]).output


def test_the_version_is_shown() -> None:
    assert __version__ in CliRunner().invoke(main, ["--version"]).output
