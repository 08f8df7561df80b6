"""Checks of exercises say right, or give the hint fit to the mistake, and never the number."""

import re
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import quadlib as ql
from quadlib.exercises import Exercise, checking
from quadlib.notation import number

ROOT = Path(__file__).parents[1]
ROOMS = sorted(path.stem for path in (ROOT / "quadlib" / "exercises").glob("_[0-9]*.py"))
KNOWN = {
    name: exercise
    for room in ROOMS
    for name, exercise in import_module(f"quadlib.exercises.{room}").EXERCISES.items()
}
TWO = Exercise(lambda: np.array([2.0, 8.0]), "else", [(5.0, "five"), ([4, 64], "squares")])


@pytest.fixture(scope="module", autouse=True)
def _laws_are_computed_once():
    known = {}

    def law(*args, **kwargs):
        key = repr((args, kwargs))
        if key not in known:
            known[key] = ql.escape_law(*args, **kwargs)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        for room in ROOMS:
            module = import_module(f"quadlib.exercises.{room}")
            if hasattr(module, "escape_law"):
                patch.setattr(module, "escape_law", law)
        yield


@cache
def answer_of(name):
    return KNOWN[name].answer()


def said(capsys, name, answer):
    right = ql.check(name, answer)
    return right, capsys.readouterr().out


@pytest.mark.parametrize("name", KNOWN)
def test_the_right_answer_is_right_and_each_usual_mistake_gets_its_hint(name):
    right = answer_of(name)
    exercise = replace(KNOWN[name], answer=lambda: right)  # computed once
    assert exercise.judge(right) == (True, "right.")
    assert exercise.judge(str(right))[0] == isinstance(right, str)
    for mistake, hint in exercise.hints:
        wrong = mistake() if callable(mistake) else mistake
        if not isinstance(right, str):
            wrong = np.broadcast_to(wrong, np.shape(right)) if np.ndim(wrong) == 0 else wrong
        verdict, words = exercise.judge(wrong)
        assert not verdict
        assert words.endswith(hint), wrong
    other = "z" if isinstance(right, str) else 1.2345 * np.asarray(right, dtype=float) + 1e-2
    verdict, words = exercise.judge(other)
    assert not verdict
    assert words.endswith(exercise.hint)


@pytest.mark.parametrize("name", KNOWN)
def test_no_hint_tells_the_number(name):
    exercise, right = KNOWN[name], answer_of(name)
    if isinstance(right, str):
        return
    told = " ".join([exercise.hint, *(hint for _, hint in exercise.hints)])
    for value in np.ravel(right).astype(float):
        for text in {number(value), f"{value:.4g}", f"{value:.3f}"} - set("0123456789"):
            assert not re.search(rf"(?<![\d.]){re.escape(text)}(?![\d.])", told), text


@pytest.mark.parametrize(
    "answer",
    [
        [2, 8],
        (2.0, 8),
        np.array([2.0, 8.0]),
        np.array([[2], [8]]),
        [Fraction(2), Fraction(8)],
        [np.float64(2.001), 7.993],
        np.array([2, 8], dtype=np.int32),
    ],
    ids=repr,
)
def test_an_answer_may_come_in_any_form(answer):
    assert TWO.judge(answer) == (True, "right.")


@pytest.mark.parametrize(
    "answer", [2, 2.002, Fraction(2), np.float64(2), [2], (1.998,), np.ones(1) + 1]
)
def test_so_may_a_single_number(answer):
    assert Exercise(lambda: 2, "else").judge(answer)[0]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([2, 5], "number 2 is off. five"),
        ([5, 8], "number 1 is off. five"),
        ([4, 64], "squares"),
        ([4, 63], "else"),
        ([2.0021, 8], "number 1 is off. else"),
        ([np.nan, 8], "number 1 is off. else"),
        (2, "asked for is a list of 2 numbers, got 2."),
        ([1, 2, 3], "asked for is a list of 2 numbers, got [1, 2, 3]."),
        ("b", "asked for is a list of 2 numbers, got 'b'."),
        ([True, False], "asked for is a list of 2 numbers, got [True, False]."),
        ([2j, 8], "asked for is a list of 2 numbers, got [2j, 8]."),
        ({2, 8}, "asked for is a list of 2 numbers, got {8, 2}."),
    ],
    ids=repr,
)
def test_a_wrong_answer_gets_the_hint_of_its_mistake(answer, words):
    assert TWO.judge(answer) == (False, words)


def test_a_letter_is_asked_for_as_a_string():
    choice = Exercise(lambda: "b", "look again", [("a", "not a, since …")])
    assert choice.judge(" B ")[0]
    assert choice.judge("a") == (False, "not a, since …")
    assert choice.judge("d") == (False, "look again")
    assert choice.judge(2) == (False, 'asked for is a letter in quotes, like "a", got 2.')


@pytest.mark.parametrize("answer", [..., None, [...], [1, ...], (None, 2)], ids=repr)
def test_no_answer_is_waited_for(answer, capsys, monkeypatch):
    monkeypatch.setitem(import_module(f"quadlib.exercises.{ROOMS[0]}").EXERCISES, "00.99", TWO)
    assert said(capsys, "00.99", answer) == (
        False,
        "○ 00.99 waits for your answer: put it in place of the dots.\n",
    )


def test_a_notebook_shows_the_sentence_alone():
    from IPython.core.formatters import DisplayFormatter

    for right in (True, False):
        verdict = checking.Verdict(right)
        assert verdict == right
        assert repr(verdict) == repr(right)
        assert DisplayFormatter().format(verdict) == ({}, {})


def test_an_unknown_exercise_is_named_with_those_there_are():
    for name in ("00.77", "99.1", 3):
        with pytest.raises(ValueError, match=r"exercise must be one of '00.1', .*, got"):
            ql.check(name, 1)


def test_a_guess_is_set_against_what_comes_out(capsys):
    guess = ql.predict("How many?")
    assert "How many?" in repr(guess)
    for typed, words in {
        "": "It is 43.2: mean.",
        "60": "You said 60, it is 43.2: mean.",
        "4,5e1": "You said 45, it is 43.2: mean.",
        "216/5": "You said 43.2, and so it is: mean.",
        "many": "You said many, it is 43.2: mean.",
    }.items():
        guess.field.value = typed
        guess.compare(43.2, "mean.")
        assert capsys.readouterr().out == words + "\n"


def test_a_choice_is_set_against_the_outcome(capsys):
    guess = ql.predict("Which one?", ["it grows", "it stays"])
    guess.compare("it stays")
    guess.field.value = "it grows"
    guess.compare("it stays", "see the line.")
    guess.field.value = "it stays"
    guess.compare("it stays")
    assert capsys.readouterr().out.splitlines() == [
        "It turned out “it stays”.",
        "You said “it grows”, it turned out “it stays”: see the line.",
        "You said “it stays”, and so it is.",
    ]
    with pytest.raises(ValueError, match=r"outcome must be one of .*, got 'no'"):
        guess.compare("no")


def test_who_only_reads_sees_the_question():
    shown = ql.predict("Is 1 < 2?", ["yes", "no"])._repr_mimebundle_()
    assert "Is 1 &lt; 2?" in shown["text/html"]
    assert shown["text/html"].count("<li>") == 2
    assert "application/vnd.jupyter.widget-view+json" in shown


def test_the_library_alone_can_check_and_predict():
    code = (
        "import sys; sys.modules['ipywidgets'] = None\n"
        "import quadlib as ql; guess = ql.predict('How many?'); guess.field.value = 60\n"
        "guess.compare(43); print(guess, guess._repr_mimebundle_().keys())\n"
        "print('matplotlib' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "You said 60, it is 43.",
        "Predict. How many? dict_keys(['text/plain', 'text/html'])",
        "False",
    ]


def test_checks_lie_in_one_file_a_notebook():
    for room in ROOMS:
        names = import_module(f"quadlib.exercises.{room}").EXERCISES
        assert (ROOT / "notebooks" / f"{room[1:]}.py").is_file()
        assert list(names) == [f"{room[1:3]}.{i + 1}" for i in range(len(names))]
    assert checking.check is ql.check
