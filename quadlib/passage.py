"""When a loss curve passes a level."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from quadlib.shapes import Array, Float
from quadlib.task import joint_covariance, loss_slope, mean_change


def first_passage(
    alpha: Float[Array, " n"],
    loss: Float[Array, "*runs n"],
    level: float,
    slope: Callable[[Array], Array] | None = None,
) -> Float[Array, "*runs"]:
    """First α at which each loss curve is at most `level`; inf if never.

    Between two recorded points the loss is a straight line; or ln L is a cubic, if dL/dα at the
    points of given index can be had from `slope`. A loss that is not finite (after a divergence)
    counts as above the level.
    """
    below = loss <= level
    reached = below.any(-1)
    j = np.where(reached, below.argmax(-1), 0)
    i = np.asarray(np.maximum(j - 1, 0))
    high, low = (np.take_along_axis(loss, index[..., None], -1)[..., 0] for index in (i, j))
    span, inside = alpha[j] - alpha[i], reached & (j > i)
    with np.errstate(all="ignore"):  # outside, where nothing is interpolated
        share = np.where(inside, (high - level) / (high - low), 0.0)
        if slope is not None:
            ends = (span * slope(index) / value for index, value in ((i, high), (j, low)))
            cubic = cubic_root(np.log(level / high), np.log(low / high), *ends)
            share = np.where(low > 0, cubic, share)
    return np.asarray(np.where(reached, alpha[i] + span * share, math.inf))


def cubic_root(y: Any, end: Any, slope: Any, end_slope: Any) -> Array:
    """Where in [0, 1] the cubic from 0 to `end` with these slopes passes `y`, by bisection."""
    left, right = np.zeros_like(y), np.ones_like(y)
    for _ in range(60):
        x = (left + right) / 2
        above = x * ((1 - x) ** 2 * slope + x * ((3 - 2 * x) * end - (1 - x) * end_slope)) > y
        left, right = np.where(above, x, left), np.where(above, right, x)
    return np.asarray(right)


def slope_at(run: Any, index: Array) -> Float[Array, "*runs"]:
    """dL/dα of the overlap ODE at one recorded point of a Trajectory, or of each in an Ensemble."""
    Q, M = (
        np.take_along_axis(a, np.expand_dims(index, (-3, -2, -1)), -3)[..., 0, :, :]
        for a in (run.Q, run.M)
    )
    C = joint_covariance(Q, M, run.task.T)
    spherical, noise = run.meta["constraint"] == "spherical", run.meta.get("gradient_noise", True)
    change = mean_change(C, run.task, run.meta["eta"], spherical, noise)
    return loss_slope(C, change, run.task.readout)
