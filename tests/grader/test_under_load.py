"""A machine ten times oversubscribed, by a load made on purpose: right work keeps its marks, and hostile work still ends.

Some minutes in which both cores are busy, so by hand: REWARD_LAB_ALL=1 pytest tests/grader/test_under_load.py
"""

import contextlib
import os
import subprocess
import sys
import time

import pytest

from grader.grading import grade_files
from grader.host import sandbox_problem
from grader.settings import Settings

from .attacks import HONEST, points, right_with
from .test_honest_work import BUSY, HONEST_WORK

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        "REWARD_LAB_ALL" not in os.environ, reason="keeps a machine busy for minutes: with REWARD_LAB_ALL=1"
    ),
    pytest.mark.skipif(sandbox_problem() is not None, reason=f"no sandbox: {sandbox_problem()}"),
]
RIGHT = ("a progress bar", "a pool", "a data loader", "drive.mount above an import", "20 MB printed")


@contextlib.contextmanager
def load(times: int):
    """So many processes for each core that compute all the time."""
    burning = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range(times * len(os.sched_getaffinity(0)))
    ]
    try:
        yield
    finally:
        for process in burning:
            process.kill()
            process.wait()


def test_right_work_keeps_its_marks_and_hostile_work_ends(pristine, right_answers, tmp_path):
    kinds = {kind: HONEST_WORK[kind] for kind in RIGHT}
    kinds["three seconds of computing in each of two cells"] = right_with(
        before=BUSY.format(3), after=BUSY.format(3)
    )
    kinds["plain"] = right_with()
    kinds["never ends"] = right_with(before="while True: pass")
    kinds["sleeps for ever"] = right_with(before="import time\ntime.sleep(1e6)")
    for number, make in enumerate(kinds.values()):
        (tmp_path / f"{number}.ipynb").write_bytes(make(pristine, right_answers))
    start = time.monotonic()
    with load(10):
        verdicts = list(grade_files(sorted(tmp_path.glob("*.ipynb")), Settings("s", timeout=24, workers=8)))
    found = {kind: points(verdict) for kind, verdict in zip(kinds, verdicts, strict=True)}
    print({kind: verdict.notes for kind, verdict in zip(kinds, verdicts, strict=True)})
    assert found == dict.fromkeys(kinds, HONEST)
    assert time.monotonic() - start < 3600
