"""Whatever comes from a worker costs its own submission only; what a killed run started ends with it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from grader.build import ROOT
from grader.demo_class import correct
from grader.grading import grade_files
from grader.host import sandbox_problem
from grader.intake import take_in
from grader.protocol import until
from grader.sandbox import Sandbox
from grader.settings import Settings
from grader.verify import Worker
from grader.worker_copy import remove_left_folders
from reward_lab.checks.subject import LocalSubject

from ..conftest import LESSON
from .attacks import HONEST, answer, notebook, points, right_with
from .processes import left_running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sandbox_problem() is not None, reason=f"no sandbox: {sandbox_problem()}"),
]
TIMEOUT = 12


def sending(text: str, times: int = 1, length: int | None = None) -> str:
    """Code that writes a frame to every open file."""
    return (
        f"import os, struct\ntext = {text!r}.encode()\n"
        f"frame = struct.pack('!II', {length} or len(text), 0) + text\n"
        f"for fd in range(3, 64):\n    try:\n        for _ in range({times}): os.write(fd, frame)\n"
        "    except OSError: pass\n"
    )


FORGED = {
    "a list": sending("[1, 2]"),
    "a number": sending("3"),
    "nothing": sending("null"),
    "no errors": sending('{"dict": [["errors", []]]}'),
    "errors that are none": sending('{"dict": [["errors", 3], ["replaced", []]]}'),
    "errors of the wrong form": sending('{"dict": [["errors", [[1, 2]]], ["replaced", []]]}'),
    "an error before its time": sending('{"dict": [["errors", []], ["replaced", []]]}'),
    "the old form": sending('{"dict": [["error", null]]}'),
    "a reply": sending('{"reply": [1.0, null, {"tuple": []}, ""]}'),
    "a fork that was none": sending('{"dict": [["forked", true]]}', times=8),
    "a missing name": sending('{"dict": [["missing", true]]}', times=8),
    "a place": sending('{"dict": [["at", {"tuple": [-1, "x"]}]]}'),
    "places without end": sending('{"dict": [["at", {"tuple": [0, 1]}]]}', times=3000),
    "no JSON": sending("{{{"),
    "a claim of 4 GB": sending("x", length=2**32 - 1),
    "a claim of one byte too many": sending("x", length=16 * 2**20 + 1),
    "too few bytes": sending("x", length=1000),
}


@pytest.mark.parametrize("name", FORGED)
@pytest.mark.parametrize("place", ["cell", "answer"])
def test_a_forged_message_costs_its_own_submission_only(name, place, verdict_of):
    body = "".join(f"    {line}\n" for line in FORGED[name].splitlines())
    if place == "cell":
        make = right_with(before=FORGED[name])
    else:
        make = answer(f"def preference_accuracy(p, r):\n{body}    return (p > r).float().mean()\n")
    start = time.monotonic()
    verdict = verdict_of(make)
    assert verdict.status == "graded" and time.monotonic() - start < 60
    for words in ("KeyError", "TypeError", "ValueError", "Decode", "16777217", "4294967", "1000 bytes"):
        assert words not in verdict.to_json()
    assert points(verdict_of(lambda p, a: correct(p, a).encode())) == HONEST  # the next one


def test_what_kills_all_in_reach_costs_no_other_check(verdict_of, right_answers):
    for name in ("preference_accuracy", "training_step", "held_out_report"):
        first = right_answers[name]
        where = first.index("\n", first.index("def ")) + 1
        kill = "    import os; os.kill(-1, 9)\n"
        verdict = verdict_of(
            lambda p, a, n=name, s=first[:where] + kill + first[where:]: notebook(p, a, {n: s})
        )
        given = points(verdict)
        lost = given.pop(f"check_{name}")
        assert set(given.items()) < set(HONEST.items()), (name, verdict.to_json())
        assert lost <= HONEST[f"check_{name}"]


def test_a_reply_with_a_key_of_16_mb_costs_its_case(verdict_of):
    report = "def held_out_report(*a, **k):\n    return {'k' * (15 * 2**20): 1.0}\n"
    verdict = verdict_of(lambda p, a: notebook(p, a, {"held_out_report": report}))
    assert verdict.score == 8 and len(verdict.to_json()) < 20_000


def test_a_cell_of_many_breaking_statements_ends(verdict_of):
    start = time.monotonic()
    cells = "import os\n" + "os._exit(1)\n" * 500
    verdict = verdict_of(right_with(before=cells))
    assert points(verdict) == HONEST and len(verdict.notes) < 110
    assert time.monotonic() - start < 120


def descendants(pid: int) -> set[int]:
    """Every process below this one."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_bytes().rpartition(b")")[2].split()[1])
        except OSError:
            continue
    found: set[int] = set()
    new = {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


@pytest.mark.parametrize("options", [[], ["--unsafe"]], ids=["sandboxed", "unsafe"])
def test_nothing_outlives_a_run_that_is_killed(options, pristine, right_answers, tmp_path):
    child = (
        "import subprocess, time\nsubprocess.Popen(['sleep', '500'], start_new_session=True)\ntime.sleep(500)"
    )
    for number in range(8):  # enough for two to sleep at a time, though one worker may start late
        (tmp_path / f"{number}.ipynb").write_bytes(right_with(before=child)(pristine, right_answers))
    command = [
        sys.executable,
        "-m",
        "grader",
        "verify",
        *map(str, tmp_path.glob("*.ipynb")),
        "--workers",
        "2",
    ]
    run = subprocess.Popen(
        [*command, *options], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    below: set[int] = set()
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        below = descendants(run.pid)
        sleeping = [p for p in below if is_alive(p) and b"sleep" in Path(f"/proc/{p}/cmdline").read_bytes()]
        if len(sleeping) == 2:
            break
        time.sleep(0.2)
    assert len(sleeping) == 2 and len(below) > 6
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    deadline = time.monotonic() + 20
    while any(map(is_alive, below)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in below if is_alive(pid)]
    left = [p for p in temporary_folders() if any(f"-{pid}-" in p.name for pid in (run.pid, *below))]
    assert bool(left) == bool(options)  # without a sandbox a killed run can't tidy up
    remove_left_folders()  # as every later run does first
    assert not any(folder.exists() for folder in left)


def temporary_folders() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob("reward-lab-*"))


def test_unsafe_counts_the_sessions_own_processes(pristine, right_answers, tmp_path):
    (tmp_path / "a.ipynb").write_text(correct(pristine, right_answers))
    others = [subprocess.Popen(["sleep", "100"]) for _ in range(150)]
    try:
        (verdict,) = grade_files([tmp_path / "a.ipynb"], Settings("s", unsafe=True))
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert verdict.score == 10, verdict.to_json()


def test_unsafe_leaves_nothing_running_and_no_folder(pristine, right_answers, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    lines = (
        "import subprocess\nsubprocess.Popen(['sleep', '4321'], start_new_session=True)\n%%writefile x.py\n"
    )
    for number, before in enumerate((lines.partition("%%")[0], "%%writefile x.py\nx = 1\n")):
        (tmp_path / f"{number}.ipynb").write_bytes(right_with(before=before)(pristine, right_answers))
    started = time.time()
    verdicts = list(grade_files(sorted(tmp_path.glob("*.ipynb")), Settings("s", unsafe=True)))
    assert [verdict.score for verdict in verdicts] == [10, 10]
    assert not [f for f in Path("/tmp").glob("reward-lab-session-*") if f.stat().st_mtime > started]
    assert not list((tmp_path / "tmp").glob("reward-lab-*"))
    assert not left_running("sleep 4321")


def test_unsafe_leaves_nothing_running_where_an_answer_was_never_read():
    """The channel of a verifier that was killed breaks with an error, if a reply still lay in it."""
    sandbox = Sandbox(LESSON, unsafe=True)
    channel = sandbox.open_session(60)
    source = "import subprocess\nsubprocess.Popen(['sleep', '4322'], start_new_session=True)"
    channel.send({"op": "run", "source": source, "skip": [], "definitions_only": False})
    while "errors" not in channel.receive(until(time.monotonic() + 60)):
        pass
    assert left_running("sleep 4322")
    sandbox._control.send({"op": "watch"})
    time.sleep(1)  # the answer is there, and nobody reads it
    sandbox.close()
    assert not left_running("sleep 4322")


@pytest.fixture
def one_at_a_time(monkeypatch):
    """Graders are processes. Where they are threads, only one may call an answer: that seeds and silences the process."""
    lock, ask = threading.RLock(), LocalSubject._ask

    def locked(*arguments):
        with lock:
            return ask(*arguments)

    monkeypatch.setattr(LocalSubject, "_ask", locked)


def test_a_busy_machine_costs_right_work_nothing(one_at_a_time, pristine, right_answers, tmp_path):
    """Eight workers and sixteen endless loops on the cores of this machine, and a limit that the clock would break."""
    pool = "from concurrent.futures import ThreadPoolExecutor\nlist(ThreadPoolExecutor(2).map(abs, [1]))\n"
    slow = "import time\nstart = time.process_time()\nwhile time.process_time() < start + 0.6: pass\n"
    submissions = []
    for number in range(8):
        file = tmp_path / str(number) / f"{LESSON}.ipynb"
        file.parent.mkdir()
        before = slow + (pool if number % 3 == 0 else "")
        file.write_bytes(right_with(before=before)(pristine, right_answers))
        submissions.append(take_in(file, {LESSON: pristine}, LESSON))
    with contextlib.ExitStack() as opened:
        workers = [opened.enter_context(Worker(Settings("s", timeout=6))) for _ in submissions]
        for worker in workers:
            worker.sandbox(LESSON).wait_until_ready()  # to start them under the load would take minutes
        for _ in range(16):
            hog = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            opened.callback(hog.wait)
            opened.callback(hog.kill)
        threads = opened.enter_context(ThreadPoolExecutor(len(workers)))
        start = time.monotonic()
        outcomes = list(threads.map(Worker.grade, workers, submissions))
        seconds = time.monotonic() - start
    scores = [outcome.verdict.score for outcome in outcomes]
    assert scores == [10] * len(workers), json.dumps([outcome.verdict.to_json() for outcome in outcomes])
    assert seconds > 6 / 2, "the machine was not busy: nothing was tried"
