"""When a token is renewed: before it expires, and not all at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.edge.oidc import Tokens


@pytest.mark.parametrize(
    ("life", "chance", "after"),
    [
        (300, 0.0, 240),
        (300, 1.0, 210),
        (60, 0.0, 48),
        (60, 0.5, 45),
        (36_000, 0.0, 35_940),
        (36_000, 1.0, 35_880),
    ],
)
def test_a_token_is_renewed_in_time(life: float, chance: float, after: float) -> None:
    assert Tokens("a", 1000, 1000 + life).renew_at(chance) == 1000 + after


@given(st.integers(1, 10**7), st.floats(0, 1))
def test_no_token_is_renewed_before_most_of_its_life_is_over(life: int, chance: float) -> None:
    tokens = Tokens("a", 0, life)
    assert 0.7 * life - 1e-6 <= tokens.renew_at(chance) < life
