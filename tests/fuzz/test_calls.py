"""Every public function, called with arguments valid, almost valid and absurd.

A call returns what satisfies its invariants, or raises a documented error: one sentence, from a
line of quadlib. ``make fuzz`` draws anew and more often, and counts.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import quadlib as ql
from tests.fuzz.arguments import FUNCTIONS, call
from tests.fuzz.outcome import outcome


@pytest.fixture(scope="module", autouse=True)
def unchecked_shapes() -> Iterator[None]:
    """The run-time check of shapes would object before the library does."""
    jaxtyping = pytest.importorskip("jaxtyping")
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def test_every_public_function_is_called() -> None:
    elsewhere = {"check", "predict", "if_compiled"}  # these take anything
    classes = {"Trajectory", "Ensemble", "EscapeLaw", "Spectrum", "Plateau", "LateTimeLaw"}
    classes |= {"LearningRates", "DivergenceError", "RunInterrupted", "NoPlateauError"}
    public = {name for name in vars(ql) if callable(getattr(ql, name)) and name[0] != "_"}
    assert public - elsewhere - classes - {"import_module", "Any"} == set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
@settings(suppress_health_check=list(HealthCheck), max_examples=12)
@given(data=st.data())
def test_a_call_returns_what_it_should_or_says_why_not(name: str, data: Any) -> None:
    outcome(name, data.draw(call(name), label=name))
