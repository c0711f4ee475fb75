"""What only the instructor's edition has: a page of teaching notes for each lesson, taken from the lesson and its checks."""

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

from nbformat import NotebookNode

from ..cells import is_answer
from ..project import Project

if TYPE_CHECKING:
    from reward_lab.checks.exercise import Exercise

ROW = re.compile(r"^\| (Difficulty, importance|Time|Points) \| (.*?) \|$", re.MULTILINE)
TASK = re.compile(r"^### (TODO \d+: .*)$", re.MULTILINE)
GUESS = re.compile(r"\*\*Predict, then run\.\*\*\s*(.*)", re.DOTALL)
OUTCOME = re.compile(r"<details><summary>What came out</summary>\s*(.*?)\s*</details>", re.DOTALL)


def teaching_page(project: Project, lesson: str, notebook: NotebookNode) -> str:
    """The teaching notes of a lesson, as Markdown.

    Args:
        project: whose lesson.
        lesson: its name.
        notebook: its source, with answers.
    """
    title = notebook.cells[0].source.splitlines()[0].removeprefix("# ")
    exercises = exercises_of(project, lesson, notebook)
    parts = [
        f"# Teaching notes: {title}\n\nTaken from the lesson and its checks when this edition was built. "
        f"The lesson with its answers and marking schemes: [{title}]({lesson}.ipynb).",
        "## Timing\n\n" + _timing(notebook),
        "## Questions for class\n\n" + _questions(notebook),
        "## What students get wrong\n\nEach of these is recognised by the check, which tells the student. In brackets: "
        "what a case is worth.",
    ]
    for module, exercise in exercises:
        cases = "".join(f"- {case.title} ({case.points:g})\n" for case in exercise.cases)
        wrong = "".join(f"- {said}\n" for said in known_mistakes(module))
        parts.append(
            f"### `{exercise.name}`\n\n**What is tried**\n\n{cases}\n**Mistakes that have a name**\n\n{wrong}"
        )
    return "\n\n".join(parts) + "\n"


def exercises_of(
    project: Project, lesson: str, notebook: NotebookNode
) -> list[tuple[ModuleType, "Exercise"]]:
    """Every exercise of a lesson, in the order of its notebook, with the module that defines it."""
    from reward_lab.checks.exercise import Exercise  # here: the public edition has no use for torch

    package = project.checks(lesson)
    modules = [
        importlib.import_module(f"{package.__name__}.{found.name}")
        for found in pkgutil.iter_modules(package.__path__)
    ]
    order = [cell.id for cell in notebook.cells if cell.cell_type == "code" and is_answer(cell)]
    found = [
        (module, exercise)
        for module in modules
        for name, exercise in vars(module).items()
        if isinstance(exercise, Exercise)
        and exercise.name == name
        and f"{name} = Exercise(" in inspect.getsource(module)
    ]
    return sorted(found, key=lambda pair: order.index(pair[1].name))


def known_mistakes(module: ModuleType) -> list[str]:
    """What a check says of the mistakes that it knows: its tables of them, and what its cases raise."""
    tables = [
        value for name, value in vars(module).items() if name.endswith("MISTAKES") and isinstance(value, dict)
    ]
    said = [sentence for table in tables for sentence in table if isinstance(sentence, str)]
    return list(dict.fromkeys([*said, *_raised(module)]))


def _raised(module: ModuleType) -> Iterator[str]:
    """The sentences that stand third in `Mistake(...)`, or as its `likely`."""
    constants = {name: value for name, value in vars(module).items() if isinstance(value, str)}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "Mistake":
            likely = [*node.args[2:3], *(word.value for word in node.keywords if word.arg == "likely")]
            for part in likely:
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value
                elif isinstance(part, ast.Name) and part.id in constants:
                    yield constants[part.id]


def _timing(notebook: NotebookNode) -> str:
    lines = ["| exercise | minutes | points | difficulty, importance |", "|:--|:--|:--|:--|"]
    for cell in notebook.cells:
        task = TASK.search(cell.source) if cell.cell_type == "markdown" else None
        if task:
            row = dict(ROW.findall(cell.source))
            minutes = row.get("Time", "").removesuffix(" minutes")
            lines.append(
                f"| {task[1]} | {minutes} | {row.get('Points', '')} | {row.get('Difficulty, importance', '')} |"
            )
    return "\n".join(lines)


def _questions(notebook: NotebookNode) -> str:
    """Each question that the lesson asks before a result, with what came out."""
    shown, texts = [], [cell.source if cell.cell_type == "markdown" else "" for cell in notebook.cells]
    for number, text in enumerate(texts):
        if guess := GUESS.search(text):
            after = next(
                (found for later in texts[number + 1 : number + 5] if (found := OUTCOME.search(later))), None
            )
            came = f"\n\n   *What came out.* {_indented(after[1])}" if after else ""
            shown.append(f"1. {_indented(guess[1].strip())}{came}")
    return "\n".join(shown)


def _indented(text: str) -> str:
    return text.replace("\n", "\n   ")
