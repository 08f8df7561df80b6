import itertools
import re
from importlib import import_module

import numpy as np
import pytest

import quadlib as ql
from tests.sliders import choose

# the package has the class under this name
module = import_module("quadlib.explorers.sgd_to_ode")

DEFAULT = {
    "log_N": 3.0,
    "eta": 0.05,
    "p": 4,
    "p_star": 2,
    "gradient_noise": True,
    "label_noise": 0.0,
    "overlap": "M₁₁",
    "start": "same at every N",
}
RUNS = 2  # grey lines, six in the explorer


@pytest.fixture(scope="module")
def explorer():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_RUNS", RUNS)
        patch.setattr(module.SgdToOde, "pause", 0.0)
        explorer = module.SgdToOde()
        yield explorer
        explorer.finish()


def move(explorer, **values):
    return choose(explorer, **(DEFAULT | values)).alt_text


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("log_N", [1.0, 2.5, 5.0, 8.0]),
        ("eta", [0.005, 0.1, 0.2, 0.25, 0.5]),
        ("p", [1, 4, 8]),
        ("p_star", [1, 4]),
        ("gradient_noise", [True, False]),
        ("label_noise", [0.0, 0.3, 1.0]),
        ("overlap", list(module._FOLLOW)),
        ("start", ["same at every N", "random at each N"]),
    ],
)
def test_every_value_of_a_control_gives_a_picture(explorer, name, values):
    if name == "log_N":  # N = 10 must hold all units
        assert 10 >= DEFAULT["p"] + DEFAULT["p_star"]
    seen = {}
    move(explorer)
    for value in values:
        explorer.controls[name].value = value
        explorer.finish()
        alt = explorer.alt_text
        assert explorer.error == ""
        assert alt.endswith(".")
        seen[alt] = explorer._png
    assert len(seen) == len(set(seen.values())) == len(values)


@pytest.mark.parametrize("units", [(1, 1), (8, 4)])
def test_extremes_together_give_a_picture_or_a_sentence(explorer, units):
    p, p_star = units
    for log_N, eta, (noise, start, full) in itertools.product(
        (1.0, 8.0),
        (0.05, 0.5),
        ((0.0, "same at every N", True), (1.0, "random at each N", False)),
    ):
        move(
            explorer, p=p, p_star=p_star, log_N=log_N, eta=eta, label_noise=noise, start=start,
            gradient_noise=full,
        )  # fmt: skip
        if log_N == 1.0 and units == (8, 4):
            assert explorer.error.startswith("N must be at least p + p* = 12, got 10")
            assert explorer.error.endswith(".")
        else:
            assert explorer.error == ""
            assert explorer.alt_text.endswith(".")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"p": 1, "overlap": "Q₁₂"}, "Q₁₂ needs p of at least 2, got 1; follow Q₁₁."),
        ({"p_star": 1, "overlap": "M₁₂"}, "M₁₂ needs p* of at least 2, got 1; follow M₁₁."),
    ],
)
def test_an_overlap_that_does_not_exist_is_a_sentence(explorer, values, sentence):
    move(explorer, **values)
    assert explorer.error == sentence
    move(explorer)
    assert explorer.error == ""


def test_a_new_seed_is_another_start_and_other_samples(explorer):
    before = move(explorer)
    explorer.controls["seed"].click()
    explorer.finish()
    assert explorer.alt_text != before
    explorer._clicks["seed"] = 0
    explorer.update()


@pytest.mark.parametrize(
    ("values", "N", "curve"),
    [
        ({}, 1000, lambda run: run.M[:, 0, 0]),
        ({"overlap": "Q₁₂", "gradient_noise": False}, 1000, lambda run: run.Q[:, 0, 1]),
        ({"overlap": "loss", "label_noise": 0.5, "eta": 0.1}, 1000, lambda run: run.loss),
        ({"start": "random at each N", "log_N": 2.0}, 100, lambda run: run.M[:, 0, 0]),
    ],
)
def test_numbers_of_the_alt_text(explorer, values, N, curve):
    """The ends of the ODE to three digits, the distance of the runs to two."""
    alt = move(explorer, **values)
    first, last, end = map(
        float,
        re.search(
            r"from (\S+) at α = 0 to (\S+) at α = ([\d.]+\d)", alt.replace("−", "-")
        ).groups(),
    )
    told = float(re.search(r"are (\S+) from the ODE", alt)[1])
    values = DEFAULT | values
    eta, alpha = values["eta"], np.linspace(0, end, 151)
    task = ql.Task(4, 2, label_noise=values["label_noise"])
    start = ql.random_overlaps(task, 40 if values["start"] == "same at every N" else N, 14)
    ode = ql.integrate(
        task, start, eta=eta, alpha=alpha, gradient_noise=values["gradient_noise"], rtol=1e-10
    )
    spawned = np.random.SeedSequence((0, N)).spawn(RUNS)
    runs = [
        ql.simulate(task, start, eta=eta, alpha=alpha, N=N, rng=np.random.default_rng(seed))
        for seed in spawned
    ]
    misses = [curve(run) - curve(ode) for run in runs]
    assert first == pytest.approx(curve(ode)[0], rel=6e-3)
    assert last == pytest.approx(curve(ode)[-1], rel=6e-3)
    assert told == pytest.approx(np.sqrt(np.mean(np.square(misses))), rel=6e-2)


def test_the_exponent_tells_the_cases_apart(explorer):
    """-1/2 for one start; 0 from the wrong ODE, and from a random start at each N.

    An rms of two runs is known to about exp(±1), an exponent over six decades to ±0.1.
    """

    def exponent(**values):
        return float(
            re.search(r"N to the power (\S+)\.$", move(explorer, **values))[1].replace("−", "-")
        )

    assert exponent(overlap="loss") == pytest.approx(-0.5, abs=0.12)
    assert exponent(overlap="loss", label_noise=1.0) == pytest.approx(-0.5, abs=0.12)
    assert exponent(overlap="loss", label_noise=1.0, gradient_noise=False) > -0.2
    assert exponent(start="random at each N") == pytest.approx(0, abs=0.25)


def test_a_divergence_is_said(explorer):
    move(explorer)
    explorer.right.set_ylim(1e-9, 10.0)  # as an earlier setting may leave it
    alt = move(explorer, eta=0.5)
    assert explorer.error == ""
    assert explorer.right.get_ylim() == (1e-6, 10.0)
    assert alt.startswith("The ODE diverges after α = ")
    assert f"of the {RUNS} SGD runs at N = 1000 (sample by sample) diverge." in alt
    explorer.live.words("")
    assert "Lower the learning rate η." in explorer.live._said[explorer.right].get_text()


@pytest.mark.parametrize(
    "values",
    [
        dict(overlap="loss", eta=0.1, label_noise=0.3),
        dict(overlap="Q₁₂", p=6, start="random at each N", gradient_noise=False),
        dict(log_N=6.0, overlap="M₁₂"),
        dict(eta=0.5),
    ],
)
def test_the_code_gives_the_curves(explorer, values):
    move(explorer, **values)
    assert len(explorer.code.splitlines()) <= 10
    found = {}
    exec(explorer.code, found)
    what = (DEFAULT | values)["overlap"]
    for name, line in (("ode", explorer.ode), ("flow", explorer.flow)):
        np.testing.assert_allclose(module.followed(found[name], what), line.get_ydata(), rtol=1e-5)
    for curve, line in zip(module.followed(found["sgd"], what), explorer.sgd, strict=False):
        n = len(line.get_ydata())
        np.testing.assert_allclose(curve[:n], line.get_ydata(), rtol=1e-7)
    if "distance" in found:
        assert explorer.here.get_ydata()[0] == pytest.approx(found["distance"], rel=1e-7)
    else:
        assert not np.isfinite(explorer.here.get_ydata()[0])


def test_where_time_is_short_the_picture_says_what_is_missing(explorer, monkeypatch):
    assert "Distances" not in move(explorer)
    monkeypatch.setattr(module.controls, "a_second", lambda: 0.0)
    alt = move(explorer, overlap="Q₁₁")
    assert alt.endswith(" Distances at 0 of 5 N: no compiled loops here.")
    assert alt.endswith(explorer._view.summary)
    assert len(explorer.dots.get_xdata()) == len(explorer.law.get_xdata()) == 0


def test_runs_that_had_no_time_go_on_where_they_were(explorer, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(module.controls, "a_second", lambda: 0.0)
        patch.setattr(module.runs, "_SLICE", 0.0)
        move(explorer, eta=0.06)
    (known,) = (made for made in explorer.known.values() if made.eta == 0.06)
    assert known.active
    assert "Distances" not in move(explorer, eta=0.06, overlap="Q₁₁")
    assert not known.active
    assert any(known is made for made in explorer.known.values())
