"""What an admin may get wrong: a piece of the good document, a value, what is said of it."""

from proxy.core.policy import API_VERSION, Path
from tests.core.policy.documents import ABSENT

PATTERN_HINT = "use a name of RFC 1123, a beginning such as `blue-*`, or `*`"
TEXT_HINT = "use 1 to 1024 printable characters, no blanks around them"
ONE_SUBJECT = "give one of `group`, `user`, `client`, `serviceAccount`, `everyone`"
KINDS = "write `kind: AccessPolicy` or `kind: PolicyTest`"
MAPPING = "not a mapping, write lines of `field: value`"
LIST = "not a list, write `[...]`, or lines that begin with `- `"
NAMESPACE: Path = ("spec", "allow", 0, "namespaces", 0)
SUBJECT: Path = ("spec", "subjects", 0)
GRANT: Path = ("spec", "allow", 0)
DENIAL: Path = ("spec", "deny", 0)


def subject(**fields: object) -> dict[str, object]:
    return {"issuer": "corp", **fields}


def on_hardware(*verbs: str) -> dict[str, object]:
    return {"namespaces": ["blue"], "resources": ["hostclaims", "hardwaredata"], "verbs": [*verbs]}


READ_ALONE = "and `hardwaredata` is only read, use `get`, `list`, `watch`"

WRONG: list[tuple[Path, object, str]] = [
    (GRANT, on_hardware("get", "create"), f"spec.allow[0]: has `create`, {READ_ALONE}"),
    (
        GRANT,
        on_hardware("patch", "deletecollection"),
        f"spec.allow[0]: has `patch` and `deletecollection`, {READ_ALONE}",
    ),
    (DENIAL, on_hardware("update"), f"spec.deny[0]: has `update`, {READ_ALONE}"),
    (("kind",), ABSENT, f"kind: is missing, {KINDS}"),
    (("kind",), "ConfigMap", f"kind: unknown kind `ConfigMap`, {KINDS}"),
    (
        ("kind",),
        "accesspolicy",
        "kind: unknown kind `accesspolicy`, did you mean `kind: AccessPolicy`?",
    ),
    (("kind",), 1, "kind: is `1`, not a string, put it in quotes"),
    (("apiVersion",), ABSENT, "apiVersion: is missing, add `apiVersion: ...`"),
    (("apiVersion",), "v1", f"apiVersion: unknown version `v1`, use `{API_VERSION}`"),
    (
        ("apiVersion",),
        API_VERSION.removesuffix("1"),
        f"apiVersion: unknown version `{API_VERSION[:-1]}`, did you mean `{API_VERSION}`?",
    ),
    (("status",), {}, "unknown field `status`, leave it out, policies are in no cluster"),
    (("allow",), [], "unknown field `allow`, it is a field of `spec`, check the indentation"),
    (("metadata",), ABSENT, "metadata: is missing, add `metadata: ...`"),
    (("metadata",), [], f"metadata: is a list, {MAPPING}"),
    (("metadata", "name"), ABSENT, "metadata.name: is missing, add `name: ...`"),
    (
        ("metadata", "name"),
        "Blue Team",
        (
            "metadata.name: `Blue Team` is not a name of RFC 1123, use lower-case letters, "
            "digits, `-` and `.`, a letter or digit first and last"
        ),
    ),
    (
        ("metadata", "labels"),
        {},
        "metadata: unknown field `labels`, leave it out, policies are in no cluster",
    ),
    (
        ("metadata", "annotations"),
        "x",
        f"metadata.annotations: is a string, {MAPPING}",
    ),
    (
        ("metadata", "annotations"),
        {"contact": 5},
        "metadata.annotations.contact: is `5`, not a string, put it in quotes",
    ),
    (("spec",), ABSENT, "spec: is missing, add `spec: ...`"),
    (("spec",), None, "spec: has no value, give it a mapping"),
    (("spec", "subjects"), ABSENT, "spec.subjects: is missing, add `subjects: ...`"),
    (
        ("spec", "subjects"),
        [],
        "spec.subjects: is empty, give it an item",
    ),
    (
        ("spec", "enforcement"),
        "shadows",
        "spec.enforcement: unknown enforcement `shadows`, did you mean `shadow`?",
    ),
    (
        ("spec", "enforcement"),
        "off",
        "spec.enforcement: unknown enforcement `off`, use `enforce` or `shadow`",
    ),
    (
        ("spec", "enforcement"),
        True,
        "spec.enforcement: is `true`, not a string, put it in quotes",
    ),
    (("spec", "enforcement"), None, "spec.enforcement: has no value, give it a string"),
    (
        ("spec", "enforcment"),
        "shadow",
        "spec: unknown field `enforcment`, did you mean `enforcement`?",
    ),
    (SUBJECT, "alice", f"spec.subjects[0]: is a string, {MAPPING}"),
    (SUBJECT, subject(), f"spec.subjects[0]: names nobody, {ONE_SUBJECT}"),
    (
        SUBJECT,
        subject(user="alice", client="c"),
        f"spec.subjects[0]: has `user` and `client`, {ONE_SUBJECT}",
    ),
    (SUBJECT, {"user": "alice"}, "spec.subjects[0].issuer: is missing, add `issuer: ...`"),
    (
        SUBJECT,
        {"isuer": "corp", "user": "alice"},
        "spec.subjects[0]: unknown field `isuer`, did you mean `issuer`?",
    ),
    (
        SUBJECT,
        subject(user="system:admin"),
        (
            "spec.subjects[0].user: `system:admin` begins with `system:`, which no token may "
            "claim, a service account is written `serviceAccount: NAMESPACE/NAME`"
        ),
    ),
    (SUBJECT, subject(group=""), f"spec.subjects[0].group: `` is in no token, {TEXT_HINT}"),
    (SUBJECT, subject(group=" a"), f"spec.subjects[0].group: ` a` is in no token, {TEXT_HINT}"),
    (
        SUBJECT,
        subject(group="a\x1b[2J"),
        f"spec.subjects[0].group: `a\\x1b[2J` is in no token, {TEXT_HINT}",
    ),
    (
        SUBJECT,
        subject(group="a" * 2000),
        f"spec.subjects[0].group: `{'a' * 80}...` is in no token, {TEXT_HINT}",
    ),
    (
        SUBJECT,
        subject(serviceAccount="system:serviceaccount:capm3:manager"),
        (
            "spec.subjects[0].serviceAccount: `system:serviceaccount:capm3:manager` is no "
            "service account, did you mean `capm3/manager`?"
        ),
    ),
    (
        SUBJECT,
        subject(serviceAccount="capm3/manager/x"),
        (
            "spec.subjects[0].serviceAccount: `capm3/manager/x` is no service account, "
            "write NAMESPACE/NAME"
        ),
    ),
    (
        SUBJECT,
        subject(everyone=False),
        "spec.subjects[0].everyone: is `false`, leave the field out, or write `true`",
    ),
    (SUBJECT, subject(everyone=1), "spec.subjects[0].everyone: is `1`, not `true`, write `true`"),
    (
        SUBJECT,
        subject(everyone="yes"),
        "spec.subjects[0].everyone: is a string, not `true`, write `true`",
    ),
    (("spec", "allow"), {}, f"spec.allow: is a mapping, {LIST}"),
    (
        ("spec",),
        {"subjects": [subject(user="a")]},
        "spec: neither grants nor denies anything, give `allow` or `deny`",
    ),
    (
        GRANT,
        {"role": "viewer"},
        "spec.allow[0]: names no namespace, give `namespaces` or `namespacesFromClaim`",
    ),
    (
        GRANT,
        {"namespaces": ["a"]},
        "spec.allow[0]: grants nothing, give a role, or resources and verbs",
    ),
    (
        GRANT,
        {"namespaces": ["a"], "verbs": ["get"]},
        "spec.allow[0]: grants nothing, give a role, or resources and verbs",
    ),
    (
        GRANT,
        {"namespaces": ["a"], "role": "viewer", "verbs": ["get"], "resources": ["secrets"]},
        (
            "spec.allow[0]: has `role` and `resources` and `verbs`, "
            "give a role, or resources and verbs"
        ),
    ),
    (
        GRANT,
        {"namespace": ["a"], "role": "viewer"},
        "spec.allow[0]: unknown field `namespace`, did you mean `namespaces`?",
    ),
    (
        (*GRANT, "role"),
        "edit",
        "spec.allow[0].role: unknown role `edit`, did you mean `editor`?",
    ),
    (
        (*GRANT, "role"),
        "cluster-admin",
        "spec.allow[0].role: unknown role `cluster-admin`, use `viewer` or `editor`",
    ),
    (
        (*GRANT, "role"),
        None,
        "spec.allow[0].role: has no value, give it a string",
    ),
    (
        GRANT,
        {"namespaces": ["a"], "resources": ["pods"], "verbs": ["get"]},
        (
            "spec.allow[0].resources[0]: unknown resource `pods`, "
            "use `hostclaims` or `secrets` or `hardwaredata`"
        ),
    ),
    (
        GRANT,
        {"namespaces": ["a"], "resources": ["secrets"], "verbs": ["Get"]},
        "spec.allow[0].verbs[0]: unknown verb `Get`, did you mean `get`?",
    ),
    (
        GRANT,
        {"namespaces": ["a"], "resources": ["secrets"], "verbs": ["*"]},
        (
            "spec.allow[0].verbs[0]: unknown verb `*`, use `get` or `list` or `watch` or "
            "`create` or `update` or `patch` or `delete` or `deletecollection`"
        ),
    ),
    (
        GRANT,
        {"namespacesFromClaim": ["a"], "role": "viewer"},
        "spec.allow[0].namespacesFromClaim: is a list, not a string, write a single one",
    ),
    (
        GRANT,
        {"namespacesFromClaim": "a..b", "role": "viewer"},
        (
            "spec.allow[0].namespacesFromClaim: `a..b` is not the name of a claim, "
            "write names with a dot between each two, such as `realm_access.roles`"
        ),
    ),
    (
        (*GRANT, "namespaces"),
        "blue",
        f"spec.allow[0].namespaces: is a string, {LIST}",
    ),
    (
        (*GRANT, "namespaces"),
        [],
        "spec.allow[0].namespaces: is empty, give it an item",
    ),
    (NAMESPACE, 7, "spec.allow[0].namespaces[0]: is `7`, not a string, put it in quotes"),
    (
        NAMESPACE,
        "Blue",
        "spec.allow[0].namespaces[0]: `Blue` matches no namespace, did you mean `blue`?",
    ),
    (
        NAMESPACE,
        "blue*",
        "spec.allow[0].namespaces[0]: `blue*` matches no namespace, did you mean `blue-*`?",
    ),
    *(
        (
            NAMESPACE,
            pattern,
            f"spec.allow[0].namespaces[0]: `{pattern}` matches no namespace, {PATTERN_HINT}",
        )
        for pattern in ("a*b", "-*", "*-a", "**", "a.b", "-a", "a-", "a" * 64, "a" * 62 + "-*", "")
    ),
    (
        DENIAL,
        {"role": "viewer"},
        "spec.deny[0].namespaces: is missing, add `namespaces: ...`",
    ),
    (
        DENIAL,
        {"namespaces": ["a"], "role": "viewer", "verbs": ["get"]},
        "spec.deny[0]: has `role` and `verbs`, give a role, or resources and verbs",
    ),
    (
        (*DENIAL, "namespacesFromClaim"),
        "ns",
        "spec.deny[0]: unknown field `namespacesFromClaim`, did you mean `namespaces`?",
    ),
    (
        (*DENIAL, "verbs"),
        [],
        "spec.deny[0].verbs: is empty, give it an item",
    ),
    ((*GRANT, "bounds"), [], f"spec.allow[0].bounds: is a list, {MAPPING}"),
    (
        (*GRANT, "bounds"),
        {"image": ["https://images.example.com/"]},
        "spec.allow[0].bounds: unknown field `image`, did you mean `images`?",
    ),
    (
        (*GRANT, "bounds"),
        {"hostSelector": {"inNamespace": ["pool-a"]}},
        (
            "spec.allow[0].bounds.hostSelector: unknown field `inNamespace`, "
            "did you mean `inNamespaces`?"
        ),
    ),
    (
        (*GRANT, "bounds"),
        {"images": ["https://images.example.com"]},
        (
            "spec.allow[0].bounds.images[0]: `https://images.example.com` cannot bound images, "
            "write a URL that ends with `/`, such as `https://images.example.com/blue/`"
        ),
    ),
    (
        (*GRANT, "bounds"),
        {"maxHostClaims": -1},
        "spec.allow[0].bounds.maxHostClaims: `-1` is below zero, give a number, zero or more",
    ),
    (
        (*GRANT, "bounds"),
        {"maxHostClaims": "3"},
        "spec.allow[0].bounds.maxHostClaims: is a string, not a number, write it without quotes",
    ),
    (
        (*GRANT, "bounds"),
        {"hostSelector": {"matchLabels": {"pool": "a b"}}},
        (
            "spec.allow[0].bounds.hostSelector.matchLabels.pool: `a b` is not the value of a "
            "label, use at most 63 letters, digits, `-`, `_` and `.`"
        ),
    ),
]
