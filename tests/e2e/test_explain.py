"""`policy explain` of a token, and the same request by the same token on the wire: one answer."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest
import yaml
from click.testing import Result

from tests.cli.policy.files import run
from tests.e2e import realms
from tests.e2e.ledger import record_of
from tests.e2e.realms import Realm
from tests.e2e.serving import AnotherProxy, Settings, another
from tests.e2e.world import World

SAMPLE: Final = 50
PEOPLE: Final = ("blue-capm3", "red-capm3", "auditor", "alice")
SUBJECTS: Final = (
    {"group": "/tenants/blue"},
    {"group": "/tenants/red"},
    {"client": "auditor"},
    {"user": "alice"},
    {"everyone": True},
)
PATTERNS: Final = ("blue-dev", "blue-prod", "blue-*", "red", "*")
METHODS: Final = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}
VERBS: Final = ("get", "list", "watch", *METHODS)
MEDIA: Final = {
    "merge": "application/merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


@dataclass(frozen=True)
class Scene:
    """A proxy by whose policies some may and some may not."""

    world: World
    proxy: AnotherProxy

    def answers(self, who: str, method: str, target: str, media: str) -> tuple[int, Any]:
        """The code, and what the audit record says of the decision."""
        body = b"{}" if method in {"POST", "PUT", "PATCH"} else None
        headers = {"Content-Type": media} if body else {}
        token = self.world.token(who)
        answer = self.proxy.ask(method, target, token=token, headers=headers, body=body)
        return answer.code, record_of(self.proxy, answer.headers["Audit-Id"])["annotations"]


def documents(chance: random.Random) -> Iterator[dict[str, Any]]:
    for number in range(8):
        effect = "deny" if number % 4 == 3 else "allow"
        what: dict[str, Any] = {"role": chance.choice(["viewer", "editor"])}
        if chance.random() < 0.4:
            verbs = chance.sample(VERBS, 3)
            what = {"resources": [chance.choice(["hostclaims", "secrets"])], "verbs": verbs}
        where = chance.sample(PATTERNS[:4] if effect == "deny" else PATTERNS, 2)
        yield {
            "apiVersion": "hostclaim-proxy.metal3.io/v1alpha1",
            "kind": "AccessPolicy",
            "metadata": {"name": f"policy-{number}"},
            "spec": {
                "subjects": [{"issuer": "corp", **chance.choice(SUBJECTS)}],
                effect: [{"namespaces": where, **what}],
            },
        }


@pytest.fixture(scope="module")
def scene(world: World) -> Iterator[Scene]:
    def change(settings: Settings) -> None:
        (path,) = settings["policies"]["paths"]
        folder = world.directory / path
        for file in folder.iterdir():
            file.unlink()
        found = documents(random.Random(4))  # noqa: S311 - the same in each run
        (folder / "random.yaml").write_text(yaml.safe_dump_all(found))

    with another(world, "explain", change) as proxy:
        yield Scene(world, proxy)


def questions() -> Iterator[tuple[str, str, str, str | None, str]]:
    chance = random.Random(2)  # noqa: S311 - the same in each run
    for _ in range(SAMPLE):
        verb = chance.choice(VERBS)
        namespace = chance.choice(["blue-dev", "blue-prod", "red"])
        everywhere = verb == "list" and chance.random() < 0.3
        patch = chance.choice([*MEDIA]) if verb == "patch" else ""
        plural = chance.choice(["hostclaims", "hostclaims", "secrets"])
        yield chance.choice(PEOPLE), verb, plural, None if everywhere else namespace, patch


def target_of(verb: str, plural: str, namespace: str | None) -> str:
    root = "/apis/metal3.io/v1alpha1" if plural == "hostclaims" else "/api/v1"
    where = f"/namespaces/{namespace}" if namespace else ""
    name = "" if verb in {"list", "watch", "create"} else "/nobodys"
    # Nothing is left behind, and no watch stays open.
    query = {"watch": "?watch=true&timeoutSeconds=1", "get": "", "list": ""}
    return f"{root}{where}/{plural}{name}{query.get(verb, '?dryRun=All')}"


@pytest.mark.parametrize(
    ("who", "verb", "plural", "namespace", "patch"),
    [pytest.param(*asked, id=str(number)) for number, asked in enumerate(questions())],
)
def test_explain_says_what_the_proxy_answers(
    scene: Scene, who: str, verb: str, plural: str, namespace: str | None, patch: str
) -> None:
    where = ("-A",) if namespace is None else ("-n", namespace)
    kind = ("--patch-type", patch) if patch else ()
    asked = (verb, plural, *where, *kind, "--token-file", "-", "--config", scene.proxy.config)
    told = run("explain", *asked, "-o", "json", stdin=scene.world.token(who))
    said = yaml.safe_load(told.stdout)
    query = target_of(verb, plural, namespace) + ("&fieldManager=x" if patch == "apply" else "")
    method, media = METHODS.get(verb, "GET"), MEDIA.get(patch, "application/json")
    code, record = scene.answers(who, method, query, media)
    denied = record["authorization.k8s.io/decision"] == "forbid"
    assert (told.exit_code, said["decision"]) == ((1, "deny") if denied else (0, "allow"))
    assert code == 403 or not denied
    rules = [rule["origin"] for rule in said["rules"]]
    named = [said["reason"], *rules[:1]] if denied else rules
    assert record["authorization.k8s.io/reason"] == "; ".join(named)


def test_the_sample_has_what_is_allowed_denied_and_not_granted(scene: Scene) -> None:
    found = {"allow": 0, "denied": 0, "not granted": 0}
    for who, verb, plural, namespace, patch in questions():
        where = ("-A",) if namespace is None else ("-n", namespace)
        kind = ("--patch-type", patch) if patch else ()
        group = {"blue-capm3": "/tenants/blue", "red-capm3": "/tenants/red"}.get(who, "/x")
        them = ("--as", who, "--as-group", group, "--as-client", who, "--issuer", "corp")
        told = run(
            *("explain", verb, plural, *where, *kind, *them),
            *("--policies", scene.proxy.policies, "-o", "json"),
        )
        said = yaml.safe_load(told.stdout)
        kind_of = "denied" if said["rules"] else "not granted"
        found["allow" if said["decision"] == "allow" else kind_of] += 1
    assert min(found.values()) >= 5, found


# Somebody as the IAM knows them now.

GET = ("get", "hostclaims", "-n", "blue-dev")


@pytest.fixture(scope="module")
def realm(world: World) -> Realm:
    return realms.administered(world, name="explain-admin")


@pytest.fixture
def live(scene: Scene, realm: Realm, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("HOSTCLAIM_PROXY_ADMIN_CLIENT_SECRET", realm.secret)

    def explain(*who: str) -> Result:
        admin = ("--admin-client-id", realm.client_id)
        asked = (*GET, *who, *admin, "--config", scene.proxy.config, "-o", "json")
        return run("explain", *asked)

    return explain


@pytest.mark.parametrize(
    "account",
    ["blue-capm3", "red-capm3"],
)
def test_a_client_is_who_its_token_would_say(
    scene: Scene, live: Callable[..., Result], account: str
) -> None:
    asked = (*GET, "--token-file", "-", "--config", scene.proxy.config, "-o", "json")
    by_token = run("explain", *asked, stdin=scene.world.token(account))
    told = live("--live-client", account)
    assert (told.exit_code, told.stdout) == (by_token.exit_code, by_token.stdout)


def test_a_person_is_who_their_token_would_say(scene: Scene, live: Callable[..., Result]) -> None:
    client = scene.world.iam.peoples_client
    told = yaml.safe_load(live("--live", "alice", "--live-client", client).stdout)["identity"]
    groups = ["/tenants/blue"]
    assert told == {"name": "corp:alice", "issuer": "corp", "groups": groups, "client": client}


@pytest.mark.parametrize(
    ("who", "code", "why"),
    [
        (("--live-client", "nobodys"), 2, "there is no client `nobodys`"),
        (("--live", "nobody", "--live-client", "auditor"), 2, "there is no user `nobody`"),
        (("--live", "alice"), 2, "give --live-client: by which client they log in"),
        (("--live", "alice", "--as", "alice"), 2, "give one of --as and its like, and --live"),
    ],
)
def test_somebody_who_cannot_be_looked_up_is_told(
    live: Callable[..., Result], who: tuple[str, ...], code: int, why: str
) -> None:
    told = live(*who)
    assert (told.exit_code, told.stdout) == (code, "")
    assert why in told.stderr
