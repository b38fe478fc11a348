"""Where the apiserver is, by a name that a test answers for."""

import socket
from collections.abc import Sequence

import pytest

from proxy.edge.upstream import Address
from proxy.edge.upstream.addresses import Addresses, resolve

ONE, TWO, THREE = (Address(socket.AF_INET, (f"192.0.2.{last}", 6443)) for last in (1, 2, 3))


class Name:
    """A name whose addresses change, and which cannot be found while there are none."""

    def __init__(self, *addresses: Address) -> None:
        self.addresses: Sequence[Address] = addresses
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        assert (host, port) == ("api", 6443)
        self.asked += 1
        if not self.addresses:
            raise socket.gaierror("no such name")
        return self.addresses


def known(name: Name) -> Addresses:
    return Addresses("api", 6443, name)


async def test_new_connections_go_round() -> None:
    addresses = known(Name(ONE, TWO, THREE))
    found = [await addresses.find(0) for _ in range(3)]
    assert {first for first, *_ in found} == {ONE, TWO, THREE}
    assert all(set(one) == {ONE, TWO, THREE} for one in found)


async def test_one_that_failed_is_the_last_choice_for_a_while() -> None:
    addresses = known(Name(ONE, TWO, THREE))
    addresses.failed(TWO, 0)
    assert [(await addresses.find(29))[-1] for _ in range(3)] == [TWO, TWO, TWO]
    assert TWO in [(await addresses.find(30))[0] for _ in range(3)]


async def test_one_that_works_again_is_as_good_as_any() -> None:
    addresses = known(Name(ONE, TWO))
    addresses.failed(TWO, 0)
    addresses.worked(TWO)
    assert TWO in [(await addresses.find(1))[0] for _ in range(2)]


async def test_when_all_failed_the_first_to_do_so_is_tried_first() -> None:
    addresses = known(Name(ONE, TWO, THREE))
    for when, address in enumerate((TWO, THREE, ONE)):
        addresses.failed(address, when)
    assert await addresses.find(5) == [TWO, THREE, ONE]


async def test_a_name_is_asked_for_again_after_a_moment() -> None:
    name = Name(ONE)
    addresses = known(name)
    assert [await addresses.find(now) for now in (0, 10)] == [[ONE], [ONE]]
    name.addresses = [TWO]
    assert (await addresses.find(11), name.asked) == ([TWO], 2)


async def test_a_name_that_cannot_be_found_any_more_has_its_last_addresses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    name = Name(ONE)
    addresses = known(name)
    await addresses.find(0)
    name.addresses = ()
    assert await addresses.find(11) == [ONE]
    assert "keeping the last" in caplog.text


async def test_a_name_that_was_never_found_is_an_error() -> None:
    with pytest.raises(OSError, match="no such name"):
        await known(Name()).find(0)


@pytest.mark.parametrize(
    ("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)]
)
async def test_an_address_is_its_own(host: str, family: int) -> None:
    (found,) = await resolve(host, 6443)
    assert (found.family, found.sockaddr[:2]) == (family, (host, 6443))


async def test_the_system_is_asked_for_a_name() -> None:
    assert "127.0.0.1" in {address.sockaddr[0] for address in await resolve("localhost", 6443)}
