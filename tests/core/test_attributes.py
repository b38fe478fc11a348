"""What is asked: a target is in the grammar, byte for byte, or it is refused."""

import string
from collections.abc import Callable
from contextlib import suppress
from itertools import product
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.core import attributes
from proxy.core.attributes import (
    ALLOWED_PARAMETERS,
    HARDWAREDATA,
    HOSTCLAIMS,
    OPT_IN,
    SECRETS,
    SERVED,
    DiscoveryRequest,
    Document,
    Parameter,
    PatchType,
    RequestInfo,
    Resource,
    ResourceRequest,
    Review,
    ReviewRequest,
    Verb,
    render,
)
from proxy.core.errors import (
    BadRequest,
    Forbidden,
    MethodNotAllowed,
    Refused,
    UnsupportedMediaType,
)
from tests.core.asking import CLAIMS, SECRET_PATH, SECRETS_PATH, parse, resource

MERGE = ("Content-Type", PatchType.MERGE.value)

METHODS: Final = {
    Verb.GET: "GET",
    Verb.LIST: "GET",
    Verb.WATCH: "GET",
    Verb.CREATE: "POST",
    Verb.UPDATE: "PUT",
    Verb.PATCH: "PATCH",
    Verb.DELETE: "DELETE",
    Verb.DELETECOLLECTION: "DELETE",
}
NUMBERS: Final = frozenset({"limit", "timeoutSeconds", "gracePeriodSeconds"})
FLAGS: Final = frozenset(
    {"watch", "allowWatchBookmarks", "sendInitialEvents", "orphanDependents", "force"}
)


# The table, said a second time: the names that are on the wire.


def test_the_verbs_are_those_of_kubernetes() -> None:
    found = " ".join(Verb)
    assert found == "get list watch create update patch delete deletecollection"


@pytest.mark.parametrize(
    ("served", "names", "root", "qualified"),
    [
        (
            HOSTCLAIMS,
            ("metal3.io/v1alpha1", "hostclaims", "hostclaim", "HostClaim", "HostClaimList"),
            "/apis/metal3.io/v1alpha1",
            "hostclaims.metal3.io",
        ),
        (SECRETS, ("v1", "secrets", "secret", "Secret", "SecretList"), "/api/v1", "secrets"),
        (
            HARDWAREDATA,
            (
                "metal3.io/v1alpha1",
                "hardwaredata",
                "hardwaredata",
                "HardwareData",
                "HardwareDataList",
            ),
            "/apis/metal3.io/v1alpha1",
            "hardwaredata.metal3.io",
        ),
    ],
)
def test_a_resource_has_the_names_of_its_definition(
    served: Resource, names: tuple[str, ...], root: str, qualified: str
) -> None:
    found = (served.api_version, served.plural, served.singular, served.kind, served.list_kind)
    assert (found, served.root, served.qualified) == (names, root, qualified)


def test_a_resource_has_these_verbs_and_subresources_and_no_others() -> None:
    found = {r.plural: (r.subresources, r.short_names, set(r.verbs)) for r in (*SERVED, *OPT_IN)}
    assert found == {
        "hostclaims": (("status",), (), set(Verb)),
        "secrets": ((), (), set(Verb)),
        "hardwaredata": ((), ("hd",), {Verb.GET, Verb.LIST, Verb.WATCH}),
    }


def test_documents_and_reviews_are_where_clients_look_for_them() -> None:
    assert [document.value for document in Document] == [
        "/api",
        "/apis",
        "/api/v1",
        "/apis/metal3.io",
        "/apis/metal3.io/v1alpha1",
        "/version",
        "/openapi/v2",
        "/openapi/v3",
        "/openapi/v3/api/v1",
        "/openapi/v3/apis/metal3.io/v1alpha1",
    ]
    assert [review.value for review in Review] == [
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
    ]


# Every request there is, for properties.

labels = st.from_regex(r"[a-z0-9](?:[-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
names = st.lists(labels, min_size=1, max_size=3).map(".".join)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def value_of(key: str) -> st.SearchStrategy[str]:
    if key in NUMBERS:
        return st.integers(0, 10**9).map(str)
    if key in FLAGS:
        return st.sampled_from(["1", "true", "True", "yes", ""])
    return texts


@st.composite
def parameters(draw: st.DrawFn, allowed: frozenset[str]) -> tuple[Parameter, ...]:
    keys = draw(st.lists(st.sampled_from(sorted(allowed)), unique=True, max_size=4))
    return tuple(Parameter.of(key, draw(value_of(key))) for key in keys)


@st.composite
def resource_requests(draw: st.DrawFn) -> ResourceRequest:
    verb, found = draw(st.sampled_from(list(Verb))), draw(st.sampled_from([*SERVED, *OPT_IN]))
    query = draw(parameters(ALLOWED_PARAMETERS[verb] - {"watch"}))
    if verb is Verb.WATCH:
        query = (*query, Parameter.of("watch", draw(value_of("watch"))))
    on_collection = verb in {Verb.LIST, Verb.WATCH, Verb.CREATE, Verb.DELETECOLLECTION}
    across = verb in {Verb.LIST, Verb.WATCH} and draw(st.booleans())
    subresources = ("",) if on_collection or verb is Verb.DELETE else ("", *found.subresources)
    patch_types = sorted(found.patch_types) if verb is Verb.PATCH else [None]
    return ResourceRequest(
        verb=verb,
        resource=found,
        namespace=None if across else draw(labels),
        name=None if on_collection else draw(names),
        subresource=draw(st.sampled_from(subresources)),
        patch_type=draw(st.sampled_from(patch_types)),
        parameters=query,
    )


requests: st.SearchStrategy[RequestInfo] = st.one_of(
    resource_requests(),
    st.builds(
        DiscoveryRequest,
        st.sampled_from(Document),
        parameters(frozenset({"timeout", "pretty", "hash"})),
    ),
    st.builds(ReviewRequest, st.sampled_from(Review), parameters(ALLOWED_PARAMETERS[Verb.CREATE])),
)


def asked_again(info: RequestInfo) -> RequestInfo:
    """What is parsed out of the target that `info` renders to."""
    match info:
        case DiscoveryRequest():
            return parse("GET", render(info))
        case ReviewRequest():
            return parse("POST", render(info))
        case ResourceRequest(verb=verb, patch_type=patch_type):
            headers = (("Content-Type", patch_type.value),) if patch_type else ()
            return parse(METHODS[verb], render(info), *headers)


@given(requests)
def test_what_is_rendered_parses_to_the_same_request(info: RequestInfo) -> None:
    assert asked_again(info) == info


@given(requests)
def test_what_is_rendered_needs_no_further_encoding(info: RequestInfo) -> None:
    assert set(render(info)) <= set(string.ascii_letters + string.digits + "/-._~?&=%+")


def near_misses(target: str) -> st.SearchStrategy[str]:
    """The target with a few characters put in, taken out or exchanged."""
    pieces = st.one_of(
        st.sampled_from(["", "/", "//", "..", ".", "%2e", "%2F", "%", ";", "?", "&", "=", "+"]),
        st.sampled_from(["watch=1", "&watch=0", "#", "\\", "@", ":", "\x00", "\n", "é", "A"]),
        st.characters(max_codepoint=127),
    )
    cuts = st.tuples(st.integers(0, len(target)), st.integers(0, 2), pieces)

    def mutate(edits: list[tuple[int, int, str]]) -> str:
        found = target
        for start, length, piece in edits:
            found = found[:start] + piece + found[start + length :]
        return found

    return st.lists(cuts, min_size=1, max_size=3).map(mutate)


@given(requests.map(render).flatmap(near_misses), st.sampled_from(["GET", "POST", "DELETE"]))
@example(CLAIMS + "?labelSelector=a%3Db&limit=5", "GET")
@example(CLAIMS + "?labelSelector=a=b,c!=d&fieldSelector=metadata.name=x", "GET")
def test_whatever_parses_renders_to_the_same_bytes(target: str, method: str) -> None:
    with suppress(Refused):
        assert render(parse(method, target)) == target


@given(st.text(st.characters(max_codepoint=127)))
def test_whatever_the_target_the_answer_is_a_request_or_a_refusal(target: str) -> None:
    with suppress(Refused):
        assert render(parse("GET", target)) == target


# Paths.


@pytest.mark.parametrize(
    ("method", "target", "wanted"),
    [
        ("GET", CLAIMS, Verb.LIST),
        ("HEAD", CLAIMS, Verb.LIST),
        ("GET", f"{CLAIMS}?watch=true", Verb.WATCH),
        ("POST", CLAIMS, Verb.CREATE),
        ("DELETE", CLAIMS, Verb.DELETECOLLECTION),
        ("GET", f"{CLAIMS}/a", Verb.GET),
        ("HEAD", f"{CLAIMS}/a", Verb.GET),
        ("PUT", f"{CLAIMS}/a", Verb.UPDATE),
        ("PATCH", f"{CLAIMS}/a", Verb.PATCH),
        ("DELETE", f"{CLAIMS}/a", Verb.DELETE),
    ],
)
def test_method_and_path_make_the_verb(method: str, target: str, wanted: Verb) -> None:
    assert resource(method, target, MERGE).verb is wanted


@pytest.mark.parametrize(
    ("target", "found", "namespace", "name", "subresource"),
    [
        (CLAIMS, HOSTCLAIMS, "blue", None, ""),
        (f"{CLAIMS}/a.b-c", HOSTCLAIMS, "blue", "a.b-c", ""),
        (f"{CLAIMS}/status", HOSTCLAIMS, "blue", "status", ""),
        (f"{CLAIMS}/a/status", HOSTCLAIMS, "blue", "a", "status"),
        ("/apis/metal3.io/v1alpha1/hostclaims", HOSTCLAIMS, None, None, ""),
        (SECRETS_PATH, SECRETS, "blue", None, ""),
        (SECRET_PATH, SECRETS, "blue", "user-data", ""),
        ("/api/v1/secrets", SECRETS, None, None, ""),
    ],
)
def test_a_path_names_resource_namespace_and_object(
    target: str, found: Resource, namespace: str | None, name: str | None, subresource: str
) -> None:
    info = resource("GET", target)
    assert info.resource is found
    assert (info.namespace, info.name, info.subresource) == (namespace, name, subresource)


@pytest.mark.parametrize("document", list(Document))
def test_a_discovery_document_is_read_with_get_or_head(document: Document) -> None:
    assert parse("GET", document.value) == DiscoveryRequest(document)
    assert parse("HEAD", document.value) == DiscoveryRequest(document)
    with pytest.raises(MethodNotAllowed):
        parse("POST", document.value)


@pytest.mark.parametrize("review", list(Review))
def test_a_review_is_created_with_post(review: Review) -> None:
    assert parse("POST", review.value) == ReviewRequest(review)
    with pytest.raises(MethodNotAllowed):
        parse("GET", review.value)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "//",
        f"{CLAIMS}/",
        f"{CLAIMS}//a",
        f"/{CLAIMS}",
        f"{CLAIMS}/../../kube-system/secrets",
        f"{CLAIMS}/..",
        f"{CLAIMS}/.",
        f"/api/./v1{CLAIMS}",
        f"{CLAIMS}/%2e%2e",
        f"{CLAIMS}%2Fa",
        f"{CLAIMS}/%2561",
        f"{CLAIMS}/%61",
        f"{CLAIMS};x",
        f"{CLAIMS}/a;v=1",
        f"{CLAIMS}\\a",
        f"{CLAIMS}#a",
        f"{CLAIMS}/a b",
        f"{CLAIMS}/a\x00",
        f"{CLAIMS}/a\n",
        f"{CLAIMS}/a\r\nHost: x",
        f"{CLAIMS}/é",
        f"{CLAIMS}/\uff0e\uff0e",
        f"{CLAIMS}/A",
        f"{CLAIMS}/-a",
        f"{CLAIMS}/a-",
        f"{CLAIMS}/a_b",
        f"{CLAIMS}/a..b",
        f"{CLAIMS}/a:b",
        f"{CLAIMS}/~",
        f"{CLAIMS}/A/status",
        f"{CLAIMS}/a:b/status",
        f"{CLAIMS}/{'a' * 254}",
        f"/api/v1/namespaces/{'b' * 64}/secrets",
        "/api/v1/namespaces/Blue/secrets",
        "/api/v1/namespaces/blue.dev/secrets",
        "/api/v1/namespaces/*/secrets",
        "/api/v1/namespaces/-/secrets",
    ],
)
def test_a_path_we_cannot_name_is_refused(path: str) -> None:
    with pytest.raises(BadRequest):
        parse("GET", path)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/namespaces",
        "/api/v1/namespaces/blue",
        "/api/v1/namespaces/blue/status",
        "/api/v1/namespaces/blue/finalize",
        "/api/v1/namespaces/blue/pods",
        "/api/v1/namespaces/blue/pods/a/exec",
        "/api/v1/namespaces/blue/configmaps/a",
        "/api/v1/namespaces/blue/serviceaccounts/a/token",
        "/api/v1/namespaces/blue/hostclaims",
        "/api/v1/nodes/a/proxy",
        "/api/v2/namespaces/blue/secrets",
        "/apis/v1/namespaces/blue/secrets",
        "/api/v1/watch/secrets",
        "/api/v1/watch/namespaces/blue/secrets",
        "/api/v1/proxy/namespaces/blue/secrets/a",
        "/apis/metal3.io/v1alpha1/watch/namespaces/blue/hostclaims",
        "/apis/metal3.io/v1alpha1/namespaces/blue/baremetalhosts",
        "/apis/metal3.io/v1alpha1/namespaces/blue/secrets",
        "/apis/metal3.io/v1alpha2/namespaces/blue/hostclaims",
        "/apis/metal3.io/v1beta1/namespaces/blue/hostclaims",
        "/apis/METAL3.io/v1alpha1/namespaces/blue/hostclaims",
        "/apis/metal3.io/v1alpha1/namespaces/blue/HostClaims",
        "/apis/metal3.io/v1alpha1/hostclaims/a",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/admin",
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        "/apis/authorization.k8s.io/v1/namespaces/blue/localsubjectaccessreviews",
        "/apis/authentication.k8s.io/v1/tokenreviews",
        f"{CLAIMS}/a/scale",
        f"{CLAIMS}/a/status/x",
        f"{SECRET_PATH}/status",
        f"{SECRET_PATH}/anything",
        "/healthz",
        "/metrics",
        "/debug/pprof/heap",
        "/openid/v1/jwks",
        "/.well-known/openid-configuration",
        "/openapi/v3/apis/apps/v1",
        "/version/x",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_path_that_is_not_served_is_forbidden(path: str, method: str) -> None:
    with pytest.raises(Forbidden, match="this proxy serves hostclaims"):
        parse(method, path, MERGE)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("PUT", CLAIMS),
        ("PATCH", CLAIMS),
        ("POST", f"{CLAIMS}/a"),
        ("POST", f"{CLAIMS}/a/status"),
        ("POST", "/api/v1/secrets"),
        ("DELETE", "/api/v1/secrets"),
        ("HEAD", f"{CLAIMS}?watch=1"),
    ],
)
def test_a_method_that_a_path_does_not_have_is_refused(method: str, target: str) -> None:
    with pytest.raises(MethodNotAllowed):
        parse(method, target, MERGE)


def test_a_status_cannot_be_deleted() -> None:
    with pytest.raises(Forbidden):
        parse("DELETE", f"{CLAIMS}/a/status")


LETTERS: Final = frozenset(string.ascii_letters)
DIGITS: Final = frozenset(string.digits)
LOWER: Final = frozenset(string.ascii_lowercase) | DIGITS


def characters(fit: Callable[[str], bool]) -> set[str]:
    """Which of the characters of one byte fit, and of some that look or fold like one."""
    return {char for char in [*map(chr, range(256)), *"\u017f\u212a\u0660\uff10"] if fit(char)}


@pytest.mark.parametrize(
    "fits",
    [
        attributes.is_namespace,
        attributes.is_name,
        lambda part: attributes.is_name(f"b.{part}"),
        lambda part: attributes.is_name(f"{part}.b"),
    ],
)
def test_each_part_of_a_name_begins_and_ends_with_a_letter_or_digit(
    fits: Callable[[str], bool],
) -> None:
    assert characters(fits) == LOWER
    assert characters(lambda char: fits(f"{char}a")) == LOWER
    assert characters(lambda char: fits(f"a{char}")) == LOWER
    assert characters(lambda char: fits(f"a{char}a")) - {"."} == LOWER | {"-"}


def test_what_is_empty_is_no_name() -> None:
    assert not attributes.is_name("")
    assert not attributes.is_namespace("")


def test_the_longest_names_of_kubernetes_are_names() -> None:
    assert attributes.is_name("a" * 253)
    assert attributes.is_namespace("a" * 63)


# Patches.


@pytest.mark.parametrize("served", [*SERVED, *OPT_IN])
@pytest.mark.parametrize("patch_type", list(PatchType))
def test_a_patch_has_a_type_that_its_resource_has(served: Resource, patch_type: PatchType) -> None:
    target = f"{served.root}/namespaces/blue/{served.plural}/a"
    header = ("Content-Type", f"{patch_type.upper()} ; charset=utf-8")
    if patch_type in served.patch_types:
        assert resource("PATCH", target, header).patch_type is patch_type
    else:
        with pytest.raises(UnsupportedMediaType, match="merge-patch"):
            parse("PATCH", target, header)


@pytest.mark.parametrize(
    "media",
    ["", "application/json", "application/apply-patch+cbor", "application/merge-patch", "*/*"],
)
def test_a_patch_of_no_known_type_is_refused(media: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        parse("PATCH", SECRET_PATH, ("Content-Type", media))


def test_the_types_of_a_patch_are_those_of_kubernetes() -> None:
    # apimachinery, `types/patch.go`.
    of_any = {
        "application/json-patch+json": PatchType.JSON,
        "application/merge-patch+json": PatchType.MERGE,
        "application/apply-patch+yaml": PatchType.APPLY,
    }
    strategic = {"application/strategic-merge-patch+json": PatchType.STRATEGIC}
    assert {str(patch_type): patch_type for patch_type in PatchType} == of_any | strategic
    for custom in (HOSTCLAIMS, HARDWAREDATA):
        assert custom.patch_types == set(of_any.values())
    assert SECRETS.patch_types == set(PatchType)


def test_a_patch_of_two_types_is_refused() -> None:
    with pytest.raises(BadRequest):
        parse("PATCH", SECRET_PATH, MERGE, ("Content-Type", PatchType.JSON.value))


# Queries.


@pytest.mark.parametrize(
    ("raw", "read"),
    # Go's url.ParseQuery: pairs are split at `&` and then at the first `=`; in
    # a value `+` is a space, `%XX` a byte, and everything else is itself. A
    # `;` outside an escape or a broken escape drops the pair without a word.
    [
        ("a=b", "a=b"),
        ("a%3Db", "a=b"),
        ("a%3db", "a=b"),
        ("a+b", "a b"),
        ("a%2Bb", "a+b"),
        ("a%20b", "a b"),
        ("%26watch%3D1", "&watch=1"),
        ("a%3Bb", "a;b"),
        ("%2525", "%25"),
        ("%C3%A9", "é"),
        ("==", "=="),
        ("a/b?c", "a/b?c"),
        ("a,b!(c)", "a,b!(c)"),
        ("", ""),
    ],
)
def test_a_value_is_read_as_go_reads_it(raw: str, read: str) -> None:
    info = parse("GET", f"{CLAIMS}?limit=1&labelSelector={raw}")
    assert attributes.parameter(info, "labelSelector") == read


def is_read(target: str, method: str = "GET") -> bool:
    """Whether a target is in the grammar, be it served or not."""
    try:
        parse(method, target, MERGE)
    except BadRequest:
        return False
    except Forbidden:
        return True
    return True


def test_a_target_is_made_of_characters_that_all_readers_read_alike() -> None:
    plain = LETTERS | DIGITS | set("-._~:@/")
    query = f"{CLAIMS}?labelSelector="
    assert characters(lambda char: is_read(f"/a{char}a")) == plain
    assert characters(lambda char: is_read(f"{query}{char}")) == plain | set("+!$'()*,?=")
    assert characters(lambda char: is_read(f"{query}%4{char}")) == set(string.hexdigits)
    assert characters(lambda char: is_read(f"{query}%{char}1")) == set("01234567")  # of ASCII


def test_numbers_and_flags_are_plain_ones() -> None:
    assert characters(lambda char: is_read(f"{CLAIMS}?limit={char}")) == DIGITS
    assert characters(lambda char: is_read(f"{CLAIMS}?watch={char}")) == LETTERS | DIGITS
    assert is_read(f"{CLAIMS}?limit={'9' * 18}")


@given(texts)
def test_a_value_survives_being_written_and_read(value: str) -> None:
    assert Parameter.of("labelSelector", value).value == value


@pytest.mark.parametrize(
    "query",
    [
        "",
        "watch",
        "=1",
        "&",
        "watch=1&",
        "&watch=1",
        "watch=1&&limit=1",
        "watch=1;limit=1",
        "labelSelector=a;b",
        "labelSelector=%",
        "labelSelector=%4",
        "labelSelector=%zz",
        "labelSelector=%u0041",
        "labelSelector=%ff",
        "labelSelector=%C3",
        "labelSelector=%ED%A0%80",
        "labelSelector=a b",
        "labelSelector=é",
        "labelSelector=a#b",
        'labelSelector="a"',
        "labelSelector=a\x00",
        "labelSelector=a\n",
        "%77atch=1",
        "label-selector=a",
        "access_token=x",
        "labelSelector[]=a",
        "+watch=1",
        f"{'a' * 65}=1",
    ],
)
def test_a_query_that_is_not_canonical_is_refused(query: str) -> None:
    with pytest.raises(BadRequest):
        parse("GET", f"{CLAIMS}?{query}")


@pytest.mark.parametrize("query", ["{0}=1", "{0}=%ff", "{0}=1&{0}=1"])
def test_a_key_that_is_none_is_not_repeated_in_the_refusal(query: str) -> None:
    for key in ["", "a" * 65, *characters(lambda char: char not in LETTERS)]:
        with pytest.raises(BadRequest, match="the query is not in canonical form"):
            parse("GET", f"{CLAIMS}?{query.format(key)}")


@pytest.mark.parametrize("query", ["watch=1&watch=0", "limit=1&limit=1", "watch=0&limit=1&watch=1"])
def test_a_parameter_given_twice_is_refused(query: str) -> None:
    with pytest.raises(BadRequest, match="must be given once"):
        parse("GET", f"{CLAIMS}?{query}")


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", f"{CLAIMS}?Watch=1"),
        ("GET", f"{CLAIMS}?token=x"),
        ("GET", f"{CLAIMS}?dryRun=All"),
        ("GET", f"{CLAIMS}?export=true"),
        ("GET", f"{CLAIMS}/a?watch=1"),
        ("GET", f"{CLAIMS}/a?labelSelector=a"),
        ("POST", f"{CLAIMS}?force=true"),
        ("PUT", f"{CLAIMS}/a?force=true"),
        ("DELETE", f"{CLAIMS}/a?labelSelector=a"),
        ("DELETE", f"{CLAIMS}?watch=1"),
        ("DELETE", f"{CLAIMS}?allowWatchBookmarks=true"),
        ("DELETE", f"{CLAIMS}?includeObject=Object"),
        ("DELETE", f"{CLAIMS}?ignoreStoreReadErrorWithClusterBreakingPotential=true"),
        ("GET", "/api/v1?watch=1"),
        ("POST", f"{Review.ACCESS.value}?watch=1"),
    ],
)
def test_a_parameter_that_a_verb_does_not_have_is_refused(method: str, target: str) -> None:
    with pytest.raises(BadRequest, match="is not served here"):
        parse(method, target)


LISTED: Final = (
    "labelSelector fieldSelector limit continue resourceVersion resourceVersionMatch "
    "timeoutSeconds sendInitialEvents "
)
WRITTEN: Final = "dryRun fieldManager fieldValidation "
DELETED: Final = "dryRun gracePeriodSeconds propagationPolicy orphanDependents "
SERVED_PARAMETERS: Final = [
    ("GET", f"{CLAIMS}/a?", "resourceVersion includeObject"),
    ("GET", f"{CLAIMS}?", f"{LISTED} watch allowWatchBookmarks includeObject"),
    ("GET", f"{CLAIMS}?watch=1&", f"{LISTED} allowWatchBookmarks includeObject"),
    ("POST", f"{CLAIMS}?", WRITTEN),
    ("PUT", f"{CLAIMS}/a?", WRITTEN),
    ("PATCH", f"{CLAIMS}/a?", f"{WRITTEN} force"),
    ("DELETE", f"{CLAIMS}/a?", DELETED),
    ("DELETE", f"{CLAIMS}?", DELETED + LISTED),
    ("GET", "/apis?", "hash"),
    ("POST", f"{Review.ACCESS.value}?", WRITTEN),
]


@pytest.mark.parametrize(("method", "target", "served"), SERVED_PARAMETERS)
def test_a_verb_has_the_parameters_of_its_options_and_no_others(
    method: str, target: str, served: str
) -> None:
    every = {key for _, _, keys in SERVED_PARAMETERS for key in keys.split()}
    found = {key for key in every | {"timeout", "pretty"} if is_read(f"{target}{key}=1", method)}
    assert found == {"timeout", "pretty", *served.split()}


@pytest.mark.parametrize("value", ["-1", "", "x", "1.5", "1e3", "0x1", "%2B1", "1" * 19, "%D9%A1"])
@pytest.mark.parametrize("key", sorted(NUMBERS))
def test_a_number_that_is_none_is_refused(key: str, value: str) -> None:
    method = "DELETE" if key == "gracePeriodSeconds" else "GET"
    with pytest.raises(BadRequest, match="must be a number"):
        parse(method, f"{CLAIMS}?{key}={value}")


@pytest.mark.parametrize(
    ("value", "verb"),
    # apimachinery, `Convert_Slice_string_To_bool`.
    [
        ("0", Verb.LIST),
        ("false", Verb.LIST),
        ("False", Verb.LIST),
        ("FALSE", Verb.LIST),
        ("%30", Verb.LIST),
        ("1", Verb.WATCH),
        ("true", Verb.WATCH),
        ("f", Verb.WATCH),
        ("no", Verb.WATCH),
        ("00", Verb.WATCH),
        ("", Verb.WATCH),
    ],
)
def test_watch_is_read_as_the_apiserver_reads_it(value: str, verb: Verb) -> None:
    assert resource("GET", f"{CLAIMS}?watch={value}").verb is verb


@pytest.mark.parametrize("value", ["fal%C5%BFe", "false%00", "+false", "%EF%BC%90", "a,b"])
@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", f"{CLAIMS}?watch"),
        ("GET", f"{CLAIMS}?allowWatchBookmarks"),
        ("GET", f"{CLAIMS}?sendInitialEvents"),
        ("DELETE", f"{CLAIMS}/a?orphanDependents"),
        ("PATCH", f"{CLAIMS}/a?force"),
    ],
)
def test_a_flag_that_two_readers_may_read_differently_is_refused(
    method: str, target: str, value: str
) -> None:
    # Go's EqualFold takes a long s for an s; Python's lower() does not.
    with pytest.raises(BadRequest, match="must be true or false"):
        parse(method, f"{target}={value}", MERGE)


def test_a_parameter_is_set_in_its_place() -> None:
    info = resource("GET", f"{CLAIMS}?limit=1&labelSelector=a&continue=x")
    assert render(attributes.with_parameter(info, "labelSelector", "b=c")).endswith(
        "?limit=1&labelSelector=b%3Dc&continue=x"
    )


def test_a_parameter_that_was_not_there_is_added() -> None:
    info = resource("GET", CLAIMS)
    assert render(attributes.with_parameter(info, "dryRun", "All")) == f"{CLAIMS}?dryRun=All"
    assert attributes.parameter(info, "dryRun") == ""


def test_what_no_client_sends_is_refused_whatever_the_path() -> None:
    with pytest.raises(Forbidden, match="impersonation"):
        parse("GET", CLAIMS, ("Impersonate-User", "system:admin"))


# What is remembered is what would be found out anew.


def outcome(read: Callable[[str, str], RequestInfo], method: str, target: str) -> object:
    """A request, or the refusal with its words."""
    try:
        return read(method, target)
    except Refused as refused:
        return refused.code, refused.message


WITHOUT_PATCH = ["GET", "HEAD", "POST", "PUT", "DELETE"]


@given(requests.map(render), st.data())
def test_what_was_asked_before_gets_the_answer_of_the_first_time(
    target: str, data: st.DataObject
) -> None:
    targets = [target, "/" + data.draw(near_misses(target)).removeprefix("/")] * 2
    for asked, method in product(targets, WITHOUT_PATCH):
        anew = outcome(attributes._parse, method, asked)
        assert outcome(parse, method, asked) == anew


@given(st.lists(requests, min_size=2, max_size=2, unique_by=render))
def test_no_two_requests_share_a_target(infos: list[RequestInfo]) -> None:
    assert len({render(info) for info in [*infos, *infos]}) == 2


def test_a_patch_of_another_type_is_another_request() -> None:
    types = [resource("PATCH", SECRET_PATH, ("Content-Type", t)).patch_type for t in PatchType]
    assert types == list(PatchType)
    with pytest.raises(UnsupportedMediaType):
        parse("PATCH", SECRET_PATH)


def test_a_path_that_is_asked_for_again_is_not_read_again() -> None:
    assert parse("GET", f"{CLAIMS}/again") is parse("GET", f"{CLAIMS}/again")


def test_what_is_remembered_of_paths_is_bounded() -> None:
    for number in range(5000):
        parse("GET", f"{CLAIMS}/n{number}")
    known = attributes._parse_remembered.cache_info()
    assert known.currsize == known.maxsize == 4096


@pytest.mark.parametrize("target", [f"{CLAIMS}?labelSelector=a", f"{CLAIMS}?limit=1", "/" * 385])
def test_of_a_query_or_a_long_target_nothing_is_remembered(target: str) -> None:
    before = attributes._parse_remembered.cache_info()
    outcome(parse, "GET", target)
    assert attributes._parse_remembered.cache_info() == before


def test_the_longest_path_is_remembered() -> None:
    longest = f"/apis/metal3.io/v1alpha1/namespaces/{'n' * 63}/hostclaims/{'c' * 253}/status"
    assert parse("GET", longest) is parse("GET", longest)
