"""YAML that says the same to every reader."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from proxy.cli import main, yamltext

# What Go's YAML, and so kubectl and client-go, takes for a number or a truth value.
OTHERS_TO_GO = ["1e3", "12e04", "08", "0o17", "y", "n", "Y", "N", "+1e3", "1.e5"]


@pytest.mark.parametrize("text", [*OTHERS_TO_GO, "on", "1_000", "0x1f", "null", "1:30", "~"])
def test_a_text_that_looks_like_something_else_is_quoted(text: str) -> None:
    assert yamltext.dump({"name": text}) == f"name: '{text}'\n"


@pytest.mark.parametrize("text", ["blue-dev", "blue-1e3", "/tenants/blue", "yes-no", "https://a:1"])
def test_a_text_that_looks_like_one_is_left_plain(text: str) -> None:
    assert yamltext.dump([text]) == f"- {text}\n"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.lists(VALUES))
def test_what_is_printed_is_read_as_it_was(documents: list[Any]) -> None:
    assert [*yaml.safe_load_all(yamltext.dump(*documents, explicit_start=True))] == documents


def test_a_namespace_may_look_like_a_number_in_all_that_is_printed(tmp_path: Path) -> None:
    made = CliRunner().invoke(
        main,
        [
            *("kubeconfig", "--server=https://proxy.example.com", "--token-file=/token"),
            *("--namespace=1e3", "--name=y"),
        ],
    )
    assert "namespace: '1e3'\n" in made.stdout
    assert "current-context: 'y'\n" in made.stdout
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "apiVersion: hostclaim-proxy.metal3.io/v1alpha1\nkind: AccessPolicy\n"
        "metadata: {name: '08'}\nspec:\n  subjects: [{issuer: corp, group: /blue}]\n"
        "  allow: [{namespaces: ['08'], role: viewer}]\n"
    )
    rbac = CliRunner().invoke(main, ["rbac", f"--policies={policy}"])
    assert "namespace: '08'\n" in rbac.stdout
