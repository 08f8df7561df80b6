"""Change the core in one place after another, and see whether its tests notice: make mutants.

A comparison is turned round, a sign flipped, a constant doubled, a condition negated. Each change
is tried on the tests of its module, and those that no test notices are printed.

    python -m tests.mutants              every module, every change: hours
    python -m tests.mutants passage 20   twenty changes of one
"""

import ast
import random
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TESTS = {
    "task": "test_task.py theorems/test_right_to_the_end.py test_precision.py",
    "state/overlaps": "test_state.py test_bad_input.py",
    "state/random": "test_state.py test_bad_input.py",
    "plateau": "test_precision.py test_bad_input.py theorems/test_reference_values.py",
    "passage": "test_trajectory.py",
    "trajectory": "test_trajectory.py test_files.py test_bad_input.py",
    "archive": "test_files.py",
    "dynamics/components": "theorems/test_right_to_the_end.py",
    "dynamics/ode": "theorems/test_right_to_the_end.py theorems/test_ode.py test_bad_input.py",
    "dynamics/flow": "theorems/test_right_to_the_end.py theorems/test_flow.py",
    "late_time": "test_precision.py theorems/test_late_time.py test_bad_input.py",
    "bias": "test_bias.py test_bad_input.py",
    "landscape": "test_landscape.py theorems/test_hessian_spectra.py",
}
SWAPS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


def changed(source: str, number: int) -> tuple[str, int] | None:
    """The source with its change of this number, and the line; None beyond the last."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        for name in ("op", "ops", "value"):
            part = getattr(node, name, None)
            first = part[0] if isinstance(part, list) and part else part
            number_like = isinstance(node, ast.Constant) and type(part) in (int, float)
            if type(first) not in SWAPS and not number_like:
                continue
            if number > 0:
                number -= 1
                continue
            if number_like:
                node.value = part * 2 if part else 1
            else:
                new = SWAPS[type(first)]()
                setattr(node, name, [new, *part[1:]] if isinstance(part, list) else new)
            return ast.unparse(tree), line
    return None


def survives(module: str) -> bool:
    tests = [f"tests/{name}" for name in TESTS[module].split()]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        run = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=600, check=False)
    except subprocess.TimeoutExpired:
        return False
    return run.returncode == 0


def main(modules: list[str], most: int) -> None:
    for module in modules:
        path = ROOT / "quadlib" / f"{module}.py"
        source, count = path.read_text(), 0
        while changed(source, count) is not None:
            count += 1
        chosen = random.Random(0).sample(range(count), min(most, count))
        survivors = 0
        try:
            for number in sorted(chosen):
                text, line = changed(source, number) or ("", 0)
                path.write_text(text)
                if survives(module):
                    survivors += 1
                    print(
                        f"{path.name}:{line}: {source.splitlines()[line - 1].strip()}", flush=True
                    )
        finally:
            path.write_text(source)
        print(f"{module}: {len(chosen)} of {count} changes, {survivors} not noticed", flush=True)


if __name__ == "__main__":
    wanted = sys.argv[1:2] if len(sys.argv) > 1 else list(TESTS)
    main(wanted, int(sys.argv[2]) if len(sys.argv) > 2 else 10**6)
