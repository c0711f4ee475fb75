"""What stock nbgrader makes of the attacks that it can run, beside what we make of them."""

import subprocess
import sys
import tempfile
from pathlib import Path

from nbgrader.api import Gradebook

from grader.build import make_course
from grader.demo_class import right_answers
from grader.gradebook import pristine_lessons

from ..grader.attacks import ATTACKS, LEFTOVERS
from .grading import LESSON, PLAIN_CONFIG, fresh_course, grade_all


def run() -> None:
    with tempfile.TemporaryDirectory(prefix="reward-lab-bench-") as folder:
        course = Path(folder) / "course"
        make_course(course)
        pristine, answers = pristine_lessons(course)[LESSON], right_answers(LESSON)
        chosen = {name: attack for name, attack in ATTACKS.items() if attack.stock}
        files = {name: attack.make(pristine, answers) for name, attack in chosen.items()}
        _, ours = grade_all(fresh_course(course, files), workers=2, timeout=12)
        print("\nAttacks: points of 10 by stock nbgrader, by reward-lab, and deserved")
        for name, content in files.items():
            theirs = _stock(course, name, _without_experiments(content))
            deserved = "refused" if chosen[name].scores is None else f"{sum(chosen[name].scores.values()):g}"
            own = "refused" if ours[name].score is None else f"{ours[name].score:g}"
            mark = "" if theirs == deserved else "  <-"
            print(f"  {name:50s} {theirs:>10s} {own:>8s} {deserved:>8s}{mark}", flush=True)


def _without_experiments(content: bytes) -> bytes:
    """Tagged so that stock nbgrader skips the experiments, which take most of a minute; other cells stay as they are."""
    old = b'"tags": ["experiment"]'
    return content.replace(old, b'"tags": ["experiment", "skip-execution"]')


def _stock(course: Path, name: str, content: bytes) -> str:
    copy = fresh_course(course, {name: content})
    (copy / "nbgrader_config.py").write_text(PLAIN_CONFIG + "c.Execute.timeout = 20\n")
    command = [sys.executable, "-m", "nbgrader", "autograde", LESSON]
    try:
        subprocess.run(command, cwd=copy, capture_output=True, timeout=120)
    except subprocess.TimeoutExpired:
        return "hangs"
    finally:
        for path in LEFTOVERS:
            Path(path).unlink(missing_ok=True)
    if not (copy / "autograded" / name / LESSON / f"{LESSON}.ipynb").exists():
        return "ungraded"
    with Gradebook(f"sqlite:///{copy / 'gradebook.db'}", "reward-lab") as gradebook:
        return f"{gradebook.find_submission(LESSON, name).score:g}"
