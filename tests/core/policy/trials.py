"""A good test of policies, pieces to change in it, and what an admin may get wrong."""

from copy import deepcopy
from typing import Any

from proxy.core.policy import API_VERSION, Path, Placed, Read, read
from tests.core.policy.documents import GOOD, document
from tests.core.policy.mistakes import MAPPING

BLUE: dict[str, Any] = {"issuer": "corp", "username": "alice", "groups": ["/tenants/blue"]}
TRIAL: dict[str, Any] = {
    "name": "blue writes claims",
    "identity": BLUE,
    "request": {"verbs": ["create"], "resources": ["hostclaims"], "namespaces": ["blue-dev"]},
    "expect": {"decision": "allow"},
}
CLAIM: dict[str, Any] = {
    "apiVersion": "metal3.io/v1alpha1",
    "kind": "HostClaim",
    "metadata": {"name": "node-0"},
    "spec": {"hostSelector": {"inNamespace": "pool-a"}},
}


def trial(**fields: Any) -> dict[str, Any]:
    """The good test with other fields."""
    return {**TRIAL, **fields}


def asking(**fields: Any) -> dict[str, Any]:
    """The good test with another request, in the same namespace unless it says otherwise."""
    return trial(request={"resources": ["hostclaims"], "namespaces": ["blue-dev"], **fields})


def policy_test(*trials: object, name: str = "blue") -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "PolicyTest",
        "metadata": {"name": name},
        "spec": {"tests": [*trials]},
    }


def placed(*trials: object) -> tuple[Placed, ...]:
    """The tests as they are read, beside a policy."""
    found = read([document(GOOD), document(policy_test(*trials), "blue-test.yaml")])
    assert isinstance(found, Read), "\n".join(map(str, found))
    return found.tests


def with_piece(path: Path, value: object) -> dict[str, Any]:
    """The good test with one piece of it set."""
    made = deepcopy(TRIAL)
    *way, last = path
    part: Any = made
    for step in way:
        part = part[step]
    part[last] = value
    return made


HERE = "spec.tests[0]"
NAMED = "it goes with `get`, `update`, `patch`, `delete`"

WRONG: list[tuple[dict[str, Any], str]] = [
    (
        trial(identity={"issuer": "corp", "serviceAccount": "a/b", "groups": ["x"]}),
        (
            f"{HERE}.identity: has `serviceAccount` and `groups`, "
            "a service account has nothing else, leave the others out"
        ),
    ),
    (
        with_piece(("identity", "group"), "x"),
        f"{HERE}.identity: unknown field `group`, did you mean `groups`?",
    ),
    (
        with_piece(("identity", "claims"), {"teams": "lab-1"}),
        (
            f"{HERE}.identity.claims.teams: is a string, not a list, "
            "write `[...]`, or lines that begin with `- `"
        ),
    ),
    *(
        (
            with_piece(("identity", "issuer"), issuer),
            (
                f"{HERE}.identity.issuer: no issuer can be called `{issuer}`, "
                "write its name in the configuration, a DNS label"
            ),
        )
        for issuer in ("::error::corp", "Corp", "system", "")
    ),
    (
        with_piece(("identity", "groups"), ["system:masters"]),
        (
            f"{HERE}.identity.groups[0]: `system:masters` begins with `system:`, which no token "
            "may claim, a service account is written `serviceAccount: NAMESPACE/NAME`"
        ),
    ),
    (
        with_piece(("request", "namespaces"), ["blue-*"]),
        (
            f"{HERE}.request.namespaces[0]: `blue-*` is no namespace, "
            "write its name, a request is for one namespace"
        ),
    ),
    (
        asking(verbs=["get", "list"], name="node-0"),
        f"{HERE}.request: has `name` with `list`, {NAMED}",
    ),
    (
        asking(verbs=["get", "delete"], subresource="status"),
        (f"{HERE}.request: has `subresource` with `delete`, it goes with `get`, `update`, `patch`"),
    ),
    (
        asking(verbs=["get"], subresource="scale"),
        f"{HERE}.request.subresource: unknown subresource `scale`, use `status`",
    ),
    (
        asking(verbs=["get"], resources=["hostclaims", "secrets"], subresource="status"),
        (
            f"{HERE}.request: has subresource `status`, which `secrets` do not have, "
            "leave it out, or test them apart"
        ),
    ),
    (
        asking(verbs=["get"], patchType="apply"),
        f"{HERE}.request: has `patchType` and no patch, leave it out, or add the verb",
    ),
    (
        asking(verbs=["patch"], patchType="strategic"),
        (
            f"{HERE}.request: has `patchType: strategic`, which `hostclaims` do not have, "
            "use `json`, `merge`, `apply`"
        ),
    ),
    (
        asking(verbs=["patch"], patchType="server-side"),
        (
            f"{HERE}.request.patchType: unknown type of patch `server-side`, "
            "use `json` or `merge` or `strategic` or `apply`"
        ),
    ),
    (
        asking(verbs=["create"], resources=["hardwaredata"]),
        (
            f"{HERE}.request: has `create`, and `hardwaredata` is only read, "
            "use `get`, `list`, `watch`"
        ),
    ),
    (
        trial(request={"verbs": ["list", "create"], "resources": ["hostclaims"]}),
        f"{HERE}.request: has all namespaces with `create`, it goes with `list`, `watch`",
    ),
    (
        with_piece(("expect", "decision"), "Denied"),
        f"{HERE}.expect.decision: unknown decision `Denied`, did you mean `deny`?",
    ),
    (
        with_piece(("expect", "rule"), {"policy": "blue", "path": "allow[0]"}),
        f"{HERE}.expect.rule.path: `allow[0]` is no rule, write `spec.allow[0]`",
    ),
    (
        with_piece(("expect", "rule"), {"path": "spec.allow[0]"}),
        f"{HERE}.expect.rule.policy: is missing, add `policy: ...`",
    ),
    (with_piece(("expect", "rule"), None), f"{HERE}.expect.rule: has no value, give it a mapping"),
    (
        with_piece(("expect", "rule"), {"policy": "blue", "path": "spec.deny[0]"}),
        (
            f"{HERE}.expect: has `decision: allow` by `spec.deny[0]`, "
            "a grant allows, a denial denies"
        ),
    ),
    (
        trial(body=CLAIM, expect={"decision": "allow", "fields": ["spec.image.url"]}),
        (
            f"{HERE}.expect: has `fields` and `decision: allow`, "
            "`fields` are those of a body that no grant lets pass"
        ),
    ),
    (
        trial(body=CLAIM, expect={"decision": "deny", "fields": ["a"], "rule": {"policy": "b"}}),
        (
            f"{HERE}.expect: has `fields` and a rule, "
            "`fields` are those of a body that no grant lets pass"
        ),
    ),
    (
        trial(expect={"decision": "deny", "fields": ["spec.image.url"]}),
        f"{HERE}: expects `fields` and has no body, add the body",
    ),
    (
        trial(hostClaims=3),
        f"{HERE}: has `hostClaims` and no body, add the HostClaim that is to be made",
    ),
    (
        {**asking(verbs=["update"]), "body": CLAIM, "hostClaims": 3},
        (
            f"{HERE}: has `hostClaims`, which do not matter here, "
            "they count where a HostClaim is made, by a create or an apply"
        ),
    ),
    (
        {**asking(verbs=["create"], resources=["secrets"]), "body": {}, "hostClaims": 3},
        (
            f"{HERE}: has `hostClaims`, which do not matter here, "
            "they count where a HostClaim is made, by a create or an apply"
        ),
    ),
    (
        {**asking(verbs=["create", "delete"]), "body": CLAIM},
        f"{HERE}: has a body with `delete`, it goes with `create`, `update`, `patch`",
    ),
    (
        {**asking(verbs=["update"], subresource="status"), "body": CLAIM},
        f"{HERE}: has a body with a subresource, leave one out, a body is a whole object",
    ),
    (
        {**asking(verbs=["patch"], patchType="json"), "body": CLAIM},
        f"{HERE}: has a body with `patchType: json`, leave one out, a body is a whole object",
    ),
    (
        trial(body={**CLAIM, "kind": "Secret"}),
        f"{HERE}: has another `kind` in its body than `hostclaims` have, write `kind: HostClaim`",
    ),
    (
        trial(body={**CLAIM, "apiVersion": "v1"}),
        (
            f"{HERE}: has another `apiVersion` in its body than `hostclaims` have, "
            "write `apiVersion: metal3.io/v1alpha1`"
        ),
    ),
    *(
        (
            trial(name=name),
            f"{HERE}.name: `{shown}` does not fit on a line, use 1 to 256 printable characters",
        )
        for name, shown in (("", ""), ("a\nb", "a\\nb"), ("x" * 257, "x" * 80 + "..."))
    ),
    (trial(body="{}"), f"{HERE}.body: is a string, {MAPPING}"),
    (
        trial(hostClaims=-1, body=CLAIM),
        f"{HERE}.hostClaims: `-1` is below zero, give a number, zero or more",
    ),
    (
        trial(expected={}),
        f"{HERE}: unknown field `expected`, did you mean `expect`?",
    ),
]
