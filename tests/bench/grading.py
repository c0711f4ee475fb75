"""A class of correct submissions through stock nbgrader and through ours; what one more costs; hostile company."""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from grader.build import make_course
from grader.demo_class import fill, right_answers
from grader.gradebook import pristine_lessons
from grader.grading import grade_class
from grader.settings import Settings

from ..grader.attacks import ATTACKS
from .where import breakdown

LESSON = "01_reward_modeling"
PLAIN_CONFIG = 'c = get_config()\nc.CourseDirectory.course_id = "reward-lab"\n'
HOSTILE = (
    "an_answer_loops", "an_answer_loops_and_swallows_everything", "an_answer_sleeps", "a_list_that_grows", "a_fork_bomb",
    "a_thread_bomb", "endless_output", "a_cell_hangs", "the_disk_is_filled", "an_answer_kills_everything_in_reach",
)  # fmt: skip


def run(submissions: int, stock: int) -> None:
    with tempfile.TemporaryDirectory(prefix="reward-lab-bench-") as folder:
        course = Path(folder) / "course"
        make_course(course)
        pristine, answers = pristine_lessons(course)[LESSON], right_answers(LESSON)
        rate = ours(course, pristine, answers, submissions)
        nbgrader(course, pristine, answers, stock, rate)
        marginal(course, pristine, answers, submissions)
        some = {f"s{n:03d}": honest(pristine, answers, n) for n in range(32)}
        breakdown(fresh_course(course, some), LESSON)
        hostile(course, pristine, answers, submissions)


def honest(pristine, answers, number: int, skip: bool = False) -> bytes:
    """One of many distinct correct submissions."""
    idioms = (
        "(reward_preferred > reward_rejected).float().mean().item()",
        "((reward_preferred - reward_rejected) > 0).double().mean()",
        "(reward_preferred > reward_rejected).sum().item() / len(reward_preferred)",
        "np.mean(reward_preferred.cpu().numpy() > reward_rejected.cpu().numpy())",
    )
    own = {
        **answers,
        "preference_accuracy": f'def preference_accuracy(reward_preferred, reward_rejected):\n    """Student {number}."""\n'
        f"    return {idioms[number % len(idioms)]}\n",
        "reflect_noise": f"Answer {number}: the ceiling falls below one.",
    }
    notebook = fill(pristine, own)
    notebook.cells.insert(9, nbformat.v4.new_code_cell(f"my_number = {number}", id="mine"))
    if skip:
        for cell in notebook.cells:
            if "experiment" in cell.metadata.get("tags", []):
                cell.metadata.tags.append("skip-execution")
    return nbformat.writes(notebook).encode()


def fresh_course(course: Path, files: dict[str, bytes]) -> Path:
    """A copy of the course with these submissions."""
    copy = Path(tempfile.mkdtemp(dir=course.parent)) / "course"
    shutil.copytree(course, copy)
    for student, content in files.items():
        file = copy / "submitted" / student / LESSON / f"{LESSON}.ipynb"
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
    return copy


def grade_all(course: Path, workers: int, timeout: float = 60) -> tuple[float, dict]:
    """Seconds from start to the last gradebook entry, workers' start included; and the verdicts."""
    start = time.perf_counter()
    graded = grade_class(course, LESSON, Settings("bench", workers=workers, timeout=timeout))
    verdicts = {student: verdict for student, verdict, _ in graded}
    return time.perf_counter() - start, verdicts


def ours(course: Path, pristine, answers, submissions: int) -> float:
    workers = os.cpu_count() or 1
    files = {f"s{n:03d}": honest(pristine, answers, n) for n in range(submissions)}
    print(
        f"\nGrading correct submissions of lesson 1 (gradebook and autograded notebooks written), {workers} workers"
    )
    seconds, verdicts = grade_all(fresh_course(course, files), workers)
    assert all(verdict.score == 10 for verdict in verdicts.values())
    rate = 60 * submissions / seconds
    print(
        f"  reward-lab        {submissions:4d} submissions in {seconds:6.1f} s: {rate:6.0f} a minute",
        flush=True,
    )
    return rate


def nbgrader(course: Path, pristine, answers, count: int, rate: float) -> None:
    for skip, what in ((True, "experiments skipped"), (False, "as it is")):
        number = count if skip else 2
        files = {f"s{n:03d}": honest(pristine, answers, n, skip) for n in range(number)}
        copy = fresh_course(course, files)
        (copy / "nbgrader_config.py").write_text(PLAIN_CONFIG)
        start = time.perf_counter()
        run = subprocess.run(
            [sys.executable, "-m", "nbgrader", "autograde", LESSON], cwd=copy, capture_output=True, text=True
        )
        seconds = time.perf_counter() - start
        assert run.returncode == 0, run.stderr[-2000:]
        theirs = 60 * number / seconds
        print(
            f"  nbgrader autograde {number:3d} submissions in {seconds:6.1f} s: {theirs:6.1f} a minute ({what}); "
            f"reward-lab is {rate / theirs:.0f} times faster",
            flush=True,
        )


def marginal(course: Path, pristine, answers, most: int) -> None:
    """What one more submission costs on one core, beside one `import torch` on it."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        times = {}
        for number in sorted({10, most, 4 * most}):
            files = {f"s{n:03d}": honest(pristine, answers, n) for n in range(number)}
            times[number], _ = grade_all(fresh_course(course, files), workers=1)
        imports = []
        for _ in range(5):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", "import torch"], check=True)
            imports.append(time.perf_counter() - start)
    finally:
        os.sched_setaffinity(0, cores)
    torch_seconds = statistics.median(imports)
    print("\nOne worker on one core, gradebook included")
    for number, seconds in times.items():
        print(f"  {number:4d} submissions: {seconds:6.1f} s")
    (few, first), *_, (many, last) = times.items()
    each = (last - first) / (many - few)
    print(
        f"  one more: {each:.3f} s; `import torch`: {torch_seconds:.3f} s (median of five); {each / torch_seconds:.2f} of it"
    )
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(
        f"  memory at most: {memory:.2f} GiB in the writer, {children:.2f} GiB in any other process",
        flush=True,
    )


def hostile(course: Path, pristine, answers, submissions: int, limit: float = 12) -> None:
    """Ten hostile submissions among the honest ones."""
    workers = os.cpu_count() or 1
    files = {f"s{n:03d}": honest(pristine, answers, n) for n in range(submissions - len(HOSTILE))}
    alone, before = grade_all(fresh_course(course, files), workers, limit)
    files |= {f"x-{name}": ATTACKS[name].make(pristine, answers) for name in HOSTILE}
    together, after = grade_all(fresh_course(course, files), workers, limit)
    same = all(after[student].to_json() == verdict.to_json().replace(before[student].file, after[student].file)
               for student, verdict in before.items())  # fmt: skip
    bound = alone + len(HOSTILE) * limit / workers
    print(
        f"\nA class of {submissions} with {len(HOSTILE)} hostile submissions, limit {limit:g} s, {workers} workers"
    )
    print(f"  honest ones alone {alone:.1f} s; all together {together:.1f} s; bound {bound:.1f} s; ", end="")
    print("honest grades unchanged" if same else "HONEST GRADES CHANGED", flush=True)
