"""A token that is due is replaced, in one Secret, on the version that was looked at."""

import base64
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from proxy.refresher import order
from proxy.refresher.cluster import ApiError
from proxy.refresher.credentials import ClientSecret, Credentials
from proxy.refresher.errors import RefreshError
from proxy.refresher.renewal import RECHECK_SECONDS, Bounds, Renewal, Standing
from proxy.refresher.schedule import Lifetime
from proxy.refresher.tokens import Token
from tests.refresher.clocks import START, ManualClock
from tests.refresher.worlds import (
    ISSUER,
    PROXY,
    FakeIssuers,
    FakeSecrets,
    FakeTokenFile,
    Leading,
    iam,
    kubeconfig,
    ordered,
    secret,
    signed,
    token_of,
)

OWN = Token(signed(START, 3600), Lifetime(START, START + 3600))

BOUNDS = Bounds(frozenset({PROXY}), frozenset({"blue"}))


@dataclass
class World:
    """A renewal among fakes."""

    secrets: FakeSecrets
    clock: ManualClock = field(default_factory=ManualClock)
    office: Leading = field(default_factory=Leading)
    own: FakeTokenFile = field(default_factory=lambda: FakeTokenFile(OWN))
    bounds: Bounds = BOUNDS

    def __post_init__(self) -> None:
        self.issuers = FakeIssuers(self.clock)
        self.renewal = Renewal(self.secrets, self.issuers, self.own, self.bounds, self.clock)

    async def renew(self, namespace: str = "blue") -> Standing:
        return await self.renewal.renew(namespace, "one", self.office)

    async def refusal(self) -> str:
        with pytest.raises(RefreshError) as refused:
            await self.renew()
        return str(refused.value)

    def said(self, key: str) -> str | None:
        return self.secrets.annotation("one", key)

    def meddle_once(self) -> None:
        """Have somebody else write the Secret before our first write of it."""

        def meddle() -> None:
            self.secrets.touch("one")
            self.secrets.before_patch = lambda: None

        self.secrets.before_patch = meddle

    @property
    def token(self) -> str:
        return token_of(self.secrets.objects["one"])


def world(one: dict[str, Any] | None = None, *others: dict[str, Any]) -> World:
    return World(FakeSecrets(one or ordered(), *(others or (iam(),))))


async def test_a_secret_without_a_token_gets_one() -> None:
    blue = world()
    standing = await blue.renew()
    assert blue.token == blue.issuers.given[-1]
    assert standing.renewed
    assert standing.expires == START + 300
    assert START + 180 <= standing.again <= START + 240


async def test_the_issuer_is_asked_with_what_the_named_secret_holds() -> None:
    blue = world()
    await blue.renew()
    assert blue.issuers.asked == [Credentials(ISSUER, "blue-capm3", ClientSecret("s3cret"))]


async def test_of_the_secret_the_token_and_our_notes_are_written_and_nothing_else() -> None:
    before = secret(
        "one",
        {"value": kubeconfig(), "other": "x"},
        labels={order.LABEL: "true"},
        annotations={order.FROM: "secret/iam", "theirs": "y", order.ERROR: "it was away"},
    )
    blue = world(before, iam())
    await blue.renew()
    [(name, patch)] = blue.secrets.patches
    assert name == "one"
    assert set(patch) == {"data", "metadata"}
    assert set(patch["data"]) == {"value"}
    assert patch["metadata"] == {
        "resourceVersion": "1",
        "annotations": {
            order.REFRESHED_AT: "2030-03-17T17:46:40Z",
            order.EXPIRES_AT: "2030-03-17T17:51:40Z",
            order.ERROR: None,
        },
    }
    written = base64.b64decode(patch["data"]["value"]).decode()
    assert written == kubeconfig().replace("''", f'"{blue.token}"')


async def test_a_token_that_is_not_due_is_left_alone() -> None:
    blue = world(ordered(text=kubeconfig(signed(START))))
    standing = await blue.renew()
    assert START + 180 <= standing.again <= START + 240
    assert (standing.expires, standing.renewed) == (START + 300, False)
    assert not blue.secrets.patches
    assert not blue.issuers.asked


async def test_a_token_that_is_due_is_replaced_before_it_expires() -> None:
    blue = world(ordered(text=kubeconfig(signed(START))))
    standing = await blue.renew()
    await blue.clock.advance(standing.again - START)
    assert (await blue.renew()).renewed
    assert blue.clock.wall() < START + 300


async def test_a_token_that_does_not_tell_is_known_by_our_notes() -> None:
    blue = world()
    first = await blue.renew()
    assert (await blue.renew()) == Standing(first.again, first.expires)
    assert len(blue.issuers.asked) == 1


async def test_a_token_of_which_nothing_is_known_is_replaced() -> None:
    assert (await world(ordered(text=kubeconfig("opaque"))).renew()).renewed


@pytest.mark.parametrize("nonsense", ["", "soon", "9999-12-31", "0001-01-01T00:00:00", "1e999"])
async def test_notes_that_somebody_spoilt_mean_nothing(nonsense: str) -> None:
    text = kubeconfig("opaque")
    blue = world(ordered(text=text, REFRESHED_AT=nonsense, EXPIRES_AT=nonsense))
    assert (await blue.renew()).renewed


async def test_a_token_that_somebody_took_out_is_put_back_at_once() -> None:
    blue = world()
    await blue.renew()
    annotations = blue.secrets.objects["one"]["metadata"]["annotations"]
    blue.secrets.objects["one"] = {
        **ordered(),
        "metadata": {**ordered()["metadata"], "annotations": annotations},
    }
    assert (await blue.renew()).renewed


async def test_what_went_wrong_is_said_in_the_secret_once() -> None:
    blue = world()
    blue.issuers.fault = RefreshError("the issuer: it does not know the client")
    assert await blue.refusal() == "the issuer: it does not know the client"
    assert await blue.refusal()
    assert blue.said(order.ERROR) == "the issuer: it does not know the client"
    assert len(blue.secrets.patches) == 1
    assert "data" not in blue.secrets.patches[0][1]


async def test_what_went_wrong_is_taken_back_when_it_is_mended() -> None:
    blue = world()
    blue.issuers.fault = RefreshError("away")
    await blue.refusal()
    blue.issuers.fault = None
    await blue.renew()
    assert blue.said(order.ERROR) is None


async def test_it_is_taken_back_also_where_the_token_is_still_good() -> None:
    blue = world(ordered(text=kubeconfig(signed(START)), ERROR="the kubeconfig is not YAML"))
    assert not (await blue.renew()).renewed
    assert blue.said(order.ERROR) is None


async def test_it_is_taken_back_though_somebody_else_writes_in_between() -> None:
    blue = world(ordered(text=kubeconfig(signed(START)), ERROR="away"))
    blue.meddle_once()
    await blue.renew()
    assert blue.said(order.ERROR) is None


@pytest.mark.parametrize(
    "server",
    ["https://evil.example.com", f"{PROXY}.evil.example.com", f"{PROXY}/x", f"{PROXY}:444"],
)
async def test_no_token_is_got_for_another_server(server: str) -> None:
    blue = world(ordered(text=kubeconfig(server=server)))
    assert "not a proxy that is allowed here" in await blue.refusal()
    assert not blue.issuers.asked
    assert not blue.token


async def test_a_slash_at_the_end_is_the_same_server() -> None:
    assert (await world(ordered(text=kubeconfig(server=f"{PROXY}/"))).renew()).renewed


async def test_credentials_that_are_not_marked_as_such_are_not_used() -> None:
    bare = iam()
    bare["metadata"]["labels"] = {}
    blue = world(ordered(), bare)
    assert "must have the label" in await blue.refusal()
    assert not blue.issuers.asked


async def test_credentials_that_are_not_there_are_named() -> None:
    blue = world(ordered(source="secret/other"))
    assert await blue.refusal() == "cannot get Secret `other`: NotFound"
    assert blue.said(order.ERROR) == "cannot get Secret `other`: NotFound"


async def test_our_own_token_is_put_in_where_that_is_allowed() -> None:
    blue = world(ordered(source="token-file"))
    assert (await blue.renew()).renewed
    assert blue.token == OWN.value
    assert not blue.issuers.asked


async def test_our_own_token_goes_to_no_other_namespace() -> None:
    blue = World(
        FakeSecrets(ordered(source="token-file")),
        bounds=Bounds(frozenset({PROXY}), frozenset({"red"})),
    )
    assert "not allowed in this namespace" in await blue.refusal()
    assert not blue.token


async def test_without_a_token_file_there_is_no_such_way() -> None:
    blue = world(ordered(source="token-file"))
    renewal = Renewal(blue.secrets, blue.issuers, None, blue.bounds, blue.clock)
    with pytest.raises(RefreshError, match="not allowed"):
        await renewal.renew("blue", "one", blue.office)


async def test_a_token_file_that_is_not_replaced_yet_is_looked_at_again_soon() -> None:
    blue = world(ordered(source="token-file", text=kubeconfig(OWN.value)))
    await blue.clock.advance(3000)
    assert await blue.renew() == Standing(blue.clock.wall() + RECHECK_SECONDS, START + 3600)
    assert not blue.secrets.patches
    newer = Token(signed(START + 3000, 3600), Lifetime(START + 3000, START + 6600))
    blue.own.holds = newer
    assert (await blue.renew()).renewed
    assert blue.token == newer.value


@pytest.mark.parametrize("seconds", [-1, 0, 29])
async def test_a_token_that_is_of_no_use_is_not_put_in(seconds: float) -> None:
    blue = world()
    blue.issuers.seconds = seconds
    assert "would expire within 30 s" in await blue.refusal()
    assert not blue.token


async def test_a_token_that_is_none_is_not_put_in() -> None:
    blue = world()
    blue.issuers.same = Token('x"\n- evil', Lifetime(START, START + 300))
    assert "Authorization header" in await blue.refusal()
    assert not blue.token


async def test_nothing_is_written_by_who_does_not_lead_any_more() -> None:
    blue = world()
    blue.secrets.before_patch = lambda: pytest.fail("it was written")
    blue.office.held = False
    assert await blue.refusal() == "another replica leads by now"


async def test_not_even_what_went_wrong() -> None:
    blue = world(ordered(source="nonsense"))
    blue.secrets.before_patch = lambda: pytest.fail("it was written")
    blue.office.held = False
    assert await blue.refusal() == "another replica leads by now"


async def test_a_write_of_somebody_else_in_between_is_not_undone() -> None:
    blue = world()
    blue.meddle_once()
    assert (await blue.renew()).renewed
    [(_, patch)] = blue.secrets.patches
    assert patch["metadata"]["resourceVersion"] == "2"


async def test_who_is_always_overtaken_tries_again_later() -> None:
    blue = world()
    blue.secrets.before_patch = lambda: blue.secrets.touch("one")
    assert await blue.refusal() == "somebody else writes the Secret again and again"


async def test_an_error_that_cannot_be_noted_is_told_all_the_same() -> None:
    blue = world(ordered(source="nonsense"))
    blue.secrets.before_patch = lambda: blue.secrets.touch("one")
    assert "must be `secret/NAME`" in await blue.refusal()


async def test_a_cluster_that_is_away_is_told() -> None:
    blue = world()
    blue.secrets.fault = ApiError(0, "cannot get Secret `one`: no answer")
    assert await blue.refusal() == "cannot get Secret `one`: no answer"


async def test_a_secret_whose_label_is_gone_is_not_written() -> None:
    bare = ordered()
    bare["metadata"]["labels"] = {}
    blue = world(bare)
    assert "has no label" in await blue.refusal()
    assert not blue.secrets.patches


async def test_no_message_holds_a_secret_or_a_token() -> None:
    blue = world(ordered(text=yaml.safe_dump({"users": "s3cret"}) + "{"))
    assert "s3cret" not in await blue.refusal()
