"""A small class of submissions, made by code: for the demo, and for the tests.

Each maker takes the pristine lesson and the right answers, and returns the content of a submitted file.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from .build import lesson_sources, read_source
from .cells import is_answer
from .project import Project

Answers = Mapping[str, str]


def right_answers(lesson: str, project: Project | None = None) -> dict[str, str]:
    """grade_id -> the answer in the lesson's source."""
    source = read_source(lesson_sources(project)[lesson], project)
    markers = ("### BEGIN SOLUTION", "### END SOLUTION")
    return {
        cell.id: "\n".join(line for line in cell.source.split("\n") if line.strip() not in markers)
        for cell in source.cells
        if is_answer(cell)
    }


def fill(pristine: NotebookNode, answers: Answers) -> NotebookNode:
    """The lesson with these answers written into it."""
    notebook = nbformat.from_dict(pristine)
    for cell in notebook.cells:
        cell.source = answers.get(cell.id, cell.source)
    return notebook


def correct(pristine: NotebookNode, answers: Answers) -> str:
    """Everything answered, everything right."""
    return nbformat.writes(fill(pristine, answers))


def partly_done(pristine: NotebookNode, answers: Answers) -> str:
    """The first two exercises done, the rest untouched."""
    done = ("preference_accuracy", "SyntheticPreferenceDataset", "reflect_noise")
    return nbformat.writes(fill(pristine, {name: answers[name] for name in done}))


def untouched(pristine: NotebookNode, answers: Answers) -> str:
    """The lesson as it was handed out."""
    return nbformat.writes(pristine)


def mistaken(pristine: NotebookNode, answers: Answers) -> str:
    """A tie counts as correct, and gradients are emptied after the step only."""
    wrong = dict(answers)
    wrong["preference_accuracy"] = wrong["preference_accuracy"].replace(" > ", " >= ")
    late = wrong["training_step"].replace("    optimizer.zero_grad()\n", "")
    wrong["training_step"] = late.replace(
        "optimizer.step()\n", "optimizer.step()\n    optimizer.zero_grad()\n"
    )
    return nbformat.writes(fill(pristine, wrong))


def saved_by_colab(pristine: NotebookNode, answers: Answers) -> str:
    """As Colab's "save to GitHub" writes it: a link cell without an id first, a user's name in every cell."""
    data = json.loads(correct(pristine, answers))
    for number, cell in enumerate(data["cells"]):
        cell["metadata"]["id"] = cell.pop("id")
        cell["metadata"]["executionInfo"] = {
            "status": "ok", "elapsed": number, "user": {"displayName": "Ada Student", "userId": "0123456789"},
        }  # fmt: skip
        cell["metadata"]["outputId"] = f"0a1b-{number}"
    link = {
        "cell_type": "markdown",
        "metadata": {"id": "view-in-github", "colab_type": "text"},
        "source": ["<a></a>"],
    }
    data["cells"].insert(0, link)
    data["metadata"] = {
        "colab": {"provenance": [], "authorship_tag": "ABX9TyM"},
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"},
        "accelerator": "GPU",
        "widgets": {"application/vnd.jupyter.widget-state+json": {"0a": {"model_name": "HTMLModel"}}},
    }
    data["nbformat_minor"] = 0
    return json.dumps(data)


def broken(pristine: NotebookNode, answers: Answers) -> str:
    """A download that broke off."""
    return correct(pristine, answers)[:3000]


CLASS: dict[str, Callable[[NotebookNode, Answers], str]] = {
    "ada": correct,
    "ben": partly_done,
    "chen": untouched,
    "dora": mistaken,
    "emre": saved_by_colab,
    "fay": broken,
}


def submit(course: Path, lesson: str, pristine: NotebookNode) -> None:
    """Write the class's files into submitted/<student>/<lesson>/<lesson>.ipynb."""
    answers = right_answers(lesson)
    for student, make in CLASS.items():
        file = course / "submitted" / student / lesson / f"{lesson}.ipynb"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(make(pristine, answers), encoding="utf-8")
