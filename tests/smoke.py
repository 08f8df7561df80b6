"""The installed package, with and without what it does not need: `make package` runs this."""

from importlib.util import find_spec

import quadlib as ql

assert "site-packages" in ql.__file__
task = ql.Task(p=4, p_star=2)
start = ql.random_overlaps(task, N=1000, rng=0)
run = ql.simulate(task, start, eta=0.05, alpha=10.0, N=1000, rng=1, progress=False)
ode = ql.integrate(task, start, eta=0.05, alpha=10.0)
assert abs(run.loss[-1] - ode.loss[-1]) < 0.1, (run.loss[-1], ode.loss[-1])
assert all(claim.statement for claim in ql.claims.ALL)

for room in ("plotting", "explorers"):
    try:
        getattr(ql, room)
    except ImportError as error:
        missing = [name for name in ("matplotlib", "ipywidgets") if find_spec(name) is None]
        needed = [f"pip install {name}." for name in missing]
        assert any(str(error).endswith(way) for way in needed), error  # noqa: PT017
        print(error)
    else:
        assert find_spec("matplotlib")
        assert find_spec("ipywidgets")
print("quadlib", ql.__version__, "works", "with" if find_spec("numba") else "without", "numba")
