"""`hostclaim-proxy policy matrix` shows who may what where, and nobody's name does anything."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from tests.cli.policy.files import BLUE, FREEZE, configured, run, written

WIDE = """\
metadata: {name: wide}
spec:
  subjects: [{issuer: corp, group: /wide}]
  allow:
  - {namespaces: [NAMES], role: viewer}
"""


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    return written(tmp_path)


def matrix(policies: Path, *arguments: object) -> Result:
    return run("matrix", *arguments, "--policies", policies)


def test_a_small_matrix_is_a_grid(tmp_path: Path) -> None:
    result = matrix(written(tmp_path, BLUE))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "                           blue-ci-*    blue-dev   blue-prod",
        "corp group /tenants/blue   editor [1]   editor     editor",
        "corp client capm3-blue     editor [1]   editor     editor",
        "",
        "[1] at most 2 claims in the namespace",
    ]


def test_a_wide_matrix_has_a_line_for_each_cell(tmp_path: Path) -> None:
    names = ", ".join(f"namespace-number-{n}" for n in range(10))
    result = matrix(written(tmp_path, WIDE.replace("NAMES", names)))
    head, first, *_ = result.stdout.splitlines()
    assert head.split() == ["WHO", "NAMESPACE", "MAY"]
    assert first == "corp group /wide   namespace-number-0   viewer"


def test_thousands_of_rows_are_as_many_lines(tmp_path: Path) -> None:
    many = "".join(
        "---\n"
        "apiVersion: hostclaim-proxy.metal3.io/v1alpha1\nkind: AccessPolicy\n"
        f"metadata: {{name: t{n}}}\n"
        f"spec: {{subjects: [{{issuer: corp, group: /t{n}}}],"
        f" allow: [{{namespaces: [t{n}], role: editor}}]}}\n"
        for n in range(1000)
    )
    result = matrix(written(tmp_path, BLUE + many))
    assert len(result.stdout.splitlines()) == 1 + 6 + 1000 + 2


@pytest.mark.parametrize("form", ["markdown", "html"])
def test_a_page_of_thousands_leaves_the_empty_cells_out(tmp_path: Path, form: str) -> None:
    many = ", ".join(f"n{n}" for n in range(10_001))
    result = matrix(written(tmp_path, BLUE, WIDE.replace("NAMES", many)), "-o", form)
    assert "WHO" in result.stdout
    assert result.stdout.count("viewer") == 10_001


def test_what_is_denied_is_told_in_the_cell(tmp_path: Path) -> None:
    everyone = FREEZE.replace("group: /interns", "everyone: true")
    result = matrix(written(tmp_path, BLUE, everyone), "-n", "blue-dev")
    assert "corp group /tenants/blue   editor but not hostclaims: delete" in result.stdout
    shut = "metadata: {name: shut}\nspec:\n  subjects: [{issuer: corp, everyone: true}]\n"
    shut += "  deny:\n  - {namespaces: [blue-dev]}\n"
    folder = tmp_path / "more"
    folder.mkdir()
    assert "/tenants/blue   denied" in matrix(written(folder, BLUE, shut), "-n", "blue-dev").stdout


def test_what_is_denied_to_somebody_alone_has_a_line(tmp_path: Path) -> None:
    shut = FREEZE.replace("freeze", "shut").replace("interns", "shut")
    shut = shut.replace(", resources: [hostclaims], verbs: [delete]", "")
    red = FREEZE.replace("freeze", "more").replace("/interns", "/tenants/blue")
    red = red.replace("[delete]", "[delete, deletecollection]")
    folder = written(tmp_path, BLUE, FREEZE, shut, red)
    told = matrix(folder, "-n", "blue-dev").stdout
    assert "corp group /interns        denied hostclaims: delete\n" in told
    assert "corp group /shut           denied\n" in told
    besides = "editor but not hostclaims: delete, denied besides hostclaims: deletecollection"
    assert f"corp group /tenants/blue   {besides}\n" in told
    page = matrix(folder, "-n", "blue-dev", "-o", "html").stdout
    assert page.count('<td class="less">') == 3
    found = json.loads(matrix(folder, "-n", "blue-dev", "-o", "json").stdout)
    assert found["rows"][-2]["cells"][0]["denied"] == {"hostclaims": ["delete"]}


def test_where_all_is_denied_nobody_may_anything(tmp_path: Path) -> None:
    assert matrix(written(tmp_path, FREEZE)).exit_code == 1


def test_what_is_no_role_is_told_by_verbs(tmp_path: Path) -> None:
    grant = "  - {namespaces: [lab], resources: [hostclaims], verbs: [get, deletecollection]}\n"
    result = matrix(written(tmp_path, BLUE + grant), "-n", "lab")
    assert "hostclaims: get deletecollection" in result.stdout
    more = "  - {namespaces: [blue-dev], resources: [secrets], verbs: [deletecollection]}\n"
    folder = tmp_path / "more"
    folder.mkdir()
    result = matrix(written(folder, BLUE + more), "-n", "blue-dev")
    assert "editor, secrets: deletecollection" in result.stdout


def test_one_person_can_be_shown_alone(policies: Path) -> None:
    result = matrix(policies, "--as", "alice", "--as-group", "/tenants/red")
    assert result.stdout.splitlines()[1].split() == ["corp:alice", "in", "/tenants/red", "editor"]


def test_where_nobody_may_anything_it_ends_with_1(policies: Path) -> None:
    assert matrix(policies, "-n", "lab").exit_code == 1


def test_a_namespace_has_to_be_the_name_of_one(policies: Path) -> None:
    result = matrix(policies, "-n", "blue-*")
    assert (result.exit_code, "`blue-*` is not the name" in result.stderr) == (2, True)


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_programs_are_told_the_same(policies: Path, form: str) -> None:
    result = matrix(policies, "-n", "blue-ci-1", "-o", form)
    found = json.loads(result.stdout) if form == "json" else yaml.safe_load(result.stdout)
    assert found["namespaces"] == ["blue-ci-1"]
    row = found["rows"][0]
    assert row["who"] == {"issuer": "corp", "group": "/tenants/blue"}
    [cell] = row["cells"]
    assert (cell["namespace"], cell["denied"]) == ("blue-ci-1", {})
    assert cell["may"]["secrets"] == [
        *("get", "list", "watch", "create", "update", "patch", "delete")
    ]
    assert cell["bounds"] == [{"maxHostClaims": 2}]


def test_a_person_is_told_to_programs_as_an_identity(policies: Path) -> None:
    result = matrix(policies, "--as", "al", "--as-group", "/tenants/red", "-o", "json")
    [row] = json.loads(result.stdout)["rows"]
    assert row["identity"]["name"] == "corp:al"


@pytest.mark.parametrize("form", ["text", "markdown", "html", "json"])
def test_what_an_iam_permits_is_noted(tmp_path: Path, policies: Path, form: str) -> None:
    config = configured(tmp_path, policies)
    result = run("matrix", "--config", config, "-o", form)
    assert "what the IAM permits those of corp is not known here" in result.stdout


# Names are other people's words.


EVIL = BLUE.replace("/tenants/blue", '"<script>alert(1)</script>|`x`[a](javascript:b)&\\""')


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def page(tmp_path: Path, document: str = EVIL) -> tuple[str, Page]:
    text = matrix(written(tmp_path, document), "-o", "html").stdout
    return text, Page(text)


def test_a_group_that_is_called_like_a_script_is_a_name(tmp_path: Path) -> None:
    _, found = page(tmp_path)
    assert "script" not in {tag for tag, _ in found.tags}
    assert 'corp group <script>alert(1)</script>|`x`[a](javascript:b)&"' in found.text


def test_a_page_loads_and_runs_nothing(tmp_path: Path) -> None:
    text, found = page(tmp_path)
    [policy] = [a["content"] for tag, a in found.tags if a.get("http-equiv")]
    style = re.search(r"<style>(.*)</style>", text)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'"
    names = {name for _, attributes in found.tags for name in attributes}
    assert names <= {"lang", "charset", "http-equiv", "content", "name", "scope", "class"}


def test_a_page_marks_what_is_denied(tmp_path: Path) -> None:
    deny = "  deny:\n  - {namespaces: [blue-dev]}\n"
    _, found = page(tmp_path, BLUE + deny)
    classes = [attributes.get("class") for tag, attributes in found.tags if tag == "td"]
    assert classes == ["may", "less", "may"] * 2


def test_a_cell_with_nothing_in_it_is_empty(policies: Path) -> None:
    assert "<td></td>" in matrix(policies, "-o", "html").stdout


def test_markdown_has_no_html_and_no_more_columns_than_there_are(tmp_path: Path) -> None:
    result = matrix(written(tmp_path, EVIL), "-o", "markdown")
    head, rule, first, *_, note = result.stdout.splitlines()
    assert head == r"|  | blue-ci-\* | blue-dev | blue-prod |"
    assert rule == "| --- | --- | --- | --- |"
    assert first.startswith(r"| corp group \<script\>alert(1)\</script\>\|\`x\`\[a\](javascript:b)")
    assert note == r"\[1\] at most 2 claims in the namespace"
