"""Lessons run: the source with its answers, and the student's copy from its first cell to its last."""

import io
import re

import matplotlib.image
import numpy as np
import pytest

from grader.build import lesson_sources
from grader.headless import pictures

from .running import run_once

pytestmark = pytest.mark.slow
LESSONS = list(lesson_sources())
SECONDS = 300
"""Of CPU time. The promise is 120 (bench measures it); a core whose other half is busy takes over twice as long."""


@pytest.fixture(params=LESSONS)
def lesson_run(request):
    """The name of a lesson whose runs a test looks at."""
    return request.param


@pytest.fixture
def source(lesson_run, shared_folder):
    """A lesson with its answers, executed."""
    return run_once(lesson_run, "source", shared_folder)


@pytest.fixture
def student(lesson_run, shared_folder):
    """A student's fresh copy after Run All."""
    return run_once(lesson_run, "student", shared_folder)


def panels(notebook) -> dict[str, str]:
    """What each check cell shows, as text."""
    checks = [cell for cell in notebook.cells if cell.id.startswith("check_")]
    return {cell.id: cell.outputs[-1].data["text/plain"] for cell in checks}


def test_the_source_runs_to_its_end_and_every_answer_gets_full_marks(source):
    notebook, seconds = source
    assert seconds < SECONDS
    for panel in panels(notebook).values():
        got, most = re.search(r"\(([\d.]+) of ([\d.]+) points\)", panel).groups()
        assert got == most and "all cases pass" in panel


def test_nothing_is_written_to_stderr(source, student):
    for notebook, _ in (source, student):
        for cell in notebook.cells:
            assert not [
                o for o in cell.get("outputs", []) if o.output_type == "stream" and o.name == "stderr"
            ]


def test_no_widget_is_shown(source, student):
    """Progress bars as widgets break a notebook that is saved without their state."""
    for notebook, _ in (source, student):
        data = [o.get("data", {}) for cell in notebook.cells for o in cell.get("outputs", [])]
        assert not [d for d in data if "application/vnd.jupyter.widget-view+json" in d]


def test_the_student_copy_reaches_its_end_with_every_check_not_yet(student):
    notebook, seconds = student
    assert seconds < SECONDS
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code" and cell.source)
    assert not [o for c in notebook.cells for o in c.get("outputs", []) if o.output_type == "error"]
    for panel in panels(notebook).values():
        assert "not yet" in panel and "Next step" in panel


def test_every_figure_has_a_text_for_those_who_can_not_see_it_and_is_not_blank(source):
    notebook, _ = source
    figures = pictures(notebook)
    assert figures
    for figure, alt in figures:
        assert len(alt) > 40
        pixels = matplotlib.image.imread(io.BytesIO(figure))
        assert min(pixels.shape[:2]) > 200 and np.std(pixels[..., :3]) > 0.02
