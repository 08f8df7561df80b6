"""A student in JupyterLab answers wrongly, reads the hint, answers rightly; guesses; looks up."""

from collections.abc import Iterator
from typing import Any

import pytest
from lab import ROOT, Notebook

FILES = {
    kind: (ROOT / "notebooks" / f"05_landscape.{kind}").read_text(encoding="utf-8")
    for kind in ("py", "ipynb")
}
PANEL = "window.jupyterapp.shell.currentWidget"


class Student(Notebook):
    """A notebook of which single cells are edited and run."""

    def clear_outputs(self) -> None:
        self.page.evaluate(
            "() => window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')"
        )

    def index(self, words: str) -> int:
        """Index of the first code cell that holds these words."""
        for index, cell in enumerate(self.cells()):
            if cell["cell_type"] == "code" and words in "".join(cell["source"]):
                return index
        raise LookupError(words)

    def run_cell(self, words: str, typed: str | None = None) -> Any:
        """Go to a cell, type something in its place, press Shift+Enter; return its element."""
        index = self.index(words)
        self.page.evaluate(
            f"""async index => {{
              await {PANEL}.content.scrollToItem(index, 'center');
              {PANEL}.content.activeCellIndex = index;
            }}""",
            index,
        )
        cell = self.page.locator(".jp-Notebook .jp-Cell.jp-mod-active").first
        cell.locator(".cm-content").click()
        if typed is not None:
            self.page.keyboard.press("Control+a")
            self.page.keyboard.insert_text(typed)
        self.page.evaluate(f"() => {{ {PANEL}.content.activeCellIndex = {index}; }}")
        self.page.keyboard.press("Control+Enter")
        self.page.wait_for_function(
            f"""index => {{
              const cell = {PANEL}.content.widgets[index];
              return cell.model.executionCount && cell.model.executionState !== 'running';
            }}""",
            arg=index,
        )
        return cell


@pytest.fixture(scope="module")
def student(context: Any, address: str) -> Iterator[Student]:
    notebook = Student(context, address, "01_sgd_to_ode")
    notebook.clear_outputs()
    notebook.run_cell("import quadlib as ql")
    yield notebook
    notebook.close()


def test_a_wrong_answer_gets_a_hint_and_the_right_one_is_right(student: Student) -> None:
    for typed, words in (
        ("...", "○ 01.4 waits for your answer"),
        ("'six'", "asked for is one number, got 'six'"),
        ("1 + 2 / 30", "✗ 01.4, not yet: that is E|x|⁴"),
        ("1 + 6 / 30", "✓ 01.4: right."),
    ):
        cell = student.run_cell('ql.check("01.4"', f'answer = {typed}\nql.check("01.4", answer)')
        cell.locator(".jp-OutputArea-output", has_text=words).first.wait_for()
        assert cell.locator(".jp-OutputArea-output").count() == 1  # and no False beside it
    assert student.errors == []


def test_a_guess_is_asked_for_with_a_choice_and_kept(student: Student) -> None:
    cell = student.run_cell("covariance = ql.predict(")
    options = cell.locator("input[type=radio]")
    options.first.wait_for()
    assert options.count() == 3
    options.nth(1).check()
    said = "covariance.compare(covariance.choices[0], 'see below.')"
    cell = student.run_cell('ql.check("01.5"', said)
    words = "You said “Q₁₂/N, since x has N entries”, it turned out “the overlap Q₁₂”: see below."
    cell.locator(".jp-OutputArea-output", has_text=words).first.wait_for()
    assert student.errors == []


def test_an_equation_number_opens_the_theory_at_that_equation(student: Student) -> None:
    page = student.page
    index = next(
        i for i, cell in enumerate(student.cells()) if "#eq-2-2" in "".join(cell["source"])
    )
    page.evaluate(f"i => {PANEL}.content.scrollToItem(i, 'center')", index)
    page.locator(".jp-Notebook .jp-RenderedMarkdown a:text-is('(2.2)')").first.click()
    page.locator(".jp-MarkdownViewer [data-jupyter-id='eq-2-2']").wait_for(state="attached")
    page.locator(".jp-MarkdownViewer mjx-container").first.wait_for()
    page.wait_for_function(
        """() => {
          const box = document.querySelector('.jp-MarkdownViewer').getBoundingClientRect();
          const anchor = document.querySelector("[data-jupyter-id='eq-2-2']");
          const top = anchor.getBoundingClientRect().top;
          return top > box.top - 20 && top < box.bottom;
        }"""
    )
    page.evaluate("() => window.jupyterapp.commands.execute('application:close')")


def test_running_and_saving_leaves_the_script_as_it_is(context: Any, address: str) -> None:
    notebook = Student(context, address, "05_landscape")
    try:
        notebook.run_cell("import quadlib as ql")
        notebook.clear_outputs()
        notebook.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        notebook.page.wait_for_function(f"() => !{PANEL}.context.model.dirty")
        fetch = "async name => (await fetch('/files/notebooks/' + name)).text()"
        saved = {kind: notebook.page.evaluate(fetch, f"05_landscape.{kind}") for kind in FILES}
        assert saved["py"] == FILES["py"]
        assert saved["ipynb"] != FILES["ipynb"]  # without its outputs
    finally:
        notebook.close()
