"""Call every public function, and move every explorer, many times, and count what came of it.

``python -m tests.fuzz [calls [processes [names]]]``: so many calls in all, in rounds. What fails is
shown with its arguments at once; at the end, or at Ctrl-C or SIGTERM, there is a table.
"""

import os
import signal
import sys
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.arguments import FUNCTIONS, call

ROUND = 500  # calls of a function in a round
SLOW = {"learning_rates": 250, "escape_law": 25, "blur_law": 25, "escape_times": 25}
SLOW |= {"ensemble": 5, "gradient_flow": 5, "integrate": 5}
"""Of these so many times fewer."""

BATCH = 10  # calls that Hypothesis draws at once, which costs it less
MOVES = 1  # sequences of moves of each explorer in a round
Tally = Counter[str]


def work(name: str, number: int) -> tuple[str, Tally, float]:
    """Do one round of calls, or of moves; "seconds" are those of the processor."""
    began, tally = time.process_time(), Tally()
    if name in FUNCTIONS:
        from tests.fuzz.outcome import outcome

        calls = ROUND // SLOW.get(name, 1)
        examples, size = max(1, calls // BATCH), min(calls, BATCH)
        strategy = st.lists(call(name), min_size=size, max_size=size)

        def act(values: Any) -> str:
            return outcome(name, values)
    else:
        from tests.fuzz.moves import hasty, make, sequence

        explorer = hasty(name)
        examples, strategy = MOVES, st.tuples(sequence(explorer))

        def act(values: Any) -> str:
            make(explorer, values)
            return "result"

    @seed(number)
    @settings(
        max_examples=examples,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def many(drawn: Any) -> None:
        for values in drawn:
            try:
                tally[act(values)] += 1
            except Exception as error:
                tally["other"] += 1
                print(f"{name}: {type(error).__name__} {error} of {values!r}", flush=True)
                where = traceback.extract_tb(error.__traceback__)[-1]
                print(f"    {where.filename}:{where.lineno} {where.line}", flush=True)

    many()
    return name, tally, time.process_time() - began


def rounds(calls: int, names: list[str]) -> Iterator[tuple[str, int]]:
    """Names and numbers of rounds, all functions in turn."""
    each = sum(ROUND // SLOW.get(name, 1) for name in names if name in FUNCTIONS)
    first = int(time.time())
    for number in range(-(-calls // max(1, each))):
        for name in names:
            yield name, first + number


def table(tallies: dict[str, Tally], seconds: dict[str, float]) -> str:
    lines = [f"{'function':28}{'calls':>9}{'results':>9}{'errors':>9}{'others':>7}{'ms':>9}"]
    total = Tally()
    for name, tally in (*sorted(tallies.items()), ("all", total)):
        calls, done, other = tally.total(), tally["result"], tally["other"]
        ms = 1000 * (seconds[name] if name != "all" else sum(seconds.values())) / max(1, calls)
        lines.append(f"{name:28}{calls:9}{done:9}{calls - done - other:9}{other:7}{ms:9.2f}")
        total.update({} if name == "all" else tally)
    named = ", ".join(f"{count} {error}" for error, count in total.most_common())
    return "\n".join([*lines, named])


def main(calls: Any = 100_000, processes: Any = 0, *names: str) -> int:
    from quadlib import explorers

    chosen = list(names) or [*FUNCTIONS, *explorers.__all__]
    for end in (signal.SIGINT, signal.SIGTERM):  # also in the background
        signal.signal(end, signal.default_int_handler)
    tallies: dict[str, Tally] = defaultdict(Tally)
    seconds: dict[str, float] = defaultdict(float)
    with ProcessPoolExecutor(int(processes) or os.cpu_count()) as pool:
        try:
            for name, tally, took in pool.map(work, *zip(*rounds(int(calls), chosen), strict=True)):
                tallies[name] += tally
                seconds[name] += took
                if name == chosen[-1]:
                    done, took = sum(map(Tally.total, tallies.values())), sum(seconds.values())
                    print(f"{done} calls, {took:.0f} s", flush=True)
        finally:
            print(table(tallies, seconds), flush=True)
            pool.shutdown(cancel_futures=True)
    return int(any(tally["other"] for tally in tallies.values()))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
