"""Several sources as one port: who is asked, what comes out, and what stays the same."""

import pytest

from proxy.core.errors import Unauthenticated, Unavailable
from proxy.core.policy import ClaimGrant, ClaimGrants, Combination, Combine, Role, RuleSet
from proxy.pipeline.entitlements import CombinedEntitlements, Source
from proxy.ports import Caller
from tests.core.asking import rule
from tests.fakes import FakeEntitlements
from tests.identities import make_caller, make_identity

BLUE, RED = RuleSet([rule(namespaces=("blue",))]), RuleSet([rule(namespaces=("red",))])
BOTH = RuleSet([rule(namespaces=("blue", "red"))])
CLAIMS = ClaimGrants([ClaimGrant("corp", "groups", "{namespace}", Role.EDITOR)])


class Away(FakeEntitlements):
    """A source that cannot be asked."""

    async def rules(self, _: Caller, *, recheck: bool = False) -> RuleSet:  # noqa: ARG002 - as the port has it
        raise self.why

    def __init__(self, why: Exception) -> None:
        super().__init__(BOTH)
        self.why = why


def of_corp(entitlements: FakeEntitlements) -> Source:
    return Source(entitlements, frozenset({"corp"}))


async def namespaces(
    combination: CombinedEntitlements, caller: Caller | None = None
) -> tuple[str, ...]:
    return (await combination.rules(caller or make_caller())).namespaces()


@pytest.mark.parametrize(
    ("how", "found"), [(Combine.ANY, ("blue", "green", "red")), (Combine.ALL, ())]
)
async def test_sources_are_combined_as_configured(how: Combine, found: tuple[str, ...]) -> None:
    sources = [Source(FakeEntitlements(BLUE)), of_corp(FakeEntitlements(RED))]
    caller = make_caller(claims={"groups": ("green",)})
    assert (
        await namespaces(CombinedEntitlements(Combination(how, CLAIMS), sources), caller) == found
    )


async def test_all_have_to_agree() -> None:
    sources = [Source(FakeEntitlements(BOTH)), of_corp(FakeEntitlements(BOTH))]
    combination = CombinedEntitlements(Combination(Combine.ALL, CLAIMS), sources)
    caller = make_caller(claims={"groups": ("blue", "green")})
    assert await namespaces(combination, caller) == ("blue",)
    assert await namespaces(combination, make_caller(token_id="t-2")) == ()


async def test_those_of_another_issuer_need_only_what_concerns_them() -> None:
    sources = [Source(FakeEntitlements(BOTH)), of_corp(FakeEntitlements(RED))]
    combination = CombinedEntitlements(Combination(Combine.ALL, CLAIMS), sources)
    assert await namespaces(combination, make_caller(issuer="lab")) == ("blue", "red")


@pytest.mark.parametrize("how", Combine)
async def test_whom_no_source_concerns_may_do_nothing(how: Combine) -> None:
    combination = CombinedEntitlements(Combination(how, CLAIMS), [of_corp(FakeEntitlements(BOTH))])
    assert await namespaces(combination, make_caller(issuer="lab")) == ()


@pytest.mark.parametrize("how", Combine)
@pytest.mark.parametrize("why", [Unavailable("away"), Unauthenticated("no longer")])
async def test_a_source_that_cannot_tell_fails_those_of_its_issuer(
    how: Combine, why: Unavailable | Unauthenticated
) -> None:
    sources = [Source(FakeEntitlements(BLUE)), of_corp(Away(why))]
    combination = CombinedEntitlements(Combination(how, ClaimGrants()), sources)
    with pytest.raises(type(why)):
        await combination.rules(make_caller())
    assert await namespaces(combination, make_caller(issuer="lab")) == ("blue",)


async def test_while_nothing_changes_the_rules_are_the_very_same() -> None:
    files = FakeEntitlements(BLUE)
    sources = [Source(files), of_corp(FakeEntitlements(RED))]
    combination = CombinedEntitlements(Combination(Combine.ANY, CLAIMS), sources)
    first = await combination.rules(make_caller())
    assert await combination.rules(make_caller()) is first
    files.become(BOTH)
    assert await combination.rules(make_caller()) is not first


def of_groups(number: int, token_id: str) -> Caller:
    groups = tuple(f"n-{each}" for each in range(number))
    return make_caller(token_id=token_id, claims={"groups": groups})


async def test_what_is_remembered_is_bounded_by_rules_and_claims() -> None:
    """Else whoever may do a lot, and has many tokens, could fill the memory."""
    combination = CombinedEntitlements(Combination(Combine.ANY, CLAIMS), [], room=50)
    one, other = of_groups(15, "t-1"), of_groups(15, "t-2")
    first = await combination.rules(one)
    assert await combination.rules(one) is first
    await combination.rules(other)
    assert await combination.rules(one) is not first


async def test_what_is_too_much_to_be_remembered_is_granted_all_the_same() -> None:
    combination = CombinedEntitlements(Combination(Combine.ANY, CLAIMS), [], room=50)
    assert len(await namespaces(combination, of_groups(100, "t-1"))) == 100


async def test_another_token_under_the_same_id_is_another() -> None:
    combination = CombinedEntitlements(
        Combination(Combine.ANY, CLAIMS), [Source(FakeEntitlements(BLUE))]
    )
    await combination.rules(make_caller())
    assert await namespaces(combination, make_caller(claims={"groups": ("red",)})) == (
        "blue",
        "red",
    )


async def test_a_recheck_is_one_of_every_source() -> None:
    asked = [FakeEntitlements(BLUE), FakeEntitlements(RED)]
    combination = CombinedEntitlements(Combination(Combine.ANY, ClaimGrants()), map(Source, asked))
    await combination.rules(Caller(make_identity(), "alice"), recheck=True)
    assert [source.rechecks for source in asked] == [1, 1]


async def test_a_change_of_any_source_is_told() -> None:
    asked = [FakeEntitlements(BLUE), FakeEntitlements(RED)]
    told: list[str] = []
    combination = CombinedEntitlements(Combination(Combine.ANY, ClaimGrants()), map(Source, asked))
    combination.subscribe(lambda: told.append("changed"))
    for source in asked:
        source.become(BOTH)
    assert told == ["changed", "changed"]
