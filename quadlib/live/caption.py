"""What a picture shows: in words for those who do not see it, and in numbers."""

import base64
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from quadlib.notation import number

__all__ = ["Caption", "link"]

_SHOWN = 25  # rows of a table


class Caption(NamedTuple):
    """What a picture shows: sentences for those who do not see it, and all its numbers.

    The `summary` is one short sentence, shown under the picture and read aloud after each move,
    else `alt` is; the `warning` says that something is not as it should be, in words of the
    controls.
    """

    alt: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    summary: str = ""
    warning: str = ""

    @property
    def words(self) -> str:
        """The warning and the sentences."""
        return " ".join(filter(None, (self.warning, self.alt)))

    @property
    def short(self) -> str:
        """The warning and the one short sentence."""
        return " ".join(filter(None, (self.warning, self.summary or self.alt)))

    def and_so(self, words: str) -> "Caption":
        """Return a caption that says more, in full and in short."""
        return self._replace(alt=self.alt + words, summary=self.summary + words)

    def table(self) -> str:
        """Return at most 25 rows of the numbers as an HTML table."""
        step = -(-len(self.rows) // _SHOWN) or 1
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_text(cell))}</td>" for cell in row) + "</tr>"
            for row in self.rows[::step]
        )
        if step > 1:
            more = f"one row in {step}; all of them: save, CSV"
            body += f'<tr><td colspan="{len(self.columns)}">{more}</td></tr>'
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def csv(self) -> str:
        """Return all numbers, comma separated."""
        lines = [self.columns, *self.rows]
        return "".join(",".join(_quoted(cell) for cell in line) + "\n" for line in lines)


def _text(cell: object) -> str:
    return number(cell, 4) if isinstance(cell, float | int) else str(cell)


def _quoted(cell: object) -> str:
    text = str(cell).replace('"', '""')
    return f'"{text}"' if "," in text or '"' in text else text


def link(name: str, kind: str, data: bytes) -> str:
    """Return a link that saves these data, with no server."""
    address = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    return f'<a download="{escape(name)}" href="{address}">{escape(name)}</a>'
