"""All issuers together: who they are, and what is known of their keys."""

from typing import Any

import pytest

from proxy.edge.jwks import Issuers
from tests.edge.jwks.issuers import Issuer, fetching, until


async def test_an_issuer_is_found_by_its_url_to_the_byte(issuer: Issuer) -> None:
    async with fetching(issuer.config()) as issuers:
        found = issuers.find(issuer.url)
        assert found is not None
        assert found.config.name == "corp"
        assert issuers.find(issuer.url + "/") is None


async def test_what_is_wrong_with_an_issuer_is_told_by_its_name(issuer: Issuer) -> None:
    issuer.down = True
    async with fetching(issuer.config(cooldown=0.01)) as issuers:
        why = "keys were never fetched: it answered with HTTP status 503"
        await until(lambda: issuers.troubles() == {"corp": why})
        issuer.down = False
        await until(lambda: issuers.troubles() == {"corp": ""})


async def test_an_issuer_that_is_only_asked_is_none_the_worse_without_keys(issuer: Issuer) -> None:
    issuer.down = True
    async with fetching(issuer.config(verify="introspection")) as issuers:
        await until(lambda: issuers.fetches()["corp", "failed"] == 1)
        assert issuers.troubles() == {"corp": ""}


async def test_fetches_are_counted_by_issuer_and_result(issuer: Issuer) -> None:
    async with fetching(issuer.config(cooldown=300)) as issuers:
        await until(lambda: issuer.fetches == 1 and issuers.troubles() == {"corp": ""})
        issuer.down = True
        for each in issuers:
            await each.begin()
        assert issuers.fetches() == {("corp", "ok"): 1, ("corp", "failed"): 1}
        assert issuers.troubles() == {"corp": ""}


@pytest.mark.parametrize(
    "second", [{}, {"name": "lab"}, {"url": "https://lab"}], ids=["both", "url", "name"]
)
async def test_two_issuers_of_one_name_or_url_are_refused(
    issuer: Issuer, second: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="of its own"):
        Issuers([issuer.config(), issuer.config(rules=second)])


def test_no_issuers_at_all_are_refused() -> None:
    with pytest.raises(ValueError, match="there must be issuers"):
        Issuers([])
