"""Three learning rates: solutions repel, the ODE runs away, the plateau ends.

What is compared is deterministic but for the directions of M, which are fixed by their seeds: no
false alarms.
"""

import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import quadlib as ql
from quadlib.plateau import last_learning_rate
from quadlib.thresholds import Matched
from quadlib.thresholds import runs_away as runs_away_from_the_plateau

# p, p*: the last below which, and the first above which, a random small M was seen to run away
BRACKETS = {
    (1, 1): (0.1660, 0.1675),
    (8, 1): (0.1880, 0.1899),
    (4, 2): (0.2890, 0.2920),
}


def runs_away(task, eta, M):
    level = ql.plateau(task, eta)
    end = 20 / level.escape_rate + (1500 if task.p == task.p_star else 100) / eta
    try:
        ql.integrate(task, ql.Overlaps(level.q * np.eye(task.p), M), eta=eta, alpha=end, rtol=1e-6)
    except ql.DivergenceError:
        return True
    return False


@pytest.mark.parametrize(("p", "p_star"), BRACKETS)
def test_the_whole_ODE_runs_away_above_and_not_below(p, p_star):
    task, rng = ql.Task(p, p_star), np.random.default_rng((1, p, p_star))
    # Orthogonal columns of equal length, turned at random: all of Q and M is integrated
    M = 1e-3 * np.linalg.qr(rng.standard_normal((p, p_star)))[0]
    low, high = BRACKETS[p, p_star]
    assert low < ql.learning_rates(task).runaway < high
    assert not runs_away(task, low, M)
    assert runs_away(task, high, M)


@pytest.mark.parametrize(("T", "noise"), [([1.5, 0.5], 0.2), (None, 0.02)], ids=str)
def test_also_with_unequal_teachers_and_label_noise(T, noise):
    task, rng = ql.Task(4, 2, T, noise), np.random.default_rng((2, int(100 * noise)))
    runaway = ql.learning_rates(task).runaway
    M = 1e-3 * np.linalg.qr(rng.standard_normal((4, 2)))[0] * np.sqrt(np.diag(task.T))
    assert not runs_away(task, 0.997 * runaway, M)
    assert runs_away(task, 1.003 * runaway, M)


@pytest.mark.parametrize(
    ("p", "T", "constraint"),
    [(1, [0.5, 1.5], "free"), (2, [0.5, 1.5], "free"), (4, [0.5, 1.5], "free"),
     (1, [0.5, 1.5], "spherical"), (2, None, "spherical")],
)  # fmt: skip
def test_matched_pairs_move_as_the_whole_ODE_does(p, T, constraint):
    """Unit i sees the teacher unit of the i-th largest T alone, or none."""
    task, eta, e = ql.Task(p, 2, T, 0.2), 0.1, min(p, 2)
    q = 1.0 if constraint == "spherical" else 0.8
    m = np.array([0.3, 0.3 if T is None else 0.2])[:e]
    M = np.zeros((p, 2))
    M[range(e), [1, 0][:e]] = m
    matched = Matched(task, eta, constraint)
    y = matched.start(np.array(q), m)
    state = ql.Overlaps(q * np.eye(p), M)
    assert matched.moments(y)[1] / 2 == pytest.approx(ql.loss(task, state), rel=1e-13)
    dQ, dM = ql.drift(task, state, eta, constraint)
    dq, dm = matched.derivative(y)
    np.testing.assert_allclose(dm[:e], dM[range(e), [1, 0][:e]], atol=1e-14)
    np.testing.assert_allclose(dq[:e], np.diag(dQ)[:e], atol=1e-14)
    if p > 2:
        assert dq[2] == pytest.approx(dQ[2, 2], rel=1e-13)


@pytest.mark.parametrize("T", [None, [1.5, 0.3, 0.7]], ids=str)
@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("p", [1, 7])
def test_the_last_plateau(p, noise, T):
    task = ql.Task(p, 3, T, noise)
    last = ql.learning_rates(task).plateau
    ql.plateau(task, last * (1 - 1e-9))
    with pytest.raises(ql.NoPlateauError):
        ql.plateau(task, last * (1 + 1e-9))
    sphere = ql.learning_rates(task, "spherical")
    assert abs(ql.plateau(task, sphere.plateau, "spherical").escape_rate) < 1e-12
    assert sphere.runaway == math.inf


def test_the_plateau_of_the_flow_and_half_of_it():
    """Without η: q = (p/(p + 2)) tr T/p*, where Φ vanishes at M = 0."""
    task = ql.Task(4, 2, [1.5, 0.3], 0.2)
    flow = ql.plateau(task)
    assert flow.q == pytest.approx(4 / 6 * 0.9, rel=1e-14)
    assert flow.escape_rate == 0
    level = ql.plateau(task, 0.1).loss
    assert ql.escape_level(task, 0.1) == pytest.approx(0.1 + (level - 0.1) / 2, rel=1e-14)


@pytest.mark.parametrize(("p", "p_star"), [(2, 2), (5, 2), (64, 64)])
def test_they_come_in_this_order(p, p_star):
    task = ql.Task(p, p_star)
    rates = ql.learning_rates(task)
    assert rates.critical == ql.critical_learning_rate(task)
    assert rates.critical <= rates.runaway <= rates.plateau


def test_too_few_units_have_no_solution_to_be_repelled_from():
    rates = ql.learning_rates(ql.Task(2, 4))
    assert 0 < rates.critical == rates.runaway <= rates.plateau


def test_matched_pairs_keep_the_mean_norm_on_the_sphere():
    matched = Matched(ql.Task(5, 2, [1.5, 0.5]), 0.1, "spherical")
    q = np.array([1.2, 0.9, 0.95])
    assert q @ matched.many == pytest.approx(4.95)
    dq, _ = matched.derivative(np.array([q, [0.4, 0.2, 0.0]]))
    assert dq @ matched.many == pytest.approx(0.0, abs=1e-15)
    assert np.abs(dq).min() > 1e-3


def test_a_wrong_task_or_constraint_is_refused():
    with pytest.raises(TypeError, match="task must"):
        ql.learning_rates("p = 4")
    with pytest.raises(ValueError, match="constraint must"):
        ql.learning_rates(ql.Task(1, 1), "sphere")


def test_the_table_of_theory():
    text = (Path(__file__).parents[2] / "docs" / "theory.md").read_text().split("**Runaway.**")[1]
    rows = re.findall(r"^\| (\d+), (\d+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", text, re.M)
    assert len(rows) == 6
    for p, p_star, *written in rows:
        rates = ql.learning_rates(ql.Task(int(p), int(p_star)))
        found = rates.critical, rates.runaway, rates.plateau
        assert [float(x) for x in written] == pytest.approx(found, abs=6e-5)


def test_the_diverging_runs_of_theory_are_those_of_the_benchmark():
    root = Path(__file__).parents[2]
    text = " ".join((root / "docs" / "theory.md").read_text().split())
    result = json.loads((root / "benchmarks" / "results" / "escape_grid.json").read_text())
    near, close, none, past = (
        [f"{100 * share:.0f} %" for share in d["shares"]] for d in result["result"]["diverging"]
    )
    when = result["result"]["diverging"][3]["when"]
    assert result["result"]["diverging"][1]["when"] is None
    assert (
        f"{near[1]} of the runs have blown up until $\\alpha = 100$ at $\\eta = 0.9 \\eta_c$"
        in text
    )
    assert f"at $0.97 \\eta_c$ {close[0]} until $\\alpha = 50$ and {close[2]} until 200" in text
    assert none == ["0 %"] * 3
    assert f"{past[0]}, {past[1]} and {past[2]} until $\\alpha = 50$, 100 and 200" in text
    assert f"four in ten until {when:g}" in text


@pytest.mark.parametrize(("p", "T"), [(4, [3.0, 1.0]), (2, [3.0, 1.0])])
def test_what_is_integrated_to_see_a_run_away(monkeypatch, p, T):
    """From M = 10⁻³ O √T on the plateau, until 10³ (1 + tr T/p*), or 25/r and 100/η (10⁴/η at
    p = p*, where the ODE runs away already past η_c, but slowly)."""
    task, eta, asked = ql.Task(p, 2, T), 0.05, []
    level = ql.plateau(task, eta)

    def solve_ivp(derivative, span, y0, method, events, rtol, atol):
        asked.append((span, y0, rtol, atol))
        assert events.terminal
        for q, sign in ((2999.0, 1), (3001.0, -1)):
            assert np.sign(events(0.0, np.where(np.arange(len(y0)) == 1, q, 0.0))) == sign
        assert events(0.0, np.where(np.arange(len(y0)) < 3, 0.0, 1e9)) > 0  # m counts for nothing
        return SimpleNamespace(status=len(asked) - 1)

    monkeypatch.setattr("scipy.integrate.solve_ivp", solve_ivp)
    assert not runs_away_from_the_plateau(task, eta)
    assert runs_away_from_the_plateau(task, eta)
    ((start, end), y0, *accuracy), _ = asked
    assert start == 0.0
    assert end == pytest.approx(25 / level.escape_rate + (100 if p == 4 else 1e4) / 0.05, rel=1e-12)
    m = 1e-3 * np.sqrt(level.q * np.array([3.0, 1.0, 0.0]))
    np.testing.assert_allclose(y0, [*[level.q] * 3, *m], rtol=1e-12)
    assert accuracy == [1e-5, 1e-8]


@pytest.mark.parametrize("share", [0.9, 0.3])
@pytest.mark.parametrize(("p", "p_star"), [(4, 2), (16, 4), (2, 8)])
def test_the_runaway_is_bisected_where_the_plateau_is_left(monkeypatch, p, p_star, share):
    """To 10⁻⁴, up to 10⁻³ below the last plateau, or to where r = η/100 if that comes earlier."""
    task, tried = ql.Task(p, p_star), []
    last = last_learning_rate(task, "free")
    true = share * last

    def runs_away(task, eta):
        tried.append(eta)
        return eta > true

    monkeypatch.setattr("quadlib.thresholds.runs_away", runs_away)
    found = ql.learning_rates(task).runaway
    left = ql.plateau(task, tried[0]).escape_rate / tried[0]
    if (p, p_star) == (4, 2):
        assert tried[0] == pytest.approx(last * (1 - 1e-3), rel=1e-12)
        assert left > 0.01
    else:
        assert left == pytest.approx(0.01, rel=1e-6)
    if tried[0] > true:
        assert true < found < true * (1 + 1.01e-4)
        assert len(tried) < 20
        assert max(tried[1:]) < tried[0]
    else:
        assert found == last
        assert len(tried) == 1


def test_a_plateau_that_is_left_at_the_least_rate_is_tried_up_to_its_end(monkeypatch):
    tried, left = [], SimpleNamespace(escape_rate=0.0)

    def plateau(task, eta):
        left.escape_rate = 0.015 * eta
        return left

    monkeypatch.setattr("quadlib.thresholds.plateau", plateau)
    monkeypatch.setattr("quadlib.thresholds.runs_away", lambda _, eta: tried.append(eta))
    task = ql.Task(4, 2)
    assert ql.learning_rates(task).runaway == last_learning_rate(task, "free")
    assert tried == [last_learning_rate(task, "free") * (1 - 1e-3)]
