"""Predict: a guess, kept until the outcome is there to be set against it."""

from collections.abc import Sequence
from fractions import Fraction
from html import escape
from types import SimpleNamespace
from typing import Any

from quadlib.notation import number

__all__ = ["Prediction"]


class Prediction:
    """Ask for a guess before the outcome is shown, as a field to fill in; answering is optional.

    Parameters
    ----------
    question
        What is asked, in one sentence.
    choices
        Possible outcomes; without them a number is asked for.

    Attributes
    ----------
    field
        Where the guess is; with the library alone, without widgets, set its ``value``.
    """

    def __init__(self, question: str, choices: Sequence[str] = ()) -> None:
        self.question, self.choices = question, tuple(choices)
        self.field: Any = SimpleNamespace(value=None)
        self._widget: Any = None
        try:
            import ipywidgets
        except ImportError:
            return
        if choices:
            self.field = ipywidgets.RadioButtons(options=self.choices, value=None)
            self.field.layout.width = "auto"
        else:
            self.field = ipywidgets.Text(placeholder="a number, or go on", description="your guess")
        title = ipywidgets.HTML(f"<b>Predict.</b> {escape(question)}")
        self._widget = ipywidgets.VBox([title, self.field])

    def compare(self, outcome: float | str, comment: str = "") -> None:
        """Print the guess beside the outcome, a number or one of the choices, and a comment."""
        if self.choices and outcome not in self.choices:
            raise ValueError(f"outcome must be one of {self.choices}, got {outcome!r}; choose one.")
        quote, verb = ("“{}”".format, "it turned out") if self.choices else (_as_text, "it is")
        said, found = quote(self.field.value) if self.field.value else "", quote(outcome)
        words = f"You said {said}, {verb} {found}" if said else f"{verb.capitalize()} {found}"
        words = f"You said {said}, and so it is" if said == found else words
        print(f"{words}: {comment}" if comment else f"{words}.")

    def __repr__(self) -> str:
        return " · ".join([f"Predict. {self.question}", *self.choices])

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        live = {} if self._widget is None else self._widget._repr_mimebundle_(**kwargs) or {}
        items = "".join(f"<li>{escape(choice)}</li>" for choice in self.choices)
        html = f"<p><b>Predict.</b> {escape(self.question)}</p>" + (items and f"<ul>{items}</ul>")
        return {**live, "text/plain": repr(self), "text/html": html}


def _as_text(value: Any) -> str:
    """Write a number in one way, however it was typed; leave other words as they are."""
    try:
        text = value.replace("−", "-").replace(",", ".") if isinstance(value, str) else value
        return number(float(Fraction(text)))
    except (ValueError, ZeroDivisionError, OverflowError):
        return str(value)
