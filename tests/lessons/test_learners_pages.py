"""The pages beside the lessons say what the lessons say: their order, their exercises, their words."""

import re

import pytest

from grader.build import ROOT, lesson_sources, read_source
from grader.cells import is_answer

NOTEBOOKS = ROOT / "notebooks"
LESSONS = list(lesson_sources())
PAGES = ("README.md", "glossary.md", "cheat_sheet.md")


def page(name: str) -> str:
    return (NOTEBOOKS / name).read_text(encoding="utf-8")


def prose(lesson: str) -> str:
    cells = read_source(lesson_sources()[lesson]).cells
    return re.sub(r"\s+", " ", " ".join(c.source for c in cells if c.cell_type == "markdown"))


def test_every_lesson_has_its_row_in_order_with_its_time_and_number_of_exercises():
    rows = re.findall(
        r"^\| \[\d [^\]]*\]\((.*)\.ipynb\) \| .* \| .* \| (.*) \| (\d) \|$", page("README.md"), re.M
    )
    assert [name for name, *_ in rows] == LESSONS
    for name, time, exercises in rows:
        answers = [
            c for c in read_source(lesson_sources()[name]).cells if c.cell_type == "code" and is_answer(c)
        ]
        assert int(exercises) == len(answers), name
        assert f"**Time:** about {time}" in prose(name), name


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_cheat_sheet_has_the_signatures_of_the_lesson(lesson):
    sheet = page("cheat_sheet.md")
    heading = re.search(rf"^## {int(lesson[:2])} .*\n((?:.*\n)*?)(?=^## |\Z)", sheet, re.MULTILINE)
    assert heading, f"no section for {lesson}"
    shown = re.findall(r"^- `([^`]+)`: ", heading[1], re.MULTILINE)
    written = re.findall(r"Points \| \d+ \|\s+`([^`]+)`", prose(lesson).replace(" |:", "|:"))
    answers = [
        c.id for c in read_source(lesson_sources()[lesson]).cells if c.cell_type == "code" and is_answer(c)
    ]
    assert len(written) == len(answers) == len(shown)
    assert shown == written


def test_the_glossary_is_in_order_and_its_words_stand_in_the_lessons_it_names():
    entries = re.findall(r"^\*\*(.+?)\.\*\* .* \[([\d, ]+)\]$", page("glossary.md"), re.MULTILINE)
    terms = [term for term, _ in entries]
    assert len(entries) > 30 and terms == sorted(terms, key=str.lower)
    for term, where in entries:
        word = re.escape(term.lower().removesuffix("'s test").removesuffix("'s model").removesuffix("'s law"))
        for number in where.split(", "):
            (lesson,) = [name for name in LESSONS if name.startswith(f"0{number}")]
            assert re.search(word.replace(r"\ ", "[ -]").replace(r"\-", "[ -]"), prose(lesson).lower()), (
                term,
                lesson,
            )


@pytest.mark.parametrize("name", PAGES)
def test_no_link_is_dead(name):
    for target in re.findall(r"\]\(([^)#]+)", page(name)):
        assert (NOTEBOOKS / target).exists(), target
