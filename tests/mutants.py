"""Change the core in one place after another, and see whether its tests notice: make mutants.

A sign is turned, a comparison negated or moved to its border, a number doubled, a condition
negated, a least made a greatest, a statement left out. Each change is tried on the tests that
reach its line, those first that are quick or have noticed much, up to some seconds of them, in a
process that is forked when all have passed; a failure, a crash, or ten times the time of a test
kills it. What survives is printed as a line of tests/survivors.txt: the module, the change, and the
line of code with ^ before its place, after a ? for the reason, which is a word CONTRIBUTING.md
explains. What has a reason there is not tried again, and reasons for no change are printed.

    python -m tests.mutants                    every change of every module
    python -m tests.mutants task plateau       of two
    python -m tests.mutants --most 60 task     sixty, drawn at random
    python -m tests.mutants --seconds 30 task  with more of the slow tests

Of the libraries for this, mutmut leaves out decorated functions (all loops that are compiled, all
properties) and constants, and changes every word of every error; cosmic-ray starts Python anew for
each change.
"""

import argparse
import ast
import importlib
import inspect
import os
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple, TypeAlias

import coverage
import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.sparse.linalg
import scipy.special
import scipy.stats  # noqa: F401
from _pytest.runner import runtestprotocol

ROOT = Path(__file__).parent.parent
BAD, END = "test_bad_input", "theorems/test_right_to_the_end"
LOOPS = "theorems/test_transcriptions test_loops"
TESTS = {
    "task": f"test_task test_state test_precision test_trajectory {BAD} {END}",
    "state/overlaps": f"test_state test_task {BAD} test_files test_bias",
    "state/random": f"test_state {BAD} test_bias",
    "plateau": f"test_precision {BAD} theorems/test_reference_values theorems/test_learning_rates",
    "passage": "test_trajectory test_ensemble",
    "trajectory": f"test_trajectory test_files {BAD}",
    "archive": "test_files test_trajectory",
    "late_time": f"test_precision theorems/test_late_time {BAD}",
    "bias": f"test_bias {BAD} theorems/test_implicit_bias",
    "landscape": f"test_landscape theorems/test_hessian_spectra {BAD}",
    "thresholds": "theorems/test_learning_rates test_escape_parts",
    "checks": f"{BAD} test_seeds test_precision test_trajectory test_state test_task",
    "dynamics/components": f"test_ode_parts {END} theorems/test_ode theorems/test_reference_values "
    "test_loops",
    "dynamics/flow": f"theorems/test_flow {END} theorems/test_reference_values {BAD}",
    "dynamics/ode": f"test_ode_parts {END} theorems/test_ode {BAD} theorems/test_reference_values",
    "dynamics/solver": f"test_ode_parts {END} theorems/test_ode theorems/test_reference_values",
    "escape/linear": "test_escape_parts test_precision theorems/test_escape_law",
    "escape/finite": "test_escape_parts theorems/test_escape_law",
    "escape/average": "test_escape_average theorems/test_escape_law",
    "escape/passage": "test_escape_parts theorems/test_escape_law",
    "escape/__init__": f"test_escape_parts theorems/test_escape_law {BAD}",
    "dynamics/__init__": f"test_loops {BAD}",
    "dynamics/progress": "test_loops",
    "dynamics/start": f"{LOOPS} {BAD}",
    "dynamics/compiled": "test_loops",
    "dynamics/record": "test_loops test_together",
    "dynamics/together": "test_loops test_together",
    "dynamics/derivative": "test_loops test_ode_parts",
    "dynamics/overlaps": LOOPS,
    "dynamics/diffusion": LOOPS,
    "dynamics/weights": LOOPS,
    "dynamics/lockstep": "test_loops test_together",
}
COMPILED = ("dynamics/derivative", "dynamics/overlaps", "dynamics/weights", "dynamics/diffusion")
SWAPS = {
    ast.Add: [ast.Sub], ast.Sub: [ast.Add], ast.Mult: [ast.Div], ast.Div: [ast.Mult],
    ast.Pow: [ast.Mult], ast.Mod: [ast.Mult], ast.BitAnd: [ast.BitOr], ast.BitOr: [ast.BitAnd],
    ast.Lt: [ast.GtE, ast.LtE], ast.GtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.LtE, ast.GtE], ast.LtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq], ast.NotEq: [ast.Eq], ast.Is: [ast.IsNot], ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn], ast.NotIn: [ast.In], ast.And: [ast.Or], ast.Or: [ast.And],
}  # fmt: skip
NAMES = ["min max", "minimum maximum", "any all", "argmin argmax", "zeros ones", "floor ceil"]
OTHER_NAME = {a: b for pair in NAMES for a, b in (pair.split(), pair.split()[::-1])}
SURVIVORS = Path(__file__).with_name("survivors.txt")
SECONDS = 2.0
"""Of the processor: so much of its tests is run for a change."""


Times: TypeAlias = dict[str, float]


class Change(NamedTuple):
    """In the field of a node, or at an index of it, something else; and the lines it is on."""

    owner: ast.AST
    field: str
    index: int | None
    old: Any
    new: ast.AST
    lines: range

    def put(self, value: Any) -> None:
        if self.index is None:
            setattr(self.owner, self.field, value)
        else:
            getattr(self.owner, self.field)[self.index] = value

    def compiled(self, tree: ast.Module, name: str) -> Any:
        self.put(self.new)
        try:
            return compile(ast.fix_missing_locations(tree), name, "exec")
        finally:
            self.put(self.old)

    def place(self, lines: list[str]) -> str:
        """The line of code, ^ before what is changed."""
        line = lines[self.old.lineno - 1].encode()
        return (
            f"{line[: self.old.col_offset].decode()}^{line[self.old.col_offset :].decode()}".strip()
        )

    def __str__(self) -> str:
        old, new = (
            " ".join(ast.unparse(getattr(node, "test", node)).split())
            for node in (self.old, self.new)
        )
        same = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
        start = max(0, same - 30)
        return " -> ".join(text[start : same + 30] for text in (old, new))


def instead(node: Any) -> Iterator[ast.AST]:
    """What may stand in the place of a node."""
    match node:
        case ast.BinOp(left, op, right):
            yield from (ast.BinOp(left, new(), right) for new in SWAPS.get(type(op), []))
        case ast.AugAssign(target, op, value):
            yield from (ast.AugAssign(target, new(), value) for new in SWAPS.get(type(op), []))
            yield ast.Pass()
        case ast.Compare(left, ops, rest):
            for i, op in enumerate(ops):
                for new in SWAPS.get(type(op), []):
                    yield ast.Compare(left, [*ops[:i], new(), *ops[i + 1 :]], rest)
        case ast.BoolOp(op, values):
            yield ast.BoolOp(SWAPS[type(op)][0](), values)
        case ast.UnaryOp(ast.Not() | ast.USub() | ast.Invert(), operand):
            yield operand
        case ast.Constant(bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(int(value) | float(value)):
            yield ast.Constant(2 * value or 1)
        case ast.Call(ast.Name(name), args, keywords) if name in OTHER_NAME:
            yield ast.Call(ast.Name(OTHER_NAME[name], ast.Load()), args, keywords)
        case ast.Call(ast.Attribute(value, name), args, keywords) if name in OTHER_NAME:
            yield ast.Call(ast.Attribute(value, OTHER_NAME[name], ast.Load()), args, keywords)
        case ast.Expr(ast.Call()):
            yield ast.Pass()
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()
        case ast.If(ast.Name() | ast.Call() | ast.Attribute() as test, body, rest):
            if ast.unparse(test) != "TYPE_CHECKING":
                yield ast.If(ast.UnaryOp(ast.Not(), test), body, rest)
        case ast.IfExp(ast.Name() | ast.Call() | ast.Attribute() as test, body, rest):
            yield ast.IfExp(ast.UnaryOp(ast.Not(), test), body, rest)


def changes(owner: ast.AST, lines: range = range(0)) -> Iterator[Change]:
    """All of them, but for annotations, decorators and the words of errors."""
    for name, value in ast.iter_fields(owner):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for i, node in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(node, ast.AST) or isinstance(node, ast.JoinedStr | ast.Raise):
                continue
            on = lines
            if isinstance(node, ast.stmt):
                body = getattr(node, "body", None)
                last = body[0].lineno - 1 if body else node.end_lineno
                on = range(node.lineno, max(node.lineno, last or 0) + 1)
            for new in instead(node):
                yield Change(owner, name, i if isinstance(value, list) else None, node, new, on)
            yield from changes(node, on)


def forget() -> None:
    """Empty all caches: what is kept of other tests is not what the code does."""
    for name, room in list(sys.modules.items()):
        for kept in list(vars(room).values()) if name.startswith("quadlib") else []:
            getattr(kept, "cache_clear", bool)()


def plant(module: ModuleType, code: Any) -> None:
    """Let the functions, defaults and constants of a module be those of the changed code."""
    scratch = {name: vars(module)[name] for name in ("__name__", "__file__", "__package__")}
    exec(code, scratch)
    rooms = [room for name, room in sys.modules.items() if name.startswith(("quadlib", "tests"))]
    forget()
    for name, new in scratch.items():
        old = vars(module).get(name)
        if name.startswith("__") or old is new:
            continue
        if not graft(old, new) and isinstance(old, int | float | tuple | dict | np.ndarray):
            for room in rooms:
                if vars(room).get(name) is old:
                    setattr(room, name, new)


def graft(old: Any, new: Any) -> bool:
    """Give a function or a class the code of another; whether it is one of them."""
    old, new = (getattr(x, "__func__", getattr(x, "fget", x)) for x in (old, new))
    old, new = inspect.unwrap(old), inspect.unwrap(new)
    if isinstance(old, FunctionType):
        old.__code__, old.__defaults__ = new.__code__, new.__defaults__
        old.__kwdefaults__ = new.__kwdefaults__
        return True
    if not isinstance(old, type):
        return False
    for name, member in vars(new).items():
        if name.startswith("__") and not isinstance(member, FunctionType):
            continue
        if not graft(vars(old)[name], member) and type(member) in (bool, int, float):
            setattr(old, name, member)
    return True


def processor() -> float:
    """Seconds of the processor, those of ended children included."""
    return sum(os.times()[:4])


def passes(item: pytest.Item) -> bool:
    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


def noticing(items: list[pytest.Item], took: Times, module: ModuleType, code: Any) -> int:
    """Number, from 1, of the test that fails with the change; 0 if none does, -27 if one hangs.

    In a process of its own.
    """
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
        failed = 255
        try:
            plant(module, code)
            passed = 0
            for item in items:
                signal.setitimer(signal.ITIMER_PROF, 0.3 + 10 * took[item.nodeid])
                if not passes(item):
                    break
                passed += 1
            failed = min(255, passed + 1) if passed < len(items) else 0
        finally:
            os._exit(failed)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Mutation:
    """A plugin of pytest that tries the changes of a module instead of running the tests."""

    def __init__(self, name: str, asked: argparse.Namespace, out: Any) -> None:
        self.name, self.most, self.seconds, self.out = name, asked.most, asked.seconds, out

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        path = ROOT / "quadlib" / f"{self.name}.py"
        dotted = f"quadlib.{self.name}".replace("/", ".").removesuffix(".__init__")
        module, begun = importlib.import_module(dotted), processor()
        took: Times = {}
        watch = coverage.Coverage(data_file=None, include=[str(path)], config_file=False)
        watch.start()
        for item in session.items:
            forget()
            watch.switch_context(item.nodeid)
            start = time.process_time()
            if not passes(item):
                print(f"    without a change: {item.nodeid} fails", file=self.out, flush=True)
                continue
            took[item.nodeid] = time.process_time() - start
        watch.stop()
        reached = watch.get_data().contexts_by_lineno(str(path))
        value = {name: 1 / (0.001 + seconds) for name, seconds in took.items()}
        lines = path.read_text(encoding="utf-8").splitlines()
        tree = ast.parse("\n".join(lines))
        every = list(changes(tree))
        chosen = sorted(random.Random(0).sample(range(len(every)), min(self.most, len(every))))
        entries = [
            line.split("\t", 1) for line in SURVIVORS.read_text(encoding="utf-8").splitlines()
        ]
        explained = Counter(rest for _, rest in entries if rest.startswith(f"{self.name}\t"))
        called = [f"{self.name}\t{change}\t{change.place(lines)}" for change in every]
        alike = Counter(called)
        for entry in (explained - alike).elements():
            print(f"no such change: {entry}", file=self.out, flush=True)
        known = new = 0
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        for number in chosen:
            change, first = every[number], every[number].lines[0]
            entry = called[number]
            if alike[entry] <= explained[entry]:
                known += 1
                continue
            around = [f for f in functions if f.lineno <= first <= (f.end_lineno or 0)]
            on = set(change.lines)
            if around and first < around[-1].body[0].lineno:  # a default, used where it is called
                on |= set(range(around[-1].lineno, (around[-1].end_lineno or 0) + 1))
            names = {name for line in on for name in reached.get(line, [])} if around else value
            items = [item for item in session.items if item.nodeid in value.keys() & names]
            items.sort(key=lambda item: -value[item.nodeid])
            spent = np.cumsum([took[item.nodeid] for item in items])
            items = items[: 1 + int((spent < self.seconds).sum())]
            found = noticing(items, took, module, change.compiled(tree, str(path)))
            if 0 < found <= len(items):
                name = items[found - 1].nodeid
                value[name] += 1 / (0.001 + took[name])
            if found == 0 and explained[entry]:  # one of several that look the same
                explained[entry] -= 1
                known += 1
            elif found == 0:
                new += 1
                print(f"?\t{entry}", file=self.out, flush=True)
        print(
            f"{self.name}: {len(chosen)} of {len(every)} changes, {len(chosen) - known - new} "
            f"noticed, {known} explained, {new} not ({processor() - begun:.0f} s)",
            file=self.out,
            flush=True,
        )
        return True


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("modules", nargs="*", default=list(TESTS), metavar="module")
    parser.add_argument("--most", type=int, default=10**9)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    asked = parser.parse_args()
    for name in asked.modules:
        child = os.fork()
        if not child:
            if name in COMPILED:
                os.environ["NUMBA_DISABLE_JIT"] = "1"  # a changed loop is run as it is written
            out = os.fdopen(os.dup(1), "w")
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            tests = [f"tests/{test}.py" for test in TESTS[name].split()]
            chosen = ["-k", f"not ctrl_c{' and not is_compiled' * (name in COMPILED)}", *tests]
            options = ["-p", "no:cacheprovider", "--tb=native"]
            pytest.main([*options, *chosen], plugins=[Mutation(name, asked, out)])
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
