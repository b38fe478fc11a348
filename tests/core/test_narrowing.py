"""What goes upstream: what was allowed, rendered anew, and nothing of the client's besides."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.core import attributes, narrowing
from proxy.core.attributes import SECRETS, Document, Parameter, PatchType
from proxy.core.errors import NotAcceptable, Refused, UnsupportedMediaType
from proxy.core.narrowing import STAMP, Call, UpstreamRequest
from tests.core.asking import CLAIMS, JSON, SECRET_PATH, SECRETS_PATH, call, header, parse

APPLY = ("Content-Type", PatchType.APPLY.value)
PROTOBUF = "application/vnd.kubernetes.protobuf"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
STAMPED = f"{STAMP.replace('/', '%2F')}%3Dtrue"

BUILDERS: dict[str, Callable[[Call], UpstreamRequest]] = {
    "forward": narrowing.forward,
    "tenant_secrets": narrowing.tenant_secrets,
    "read": narrowing.read,
    "look": narrowing.look,
    "rehearse": lambda asked: narrowing.rehearse(asked, b"{}"),
    "write": lambda asked: narrowing.write(asked, b"{}"),
    "delete": lambda asked: narrowing.delete(asked, b"{}"),
}
NOT_OURS = (
    "Accept",
    "Accept-Encoding",
    "Content-Type",
    "User-Agent",
    "Content-Length",
    "Content-Encoding",
    "Transfer-Encoding",
    "Upgrade",
)
NAMES = [
    "Authorization",
    "Cookie",
    "Connection",
    "Keep-Alive",
    "TE",
    "Trailer",
    "Expect",
    "Host",
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Client-Cert",
    "X-Remote-User",
    "X-Remote-Group",
    "X-Remote-Extra-Scopes",
    "X-HTTP-Method-Override",
    "X-Client-Cert",
    "SSL-Client-Cert",
    "Audit-ID",
    "Kubectl-Command",
    "Warning",
    "Range",
    "If-None-Match",
    "HTTP2-Settings",
    "Sec-WebSocket-Protocol",
    "Proxy-Authorization",
]
header_names = st.sampled_from(NAMES) | st.from_regex(r"[A-Za-z0-9-]{1,12}", fullmatch=True)
client_headers = st.lists(
    st.tuples(
        header_names.filter(lambda n: n.lower() not in {name.lower() for name in NOT_OURS}),
        st.text(max_size=8),
    )
)


@given(client_headers, st.sampled_from(sorted(BUILDERS)))
def test_no_header_of_the_client_gets_through_but_those_on_the_list(
    headers: list[tuple[str, str]], builder: str
) -> None:
    try:
        asked = call("POST", SECRETS_PATH, *headers, JSON, body={})
    except Refused:  # it happened to impersonate
        return
    allowed = {"Accept": "application/json", "Audit-ID": "audit-1", **dict([JSON])}
    for name, value in BUILDERS[builder](asked).headers:
        assert allowed.get(name) == value


@given(st.lists(st.sampled_from(NOT_OURS[:4]).flatmap(lambda n: st.tuples(st.just(n), st.text()))))
def test_no_value_of_the_client_can_end_a_line(headers: list[tuple[str, str]]) -> None:
    try:
        sent = narrowing.forward(call("GET", CLAIMS, *headers))
    except NotAcceptable:
        return
    assert all(f"{name}{value}".isascii() and value.isprintable() for name, value in sent.headers)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", CLAIMS),
        ("GET", f"{CLAIMS}?watch=1&labelSelector=a%3Db"),
        ("GET", f"{CLAIMS}/a/status"),
        ("POST", f"{CLAIMS}?dryRun=All&fieldManager=kubectl-create"),
        ("PUT", f"{CLAIMS}/a"),
        ("PATCH", f"{CLAIMS}/a?force=true"),
        ("DELETE", f"{CLAIMS}/a?propagationPolicy=Background"),
        ("DELETE", CLAIMS),
    ],
)
def test_an_allowed_request_is_forwarded_byte_for_byte(method: str, target: str) -> None:
    sent = narrowing.forward(call(method, target, APPLY if method == "PATCH" else JSON))
    assert (sent.method, sent.target) == (method, target)


def test_a_head_is_asked_as_a_get() -> None:
    assert narrowing.forward(call("HEAD", CLAIMS)).method == "GET"


@pytest.mark.parametrize(
    ("query", "streams"), [("", False), ("?watch=1", True), ("?watch=0", False)]
)
def test_a_watch_alone_never_ends(query: str, *, streams: bool) -> None:
    assert narrowing.forward(call("GET", f"{CLAIMS}{query}")).streams is streams


def test_a_body_goes_with_its_type_and_without_one_there_is_none() -> None:
    with_body = narrowing.forward(call("DELETE", f"{CLAIMS}/a", body={"dryRun": ["All"]}))
    assert (with_body.body, header(with_body, "Content-Type")) == (
        b'{"dryRun": ["All"]}',
        "application/json",
    )
    without = narrowing.forward(call("DELETE", f"{CLAIMS}/a"))
    assert (without.body, header(without, "Content-Type")) == (b"", "")


@pytest.mark.parametrize(
    ("sent", "goes_on"),
    [
        ("application/json; charset=utf-8", "application/json"),
        ("application/yaml", "application/json"),
    ],
)
def test_a_body_that_came_as_json_or_yaml_goes_on_as_json(sent: str, goes_on: str) -> None:
    asked = call("POST", CLAIMS, ("Content-Type", sent), body={})
    assert header(narrowing.forward(asked), "Content-Type") == goes_on


@pytest.mark.parametrize("sent", [PROTOBUF, "application/cbor", "text/plain"])
def test_a_claim_in_another_encoding_is_refused(sent: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        narrowing.forward(call("POST", CLAIMS, ("Content-Type", sent), body=b"x"))


@pytest.mark.parametrize(
    ("method", "target", "content_type", "yaml"),
    [
        ("POST", CLAIMS, "application/yaml", True),
        ("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", "Application/YAML;a=b", True),
        ("PUT", SECRET_PATH, "application/json", False),
        ("PUT", SECRET_PATH, PROTOBUF, False),
        ("DELETE", SECRET_PATH, "application/yaml", True),
        ("DELETE", SECRET_PATH, "", False),
        ("PATCH", SECRET_PATH, APPLY[1], True),
        ("PATCH", SECRET_PATH, PatchType.MERGE.value, False),
    ],
)
def test_yaml_is_told_by_the_type_of_the_body(
    method: str, target: str, content_type: str, *, yaml: bool
) -> None:
    asked = call(method, target, ("Content-Type", content_type), body=b"x")
    assert narrowing.comes_as_yaml(asked) is yaml


def test_a_patch_goes_by_the_type_that_was_authorized() -> None:
    asked = call("PATCH", f"{CLAIMS}/a", ("content-type", f"{APPLY[1]}; x=y"), body={})
    assert header(narrowing.forward(asked), "Content-Type") == APPLY[1]


def test_an_answer_that_streams_may_come_in_any_encoding() -> None:
    asked = call(
        "GET", SECRETS_PATH, ("Accept", f"{PROTOBUF},{TABLE}"), ("Accept-Encoding", "gzip")
    )
    sent = narrowing.tenant_secrets(asked)
    assert header(sent, "Accept") == f"{PROTOBUF},{TABLE}"
    assert header(sent, "Accept-Encoding") == "gzip"


@pytest.mark.parametrize(
    ("builder", "accept"),
    [
        ("read", f"{PROTOBUF},{TABLE}"),
        ("write", f"{PROTOBUF},application/yaml,{TABLE}"),
        ("delete", f"{PROTOBUF},application/yaml,{TABLE}"),
    ],
)
def test_an_answer_of_one_object_comes_uncompressed_in_what_can_be_judged(
    builder: str, accept: str
) -> None:
    headers = (
        ("Accept", f"{PROTOBUF},application/yaml,{TABLE},application/cbor"),
        ("Accept-Encoding", "gzip"),
        JSON,
    )
    sent = BUILDERS[builder](call("PUT", SECRET_PATH, *headers, body={}))
    assert header(sent, "Accept") == accept
    assert header(sent, "Accept-Encoding") == ""


@pytest.mark.parametrize("builder", ["look", "rehearse"])
def test_our_own_questions_are_asked_in_plain_json_whatever_the_client_wants(builder: str) -> None:
    sent = BUILDERS[builder](call("PUT", SECRET_PATH, ("Accept", TABLE), JSON, body={}))
    assert header(sent, "Accept") == "application/json"


def test_an_accept_sent_in_pieces_is_one() -> None:
    asked = call("GET", CLAIMS, ("Accept", TABLE), ("accept", "application/json"))
    assert header(narrowing.forward(asked), "Accept") == f"{TABLE},application/json"


def test_an_accept_encoding_sent_in_pieces_is_one() -> None:
    asked = call("GET", CLAIMS, ("Accept-Encoding", "gzip"), ("accept-encoding", "br"))
    assert header(narrowing.forward(asked), "Accept-Encoding") == "gzip"


@pytest.mark.parametrize("builder", ["forward", "read", "write", "delete"])
def test_every_request_says_what_it_takes_and_which_audit_record_it_has(builder: str) -> None:
    sent = BUILDERS[builder](call("PUT", f"{CLAIMS}/a", JSON, ("User-Agent", "x"), body={}))
    assert header(sent, "Accept") == "application/json"
    assert header(sent, "Audit-ID") == "audit-1"


@pytest.mark.parametrize(
    ("agent", "sent"),
    [
        ("kubectl/v1.34.0 (linux/amd64)", "kubectl/v1.34.0 (linux/amd64)"),
        (PRINTABLE, PRINTABLE),
        ("a" * 256, "a" * 256),
        ("", ""),
        ("é", ""),
        ("a\tb", ""),
        ("a" * 257, ""),
    ],
)
def test_a_user_agent_goes_on_if_it_is_a_plain_one(agent: str, sent: str) -> None:
    forwarded = narrowing.forward(call("GET", CLAIMS, ("User-Agent", agent)))
    assert header(forwarded, "User-Agent") == sent


def test_a_user_agent_sent_in_pieces_is_one() -> None:
    asked = call("GET", CLAIMS, ("User-Agent", "a"), ("user-agent", "b"))
    assert header(narrowing.forward(asked), "User-Agent") == "a b"


def test_a_request_is_made_by_narrowing_alone() -> None:
    forged: Any = UpstreamRequest
    with pytest.raises(TypeError, match="narrowing"):
        forged(object(), "GET", "/", ())


# Secrets.


def selector(sent: UpstreamRequest) -> str:
    return attributes.parameter(parse(sent.method, sent.target), "labelSelector")


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("", f"?labelSelector={STAMPED}"),
        ("?labelSelector=", f"?labelSelector={STAMPED}"),
        ("?labelSelector=a%3Db", f"?labelSelector={STAMPED}%2Ca%3Db"),
        ("?watch=1&labelSelector=a&limit=5", f"?watch=1&labelSelector={STAMPED}%2Ca&limit=5"),
        (
            "?fieldSelector=metadata.name%3Dx",
            f"?fieldSelector=metadata.name%3Dx&labelSelector={STAMPED}",
        ),
        ("?continue=abc", f"?continue=abc&labelSelector={STAMPED}"),
    ],
)
def test_a_list_of_secrets_is_narrowed_by_the_apiserver(query: str, sent: str) -> None:
    target = narrowing.tenant_secrets(call("GET", f"{SECRETS_PATH}{query}")).target
    assert target == f"{SECRETS_PATH}{sent}"


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["GET", "DELETE"]))
@example("a\x00", "GET")
@example(f"!{STAMP}", "DELETE")
def test_whatever_a_selector_says_the_stamp_is_required_first(asked: str, method: str) -> None:
    query = attributes.Parameter.of("labelSelector", asked)
    sent = narrowing.tenant_secrets(call(method, f"{SECRETS_PATH}?labelSelector={query.raw}"))
    # Requirements are and-ed; `true` ends at a comma or at the end.
    assert selector(sent) == f"{STAMP}=true" + (f",{asked}" if asked else "")


def test_a_look_is_a_bare_get_of_the_object() -> None:
    asked = call("DELETE", f"{SECRET_PATH}?dryRun=All&timeout=1s", body={})
    assert narrowing.look(asked).target == SECRET_PATH
    assert (narrowing.look(asked).method, narrowing.look(asked).body) == ("GET", b"")


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("", "?dryRun=All"),
        ("?fieldManager=x", "?fieldManager=x&dryRun=All"),
        ("?dryRun=All&force=true", "?dryRun=All&force=true"),
        ("?dryRun=", "?dryRun=All"),
        ("?dryRun=None", "?dryRun=All"),
    ],
)
def test_a_rehearsal_stores_nothing(query: str, sent: str) -> None:
    asked = call("PATCH", f"{SECRET_PATH}{query}", ("Content-Type", PatchType.MERGE.value))
    rehearsed = narrowing.rehearse(asked, b'{"a":1}')
    assert (rehearsed.method, rehearsed.target) == ("PATCH", f"{SECRET_PATH}{sent}")
    assert rehearsed.body == b'{"a":1}'


def test_a_write_carries_the_body_it_is_given() -> None:
    sent = narrowing.write(call("PUT", f"{SECRET_PATH}?fieldManager=x", JSON, body={"a": 1}), b"{}")
    assert (sent.method, sent.target, sent.body) == ("PUT", f"{SECRET_PATH}?fieldManager=x", b"{}")


@pytest.mark.parametrize("builder", ["write", "rehearse"])
@pytest.mark.parametrize(
    ("sent", "goes_on"),
    [("", JSON[1]), (JSON[1], JSON[1]), ("application/yaml", JSON[1]), (PROTOBUF, PROTOBUF)],
)
def test_a_body_that_was_judged_is_written_as_what_it_is(
    builder: str, sent: str, goes_on: str
) -> None:
    asked = call("PUT", SECRET_PATH, ("Content-Type", sent), body=b"x")
    assert header(BUILDERS[builder](asked), "Content-Type") == goes_on


def test_a_delete_has_its_options_in_the_body_alone() -> None:
    sent = narrowing.delete(call("DELETE", f"{SECRET_PATH}?dryRun=All"), b'{"dryRun":["All"]}')
    assert (sent.target, sent.body) == (SECRET_PATH, b'{"dryRun":["All"]}')
    assert header(sent, "Content-Type") == "application/json"


@pytest.mark.parametrize("accept", ["text/html", "application/cbor"])
def test_a_write_whose_answer_cannot_be_given_is_refused_first(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        narrowing.check_acceptable(call("DELETE", SECRET_PATH, ("Accept", accept)))
    narrowing.check_acceptable(call("DELETE", SECRET_PATH, ("Accept", PROTOBUF)))


@pytest.mark.parametrize("accept", ["text/html", PROTOBUF, "application/yaml"])
def test_what_we_answer_ourselves_is_in_json(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        narrowing.check_json_acceptable(call("DELETE", SECRET_PATH, ("Accept", accept)))


def test_where_one_namespace_of_all_is_read_from_is_not_what_the_client_said() -> None:
    query = "limit=5&labelSelector=a&continue=x&resourceVersion=1&resourceVersionMatch=Exact"
    asked = call("GET", f"/apis/metal3.io/v1alpha1/hostclaims?{query}")
    sent = narrowing.in_namespace(asked, "blue", (Parameter.of("resourceVersion", "9"),))
    assert (sent.method, sent.target) == ("GET", f"{CLAIMS}?labelSelector=a&resourceVersion=9")


def test_a_whole_list_is_not_asked_for_in_pages() -> None:
    sent = narrowing.whole(call("GET", f"{CLAIMS}?limit=5&labelSelector=a&continue=x"))
    assert (sent.method, sent.target) == ("GET", f"{CLAIMS}?labelSelector=a")


def test_to_count_is_to_list_one_without_its_data() -> None:
    sent = narrowing.count(call("POST", f"{CLAIMS}?dryRun=All", JSON, body={}))
    assert (sent.method, sent.target, sent.body) == ("GET", f"{CLAIMS}?limit=1", b"")
    wanted = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
    assert header(sent, "Accept") == wanted


def test_a_description_is_asked_for_in_json_and_without_a_query() -> None:
    asked = call("GET", "/openapi/v3?hash=1", ("Accept", PROTOBUF))
    sent = narrowing.document(asked, Document.OPENAPI_V3_CORE)
    assert (sent.method, sent.target, sent.body) == ("GET", "/openapi/v3/api/v1", b"")
    assert not sent.streams
    assert header(sent, "Accept") == "application/json"


def test_a_call_about_discovery_is_none_about_a_resource() -> None:
    with pytest.raises(TypeError):
        narrowing.forward(call("GET", "/version"))


def test_the_stamp_is_the_label_that_the_clusters_own_policy_knows() -> None:
    assert (STAMP, narrowing.STAMPED) == ("hostclaim-proxy.metal3.io/tenant-secret", "true")


def test_of_what_a_write_refers_to_only_metadata_is_asked_for() -> None:
    asked = narrowing.look_at(call("GET", CLAIMS), SECRETS, "user-data")
    assert header(asked, "Accept") == "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize("agent", ["\x10", "\x1b[2J", "kubectl\x7f"])
def test_a_user_agent_with_control_characters_stays_behind(agent: str) -> None:
    assert header(narrowing.forward(call("GET", CLAIMS, ("User-Agent", agent))), "User-Agent") == ""
