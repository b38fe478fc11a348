"""One scalar of a kubeconfig is replaced, and nothing else changes by a byte."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from proxy.core import kubeconfig as tenants
from proxy.core.kubeconfig import StaticTokenLogin
from proxy.refresher.errors import RefreshError
from proxy.refresher.kubeconfig import LONGEST, Login, read, with_token

TOKEN = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln-_"

WRITTEN = """\
# Of the blue team. Do not edit the token: it is kept fresh.
apiVersion: v1
kind: Config
current-context: blue
contexts:
- name: blue
  context: {cluster: bmh, user: blue, namespace: blue-dev}   # where claims go
- name: red
  context: {cluster: bmh, user: red}
clusters:
- name: bmh
  cluster:
    server: https://proxy.example.com
    certificate-authority-data: "QUJD"
users:
- name: blue
  user:
    token: old   # a comment stays
- name: red
  user: {token: 'red''s'}
preferences: {}
"""


def variant(user: str) -> str:
    return WRITTEN.replace("  user:\n    token: old   # a comment stays\n", user)


def tree(**changes: Any) -> dict[str, Any]:
    return {**yaml.safe_load(WRITTEN), **changes}


def cluster(**changes: Any) -> str:
    fields = {"server": "https://proxy.example.com", **changes}
    return yaml.safe_dump(tree(clusters=[{"name": "bmh", "cluster": fields}]))


def user(**fields: Any) -> str:
    return yaml.safe_dump(tree(users=[{"name": "blue", "user": fields}]))


def test_the_way_in_is_that_of_the_current_context() -> None:
    assert read(WRITTEN, None) == Login("https://proxy.example.com", "old")


def test_another_context_can_be_named() -> None:
    assert read(WRITTEN, "red") == Login("https://proxy.example.com", "red's")


def test_the_token_is_not_shown() -> None:
    assert "old" not in repr(read(WRITTEN, None))


def test_all_but_the_token_stays_byte_for_byte() -> None:
    assert with_token(WRITTEN, None, TOKEN) == WRITTEN.replace("old ", f'"{TOKEN}" ')


def test_the_token_of_the_named_context_is_replaced() -> None:
    assert with_token(WRITTEN, "red", TOKEN) == WRITTEN.replace("'red''s'", f'"{TOKEN}"')


@pytest.mark.parametrize(
    "written",
    [
        variant("  user:\n    token:\n"),
        variant("  user:\n    token: # none yet\n"),
        variant("  user:\n    token: ''\n"),
        variant("  user:\n    token: ~\n"),
        variant('  user:\n    token: "a\n      b"\n'),
        variant("  user:\n    token: |\n      old\n"),
        variant("  user:\n    token: >-\n      old\n\n    client-certificate-data: QQ==\n"),
        variant("  user:\n    client-certificate-data: QQ==\n    client-key-data: QQ==\n"),
        variant("  user: {}\n"),
        variant("  user: {client-key-data: QQ==}\n"),
        variant("  user: {token: old, client-key-data: QQ==}\n"),
        variant("  user: {\n    token: old,\n  }\n"),
        variant("  user:\n    ? token\n    : old\n"),
        variant("  user:\n    token: &anchor old\n"),
        json.dumps(tree()),
        json.dumps(tree(), indent=2),
        json.dumps(tree(users=[{"name": "blue", "user": {}}])),
        "﻿" + WRITTEN,
        WRITTEN.replace("\n", "\r\n"),
        WRITTEN.replace("# Of the blue team", "# Für die Blauen \U0001f535"),
        yaml.safe_dump(tree(), default_flow_style=True),
    ],
)
def test_however_it_is_written_only_the_token_changes(written: str) -> None:
    edited = with_token(written, None, TOKEN)
    assert edited[0] == written[0]
    assert read(edited, None).token == TOKEN
    expected = yaml.safe_load(written)
    expected["users"][0]["user"]["token"] = TOKEN
    assert yaml.safe_load(edited) == expected


@given(st.text(st.sampled_from("aZ09-._~+/"), min_size=1, max_size=200))
def test_every_token_reads_back(token: str) -> None:
    assert read(with_token(WRITTEN, None, token), None).token == token


def test_what_the_kubeconfig_command_makes_can_be_kept_fresh() -> None:
    made = tenants.Kubeconfig(
        server="https://proxy.example.com",
        ca_pem="-----BEGIN CERTIFICATE-----\n",
        login=StaticTokenLogin("old"),
        name="blue",
        namespace="blue-dev",
    )
    text = yaml.safe_dump(tenants.render(made))
    assert read(with_token(text, None, TOKEN), None) == Login("https://proxy.example.com", TOKEN)


@pytest.mark.parametrize("token", ["", "a b", "a\nb", 'a"b', "a\\b", "ä", "a=b", "a" * 20_000])
def test_what_no_header_can_hold_is_never_put_in(token: str) -> None:
    with pytest.raises(ValueError, match="Authorization header"):
        with_token(WRITTEN, None, token)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("", "must be a mapping"),
        ("[]", "must be a mapping"),
        ("text", "must be a mapping"),
        ("{", "is not YAML in line 2"),
        ("a: 1\n---\nb: 2\n", "is not YAML in line 2"),
        ("\x00", "is not YAML"),
        ("[" * 10_000, "more than 32 levels"),
        ("a: " + "{b: " * 33 + "}" * 33, "more than 32 levels"),
        ("%TAG ! !\n" * 3_000 + "---\n" + WRITTEN, "has a directive"),
        ("a" * (LONGEST + 1), "has more than"),
        (WRITTEN.replace("current-context: blue\n", ""), "`current-context` is missing"),
        (WRITTEN.replace("current-context: blue", "current-context: green"), "`green` once"),
        (WRITTEN.replace("user: blue", "user: green"), "`users` must have `green` once"),
        (WRITTEN.replace("cluster: bmh", "cluster: other"), "`clusters` must have `other` once"),
        (WRITTEN.replace("- name: red\n  user", "- name: blue\n  user"), "not 2 times"),
        (WRITTEN.replace("kind: Config", "kind: Config\nkind: Config"), "a key twice"),
        (WRITTEN.replace("preferences: {}", "? [a]\n: b"), "one that is no text"),
        (variant("  user: !!map {}\n"), "has a tag"),
        (variant("  user: {token: ! old}\n"), "has a tag"),
        (WRITTEN.replace("cluster: bmh", "cluster: !!binary Ym1o"), "has a tag"),
        (variant("  user: &u {token: old}\n") + "more: *u\n", "has an alias"),
        (variant("  user: &u [*u]\n"), "has an alias"),
        (
            variant("  user: &u {token: old}\n").replace(
                "user: {token: 'r", "user: {<<: *u, a: 'r"
            ),
            "a key twice",
        ),
        (variant("  user:\n"), "`user` of `blue` in `users` must be a mapping"),
        (json.dumps(tree(users="blue")), "not 0 times"),
        (json.dumps(tree(users=["blue"])), "not 0 times"),
    ],
)
def test_what_is_no_kubeconfig_is_refused(written: str, told: str) -> None:
    with pytest.raises(RefreshError) as refused:
        with_token(written, None, TOKEN)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    "written",
    [
        variant("  user: &u {client-key-data: QQ==}\n"),
        variant("  user: &u\n    client-key-data: QQ==\n"),
        WRITTEN.replace("- name: red\n  context", "- other: red\n  context"),
        WRITTEN.replace("preferences: {}", f"preferences: 1{':1' * 9_000}.0"),
        WRITTEN.replace("- name: red\n  user", "- red\n- user"),
    ],
)
def test_where_nothing_can_be_put_in_nothing_is(written: str) -> None:
    with pytest.raises(RefreshError, match="no token can be put into it"):
        with_token(written, None, TOKEN)


@pytest.mark.parametrize(
    ("written", "field"),
    [
        (cluster(server="http://proxy.example.com"), "cluster.server"),
        (cluster(server=""), "cluster.server"),
        (cluster(**{"insecure-skip-tls-verify": True}), "cluster.insecure-skip-tls-verify"),
        (cluster(**{"insecure-skip-tls-verify": "yes"}), "cluster.insecure-skip-tls-verify"),
        (cluster(**{"proxy-url": "http://evil.example.com"}), "cluster.proxy-url"),
        (user(token="old", tokenFile="/token"), "user.tokenFile"),
        (user(exec={"command": "login"}), "user.exec"),
        (user(**{"auth-provider": {"name": "oidc"}}), "user.auth-provider"),
        (user(username="blue"), "user.username"),
        (user(password="blue"), "user.password"),
    ],
)
def test_a_token_that_would_go_astray_or_unused_is_not_put_in(written: str, field: str) -> None:
    with pytest.raises(RefreshError, match=f"`{field}`"):
        read(written, None)


def two_ways(cluster: str, **of: str) -> str:
    """A kubeconfig with another context, `there`, that leads the user of `blue` to a cluster."""
    there = {"name": "there", "context": {"cluster": cluster, "user": "blue", **of}}
    return yaml.safe_dump(
        tree(
            contexts=[*tree()["contexts"], there],
            clusters=[*tree()["clusters"], {"name": "evil", "cluster": {"server": "https://evil"}}],
        )
    )


@pytest.mark.parametrize("cluster", ["evil", "missing"])
def test_a_token_that_another_context_would_send_elsewhere_is_not_put_in(cluster: str) -> None:
    with pytest.raises(RefreshError, match="context `there` has the same user for another cluster"):
        read(two_ways(cluster), None)


def test_another_context_may_lead_the_same_user_to_another_namespace() -> None:
    assert read(two_ways("bmh", namespace="blue-prod"), None).token == "old"


def test_a_client_certificate_may_stand_beside_the_token() -> None:
    both = user(token="old", **{"client-certificate-data": "QQ==", "client-key-data": "QQ=="})
    assert read(both, None).token == "old"


def test_verification_that_is_not_skipped_is_fine() -> None:
    text = cluster(**{"insecure-skip-tls-verify": False, "proxy-url": ""})
    assert read(text, None).token == "old"


def test_a_name_that_somebody_chose_breaks_no_line_of_a_log() -> None:
    name = "blue`\n2030-01-01 INFO leading\x1b[2J" + "x" * 1000
    with pytest.raises(RefreshError) as refused:
        read(WRITTEN, name)
    told = str(refused.value)
    assert told.isprintable()
    assert len(told) < 200
    assert told.count("`") == 4


def test_nothing_of_a_broken_kubeconfig_is_told() -> None:
    with pytest.raises(RefreshError) as refused:
        read('token: "s3cret\n', None)
    assert "s3cret" not in str(refused.value)
    assert refused.value.__cause__ is None
