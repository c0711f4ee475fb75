"""Show the whole way once: build, run lesson 1 with its answers, grade a small class.

python -m grader.demo                  what `make demo` runs; everything goes to build/demo
python -m grader.demo --figures-only   run the lesson and write the README's figure
"""

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from nbconvert import HTMLExporter

from .__main__ import grade_table
from .build import ROOT, lesson_sources, make_course, read_source
from .demo_class import CLASS, submit
from .gradebook import pristine_lessons
from .grading import grade_class, write_missing_feedback
from .headless import execute, save_figures
from .host import sandbox_problem
from .settings import Settings

LESSON = "01_reward_modeling"
DEMO = ROOT / "build" / "demo"
KEY_FIGURE = ROOT / "notebooks" / "figures" / f"{LESSON}.png"


def run_lesson() -> list[Path]:
    """Execute lesson 1 with its answers; write it as a page, and its figures. Returns the figures."""
    start = time.perf_counter()

    def progress(number: int, total: int) -> None:
        if number % 10 == 0 or number == total:
            print(f"   cell {number} of {total} ({time.perf_counter() - start:.0f} s)", flush=True)

    executed = execute(read_source(lesson_sources()[LESSON]), ROOT, progress=progress)
    DEMO.mkdir(parents=True, exist_ok=True)
    page, _ = HTMLExporter().from_notebook_node(executed)
    (DEMO / f"{LESSON}.html").write_text(page, encoding="utf-8")
    return save_figures(executed, DEMO / "figures")


def grade_small_class(course: Path) -> None:
    """Hand in for a class made by code, and grade it."""
    submit(course, LESSON, pristine_lessons(course)[LESSON])
    verdicts, workers = {}, os.cpu_count() or 1
    problem = sandbox_problem()
    if problem:
        print(f"   no sandbox. {problem}\n   This class is our own code, so the demo grades it without one.")
    for student, verdict, _ in grade_class(course, LESSON, Settings(workers=workers, unsafe=bool(problem))):
        verdicts[student] = verdict
        print(f"   {student} ({CLASS[student].__doc__.splitlines()[0]}) {verdict.headline}", flush=True)
    print(f"\n{grade_table(verdicts)}\n")
    for student, problem in write_missing_feedback(course, LESSON, workers):
        print(f"   feedback for {student}{f': {problem}' if problem else ''}", flush=True)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m grader.demo", description=__doc__.split("\n")[0])
    parser.add_argument("--figures-only", action="store_true", help=f"write {KEY_FIGURE.relative_to(ROOT)}")
    arguments = parser.parse_args(argv)
    if arguments.figures_only:
        print("== Running lesson 1 with its answers")
        KEY_FIGURE.parent.mkdir(exist_ok=True)
        shutil.copy(run_lesson()[-1], KEY_FIGURE)
        print(f"wrote {KEY_FIGURE.relative_to(ROOT)}")
        return 0
    shutil.rmtree(DEMO, ignore_errors=True)
    course = DEMO / "course"
    print("== 1 of 3: building the course")
    make_course(course)
    print("== 2 of 3: running lesson 1 with its answers")
    figures = run_lesson()
    print("== 3 of 3: grading a small class")
    grade_small_class(course)
    for what, where in (
        ("gradebook", course / "gradebook.db"),
        ("feedback", course / "feedback"),
        ("lesson 1", DEMO / f"{LESSON}.html"),
        ("figures", figures[0].parent),
    ):
        print(f"{what:<10} {where.relative_to(ROOT)}")
    print(
        f"\nformgrader: cd {course.relative_to(ROOT)} && ../../../.venv/bin/jupyter lab, then Nbgrader > Formgrader"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
