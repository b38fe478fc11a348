"""Where claims and hosts come to rest, and how they get there."""

from datetime import timedelta
from typing import Any

import pytest

from proxy.demo.hosts.objects import CLAIMS, Key
from proxy.demo.hosts.planning import FINALIZER, plan
from tests.demo.hosts.worlds import NOON, Shelf, claim_of, host_of, policy_of

OPEN = policy_of("pool-a")
POINTER = {"namespace": "pool-a", "name": "one"}


def shelf(*claims: Any, hosts: tuple[Any, ...] = (), policies: tuple[Any, ...] = (OPEN,)) -> Shelf:
    return Shelf(claims=list(claims), hosts=list(hosts), policies=list(policies))


def test_a_claim_is_bound_to_a_host_that_fits() -> None:
    known = shelf(claim_of("blue"), hosts=(host_of("pool-a", "one"),))
    known.hardware = frozenset({Key("pool-a", "one")})
    known.settle()
    status = known.claim("blue")["status"]
    assert status["bareMetalHost"] == status["hardwareData"] == POINTER
    assert status["poweredOn"] is True
    assert status["lastUpdated"] == "2030-01-01T12:00:00Z"
    assert known.conditions("blue") == {
        "Associated": ("True", "BareMetalHostAssociated"),
        "Synchronized": ("True", "ConfigurationSynced"),
        "Ready": ("True", "Ready"),
    }


def test_the_host_names_its_consumer() -> None:
    known = shelf(claim_of("blue"), hosts=(host_of("pool-a", "one"),))
    known.settle()
    assert known.host("pool-a", "one")["spec"]["consumerRef"] == {
        "apiVersion": "metal3.io/v1alpha1",
        "kind": "HostClaim",
        "namespace": "blue",
        "name": "web",
    }


def test_the_finalizer_comes_before_the_host() -> None:
    known = shelf(claim_of("blue"), hosts=(host_of("pool-a", "one"),))
    (first,) = plan(known.world(), NOON)
    assert (first.resource, first.body) == (CLAIMS, {"metadata": {"finalizers": [FINALIZER]}})


def test_foreign_finalizers_are_kept() -> None:
    claim = claim_of("blue")
    claim["metadata"]["finalizers"] = ["example.org/mine"]
    known = shelf(claim)
    known.settle()
    assert known.claim("blue")["metadata"]["finalizers"] == ["example.org/mine", FINALIZER]
    known.claim("blue")["metadata"]["deletionTimestamp"] = "2030-01-01T12:00:00Z"
    known.settle()
    assert known.claim("blue")["metadata"]["finalizers"] == ["example.org/mine"]


def test_two_claims_never_get_one_host() -> None:
    known = shelf(
        claim_of("blue", "web"), claim_of("blue", "db"), hosts=(host_of("pool-a", "one"),)
    )
    known.settle()
    outcomes = [known.conditions("blue", name)["Associated"] for name in ("web", "db")]
    assert outcomes == [("True", "BareMetalHostAssociated"), ("False", "NoBareMetalHost")]


def test_a_claim_without_a_host_is_told_why() -> None:
    known = shelf(claim_of("blue"), hosts=(host_of("pool-a", "one"),), policies=())
    known.settle()
    assert known.conditions("blue") == {
        "Associated": ("False", "NoBareMetalHost"),
        "Ready": ("False", "NotReady"),
    }
    message = known.claim("blue")["status"]["conditions"][0]["message"]
    assert message == "no HostDeployPolicy admits claims of namespace `blue`"


def test_deleting_a_claim_frees_its_host_for_the_next() -> None:
    known = shelf(
        claim_of("blue", "web"), claim_of("blue", "db"), hosts=(host_of("pool-a", "one"),)
    )
    known.settle()
    known.claim("blue", "web")["metadata"]["deletionTimestamp"] = "2030-01-01T12:00:00Z"
    known.settle()
    assert known.claim("blue", "web") is None
    assert known.claim("blue", "db")["status"]["bareMetalHost"] == POINTER


def test_a_released_host_is_off_and_empty() -> None:
    image = {"url": "https://images.test/a.qcow2"}
    known = shelf(claim_of("blue", image=image), hosts=(host_of("pool-a", "one"),))
    known.settle()
    assert known.host("pool-a", "one")["status"]["provisioning"]["state"] == "provisioned"
    known.claim("blue")["metadata"]["deletionTimestamp"] = "2030-01-01T12:00:00Z"
    known.settle()
    assert known.host("pool-a", "one")["spec"] == {"online": False}
    assert known.host("pool-a", "one")["status"]["provisioning"]["state"] == "available"
    assert known.host("pool-a", "one")["status"]["poweredOn"] is False


def test_a_host_whose_claim_vanished_is_freed() -> None:
    known = shelf(claim_of("blue"), hosts=(host_of("pool-a", "one"),))
    known.settle()
    known.remove_claim("blue")
    known.settle()
    assert "consumerRef" not in known.host("pool-a", "one")["spec"]


def test_a_claim_keeps_one_host_only() -> None:
    hosts = host_of("pool-a", "one"), host_of("pool-a", "two")
    for host in hosts:
        consumer = {"kind": "HostClaim", "namespace": "blue", "name": "web"}
        host["spec"]["consumerRef"] = consumer
    known = shelf(claim_of("blue"), hosts=hosts)
    known.settle()
    assert "consumerRef" in known.host("pool-a", "one")["spec"]
    assert "consumerRef" not in known.host("pool-a", "two")["spec"]


def test_the_host_of_another_kind_of_consumer_is_left_alone() -> None:
    host = host_of("pool-a", "one")
    host["spec"]["consumerRef"] = {"kind": "Metal3Machine", "namespace": "x", "name": "y"}
    known = shelf(hosts=(host,))
    assert plan(known.world(), NOON) == ()


def test_a_new_host_becomes_available() -> None:
    host = host_of("pool-a", "one")
    del host["status"]
    known = shelf(hosts=(host,))
    known.settle()
    assert known.host("pool-a", "one")["status"]["provisioning"]["state"] == "available"


@pytest.mark.parametrize(
    "status",
    [
        {"provisioning": {"state": "inspecting"}},
        {"provisioning": {"state": "available"}, "errorMessage": "no BMC", "poweredOn": True},
    ],
)
def test_a_host_that_somebody_else_works_on_is_left_alone(status: dict[str, Any]) -> None:
    host = host_of("pool-a", "one") | {"status": status}
    assert plan(shelf(hosts=(host,)).world(), NOON) == ()


def test_a_changed_claim_changes_its_host() -> None:
    old = {"url": "https://images.test/a.qcow2", "checksum": "abc"}
    known = shelf(claim_of("blue", image=old), hosts=(host_of("pool-a", "one"),))
    known.settle()
    new = {"url": "https://images.test/b.iso", "format": "live-iso"}
    known.claim("blue")["spec"] |= {"image": new, "poweredOn": False}
    known.settle()
    assert known.host("pool-a", "one")["spec"]["image"] == new
    assert known.claim("blue")["status"]["poweredOn"] is False


def test_a_missing_secret_is_named() -> None:
    claim = claim_of("blue", userData={"name": "user", "namespace": "blue"})
    known = shelf(claim, hosts=(host_of("pool-a", "one"),))
    known.settle()
    assert known.conditions("blue")["Synchronized"] == ("False", "UserDataSecretSyncFailure")
    assert known.conditions("blue")["Ready"] == ("False", "NotReady")
    known.secrets = frozenset({Key("blue", "user")})
    known.settle()
    assert known.conditions("blue")["Ready"] == ("True", "Ready")


def test_a_condition_keeps_the_time_of_its_last_change() -> None:
    known = shelf(claim_of("blue"), hosts=(host_of("pool-a", "one"),))
    known.settle(NOON)
    known.claim("blue")["metadata"]["generation"] = 2
    known.settle(NOON + timedelta(hours=1))
    (associated, *_) = known.claim("blue")["status"]["conditions"]
    assert associated["observedGeneration"] == 2
    assert associated["lastTransitionTime"] == "2030-01-01T12:00:00Z"
    assert known.claim("blue")["status"]["lastUpdated"] == "2030-01-01T13:00:00Z"


def test_time_alone_changes_nothing() -> None:
    known = shelf(claim_of("blue"), hosts=(host_of("pool-a", "one"),))
    known.settle(NOON)
    assert plan(known.world(), NOON + timedelta(days=1)) == ()
