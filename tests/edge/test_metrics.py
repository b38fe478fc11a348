"""The page that operators' Prometheus reads."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.edge.metrics import Metrics


def samples(metrics: Metrics) -> dict[str, float]:
    """Every sample of the page, by its name and the values of its labels in the order of theirs."""
    return {
        " ".join(
            (sample.name, *(value for _, value in sorted(sample.labels.items())))
        ): sample.value
        for family in text_string_to_metric_families(metrics.page().decode())
        for sample in family.samples
    }


def test_answers_are_counted_by_verb_resource_and_code() -> None:
    metrics = Metrics()
    for code in (200, 200, 403):
        metrics.answered("get", "hostclaims", code, 0.01)
    page = samples(metrics)
    assert page["hostclaim_proxy_requests_total 200 hostclaims get"] == 2
    assert page["hostclaim_proxy_requests_total 403 hostclaims get"] == 1


def test_an_answer_counts_where_it_belongs_however_often_it_came() -> None:
    metrics = Metrics()
    answers = [(v, r, c) for v in ("get", "list") for r in ("a", "b") for c in (200, 403)]
    for answer in answers * 3:
        metrics.answered(*answer, 0.01)
    page = samples(metrics)
    for verb, resource, code in answers:
        assert page[f"hostclaim_proxy_requests_total {code} {resource} {verb}"] == 3
        took = f"hostclaim_proxy_request_duration_seconds_count {resource} {verb}"
        assert page[took] == 6


def test_what_shadow_policies_would_have_decided_is_counted_by_policy() -> None:
    metrics = Metrics()
    for policy in ("blue", "red", "blue"):
        metrics.shadowed("forbid", policy)
    page = samples(metrics)
    assert page["hostclaim_proxy_shadow_decisions_total forbid blue"] == 2
    assert page["hostclaim_proxy_shadow_decisions_total forbid red"] == 1


def test_how_long_answers_took_is_shown_but_not_for_watches() -> None:
    metrics = Metrics()
    metrics.answered("get", "secrets", 200, 0.25)
    metrics.answered("watch", "secrets", 200, 3600)
    page = samples(metrics)
    assert page["hostclaim_proxy_request_duration_seconds_sum secrets get"] == 0.25
    assert "hostclaim_proxy_request_duration_seconds_sum secrets watch" not in page


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0, "0.005"), (0.005, "0.005"), (0.0051, "0.01"), (10, "10.0"), (11, "+Inf")],
)
def test_a_time_is_in_every_bucket_that_it_does_not_exceed(seconds: float, bucket: str) -> None:
    metrics = Metrics()
    metrics.answered("get", "secrets", 200, seconds)
    name = "hostclaim_proxy_request_duration_seconds_bucket"
    page = {key.split()[1]: n for key, n in samples(metrics).items() if key.startswith(name)}
    assert next(edge for edge, number in page.items() if number == 1) == bucket
    assert list(page)[-1] == "+Inf"
    assert page["+Inf"] == 1


def test_open_watches_go_up_and_down() -> None:
    metrics = Metrics()
    for change in (+1, +1, -1):
        metrics.watching(change)
    assert samples(metrics)["hostclaim_proxy_open_watches"] == 1


def test_a_number_of_somebody_elses_is_read_with_the_page() -> None:
    metrics, numbers = Metrics(), [3.0]
    metrics.show("answer", "What it is.", lambda: numbers[-1])
    numbers.append(42)
    assert samples(metrics)["answer"] == 42


def test_numbers_of_somebody_elses_are_shown_by_their_labels() -> None:
    metrics = Metrics()
    numbers: dict[tuple[str, ...], float] = {("corp", "ok"): 3}
    metrics.show_each("fetches", "What they are.", ("issuer", "result"), lambda: numbers)
    numbers["corp", "failed"] = 1
    page = samples(metrics)
    assert (page["fetches corp ok"], page["fetches corp failed"]) == (3, 1)


def test_two_proxies_in_a_process_do_not_share_their_numbers() -> None:
    one, other = Metrics(), Metrics()
    one.watching(+1)
    assert samples(other)["hostclaim_proxy_open_watches"] == 0
