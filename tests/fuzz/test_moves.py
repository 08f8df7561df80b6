"""Explorers after any moves; ``make fuzz`` makes more of them."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quadlib import explorers
from tests.fuzz.moves import hasty, make, sequence


@pytest.fixture(scope="module", params=explorers.__all__)
def explorer(request: Any) -> Any:
    return hasty(request.param)


@settings(suppress_health_check=list(HealthCheck), max_examples=3)
@given(data=st.data())
def test_after_any_moves_the_picture_is_that_of_the_last_values(explorer: Any, data: Any) -> None:
    make(explorer, data.draw(sequence(explorer)))
