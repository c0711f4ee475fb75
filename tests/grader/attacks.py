"""Submissions that a grader must survive, as data: what is handed in, and what it must come to.

Most hold a wrong answer to TODO 1 and a trick to get its points all the same; the other answers are right. Where the
trick does harm to its own process, the checks that run beside it may lose their points: each attack says so.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from grader.demo_class import fill
from grader.intake import take_in

WRONG = "def preference_accuracy(reward_preferred, reward_rejected):\n    return 0.123\n"
CHECKS = (
    "check_preference_accuracy", "check_SyntheticPreferenceDataset", "check_training_step", "check_held_out_report",
)  # fmt: skip


def scores(accuracy=0.0, data=3.0, step=3.0, report=2.0) -> dict[str, float]:
    return dict(zip(CHECKS, (accuracy, data, step, report), strict=True))


HONEST = scores(accuracy=2.0)
LEFTOVERS = ("/tmp/pwned", "/tmp/seen", "/tmp/x", "/dev/shm/x")
"""Files that some attacks try to write on the machine that grades them."""


def points(verdict) -> dict[str, float]:
    """What each check of a verdict gave."""
    return {check.grade_id: check.score for check in verdict.checks}


def graded(worker, content: bytes, lesson: str, pristine, folder):
    """The verdict of a worker on a submission with this content.

    Args:
        worker: a `grader.verify.Worker`.
        content: of the file.
        lesson: its name.
        pristine: the lesson as it was handed out.
        folder: where the file is put.
    """
    file = folder / f"{lesson}.ipynb"
    file.write_bytes(content)
    return worker.grade(take_in(file, {lesson: pristine}, lesson)).verdict


@dataclass(frozen=True)
class Attack:
    """One submission.

    Fields: `row`, the class of attack; `make(pristine, answers) -> bytes`, the file; `scores`, what each
    check must give, None for a refusal; `says`, texts that must stand in the verdict; `stock`, whether stock nbgrader
    can run it without harm to this machine.
    """

    row: str
    make: Callable
    scores: dict[str, float] | None = field(default_factory=scores)
    says: tuple[str, ...] = ()
    stock: bool = True


def notebook(pristine, answers, changes=(), before="", after="", edit=None) -> bytes:
    """A submission with right answers but for `changes`, cells added before the first and after the last answer, and
    a last edit of the raw JSON."""
    data = json.loads(json.dumps(fill(pristine, {**answers, **dict(changes)})))
    cells = data["cells"]
    places = [number for number, cell in enumerate(cells) if cell["id"] in ("preference_accuracy", CHECKS[3])]
    for source, place in ((after, places[1]), (before, places[0])):
        if source:
            cells.insert(place, {"cell_type": "code", "metadata": {}, "source": source, "outputs": [],
                                 "execution_count": None, "id": f"extra-{place}"})  # fmt: skip
    if edit:
        edit(data)
    return json.dumps(data).encode()


def answer(source, name="preference_accuracy"):
    return lambda pristine, answers: notebook(pristine, answers, {name: source})


def wrong_with(before="", after="", edit=None):
    """The wrong accuracy, and a trick in a cell of its own."""
    return lambda pristine, answers: notebook(
        pristine, answers, {"preference_accuracy": WRONG}, before=before, after=after, edit=edit
    )


def right_with(before="", after="", edit=None, changes=()):
    """Right answers, and something beside them."""
    return lambda pristine, answers: notebook(
        pristine, answers, changes, before=before, after=after, edit=edit
    )


def accuracy_that(body):
    """An accuracy whose body does something before it gives a wrong number."""
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    return answer(f"def preference_accuracy(reward_preferred, reward_rejected):\n{lines}    return 0.123\n")


def accuracy_returning(expression, prelude=""):
    return answer(
        f"{prelude}\ndef preference_accuracy(reward_preferred, reward_rejected):\n    return {expression}\n"
    )


def each_check(change):
    """An edit of every check cell."""

    def edit(data):
        for cell in data["cells"]:
            if cell["id"].startswith("check_"):
                change(cell)

    return edit


def top(**changes):
    return lambda data: data.update(changes)


def without_check_cells(data):
    data["cells"] = [cell for cell in data["cells"] if not cell["id"].startswith("check_")]


def check_cells_twice(data):
    data["cells"] += [cell for cell in data["cells"] if cell["id"].startswith("check_")]


def checks_first(data):
    data["cells"].sort(key=lambda cell: not cell["id"].startswith("check_"))


def forged_outputs(cell):
    cell["outputs"] = [{"output_type": "execute_result", "data": {"text/plain": "2.0"}, "metadata": {},
                        "execution_count": 1}]  # fmt: skip
    cell["source"] = "2.0"


def stripped(data):
    for cell in data["cells"]:
        cell["metadata"] = {}
        del cell["id"]
    data["nbformat_minor"] = 0


def points_times_ten(cell):
    cell["metadata"]["nbgrader"]["points"] *= 10


def raw(change):
    """The honest file after a change of its bytes."""
    return lambda pristine, answers: change(notebook(pristine, answers))


AGREES = """
class Yes(float):
    def __eq__(self, other): return True
    def __lt__(self, other): return True
    def __le__(self, other): return True
    def __gt__(self, other): return True
    def __sub__(self, other): return 0.0
    __rsub__ = __sub__
    def __abs__(self): return 0.0
    def __float__(self): return 0.5
    __hash__ = float.__hash__
"""
SLY = """
class Sly(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return torch.tensor(True)
"""
HUNT = """
import gc, sys
frame = sys._getframe()
found = []
while frame:
    known = frame.f_locals.items()
    found += [v for k, v in known if k in ("expected", "right") and isinstance(v, (float, list))]
    frame = frame.f_back
for thing in gc.get_objects():
    if isinstance(thing, dict) and "expected" in thing and isinstance(thing["expected"], (float, list)):
        found.append(thing["expected"])
for value in found:
    return value[0] if isinstance(value, list) else value
"""
SEARCH = """
import os
walked = globals().setdefault("walked", [])  # all calls of a check come to one process: one look around is enough
if not walked:
    walked += [(f, n) for f, _, n in os.walk("/") if not f.startswith(("/proc", "/sys"))]
for folder, files in walked:
    ours = ("01_reward_modeling.ipynb", "01_reward_modeling.py", "gradebook.db") if "site-packages" not in folder else ()
    if folder.endswith("/.reward-lab") or any(f in ours for f in files):
        return (reward_preferred > reward_rejected).double().mean().item()
for name in os.environ:
    if "SEED" in name and name != "PYTHONHASHSEED":
        return (reward_preferred > reward_rejected).double().mean().item()
"""
WRITE_GRADEBOOK = """
import os, sqlite3
walked = globals().setdefault("walked", [])
if not walked:
    walked += [(f, n) for f, _, n in os.walk("/") if not f.startswith(("/proc", "/sys"))]
for folder, files in walked:
    for f in files:
        if f.endswith(".db"):
            try:
                db = sqlite3.connect(os.path.join(folder, f))
                db.execute("UPDATE grade SET manual_score = 1000")
                db.commit()
            except Exception:
                pass
"""
FORGE = """
import json, os, struct
text = json.dumps({"reply": [1.0, None, {"tuple": []}, ""]}).encode()
for fd in range(3, 64):
    try:
        os.write(fd, struct.pack("!II", len(text), 0) + text)
    except OSError:
        pass
"""
GARBAGE = """
import os
for fd in range(3, 64):
    try:
        os.write(fd, b"\\xff" * 64)
    except OSError:
        pass
"""
PATCH = """
import math, numpy, torch, reward_lab, builtins
from reward_lab.checks import exercise, numbers, report, statistics, values
torch.equal = torch.allclose = lambda *a, **k: True
math.isclose = numpy.isclose = numpy.allclose = lambda *a, **k: True
numbers.close = lambda *a: True
numbers.expect_numbers = lambda *a, **k: None
values.same = lambda *a: True
report.Report.score = property(lambda self: 1000.0)
exercise.Exercise.report = exercise.Exercise.run = lambda *a, **k: None
reward_lab.metrics.preference_accuracy = lambda *a: 0.123
statistics.surprising = lambda *a: None
"""
IPYTHON_TRICKS = """
import types
ip = get_ipython()
ip.set_custom_exc((BaseException,), lambda *a, **k: None)
ip.showtraceback = lambda *a, **k: None
async def run_code(self, *a, **k): return False
ip.run_code = types.MethodType(run_code, ip)
ip.run_cell = lambda *a, **k: None
ip.events.register("post_run_cell", lambda *a: print("2.0"))
"""
SWALLOW = """
import signal
for number in range(1, 32):
    try:
        signal.signal(number, signal.SIG_IGN)
    except OSError:
        pass
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
"""
STEALING_RANDOM = "import random\nreturn random.random()"
LEAK = """
import torch
SEEN = []
def preference_accuracy(reward_preferred, reward_rejected):
    SEEN.append(reward_preferred.tolist())
    try:
        open("/tmp/seen", "a").write(repr(SEEN[-1]))
        known = open("/tmp/seen").read()
    except OSError:
        known = ""
    print(SEEN, known)
    raise ValueError(f"SEEN {SEEN} {known}")
"""
NOISY = """
import logging, sys, warnings
import matplotlib.pyplot as plt
def preference_accuracy(reward_preferred, reward_rejected):
    warnings.warn("deprecated", DeprecationWarning)
    logging.getLogger("mine").critical("watch out")
    sys.stderr.write("to stderr")
    print("progress: 100 %")
    plt.plot([1, 2]); plt.show()
    return (reward_preferred > reward_rejected).float().mean()
"""
MAGICS = """
!pip install tqdm
%pip install einops
%matplotlib inline
files = !ls
%time x = 1
%%timeit -n1 -r1
1 + 1
"""
THREADED = """
import threading, time
def tick():
    while True:
        time.sleep(0.01)
for _ in range(3):
    threading.Thread(target=tick, daemon=True).start()
torch.set_num_threads(2)
"""

ATTACKS: dict[str, Attack] = {
    # tags and metadata on check cells
    "check_cells_tagged_skip_execution": Attack("`skip-execution` tag", wrong_with(
        edit=each_check(lambda cell: cell["metadata"].update(tags=["skip-execution"])))),
    "check_cells_with_points_times_ten": Attack("changed points", right_with(
        edit=each_check(points_times_ten)), HONEST),
    "check_cells_with_another_schema": Attack("changed schema_version", right_with(
        edit=each_check(lambda cell: cell["metadata"]["nbgrader"].update(schema_version=99))), HONEST),
    "check_cells_under_other_names": Attack("changed ids", wrong_with(
        edit=each_check(lambda cell: cell["metadata"]["nbgrader"].update(grade_id=cell["id"] + "_x")))),
    "check_cells_edited": Attack("edited check cells", wrong_with(
        edit=each_check(lambda cell: cell.update(source="2.0"))), says=("was changed",)),
    "check_cells_deleted": Attack("deleted check cells", wrong_with(edit=without_check_cells)),
    "check_cells_twice": Attack("duplicated check cells", wrong_with(edit=check_cells_twice), says=("2 times",)),
    "check_cells_first": Attack("reordered check cells", right_with(edit=checks_first), HONEST),
    "outputs_forged": Attack("outputs forged in the saved file", wrong_with(edit=each_check(forged_outputs))),
    # patching
    "builtins_patched": Attack("patching builtins", wrong_with(
        before="import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.all = lambda x: True")),
    "isinstance_patched_within_the_answer": Attack("patching builtins", accuracy_that(
        "import builtins\nbuiltins.isinstance = lambda *a: True")),
    "libraries_and_checks_patched": Attack("patching torch, numpy, math or the checks package", wrong_with(
        before=PATCH)),
    "ipython_patched": Attack("IPython tricks", wrong_with(after=IPYTHON_TRICKS)),
    "frames_and_gc_searched": Attack("walking frames or `gc` for expected values", accuracy_that(HUNT)),
    # objects
    "an_object_that_always_agrees": Attack("operators or `__eq__` always agree",
        accuracy_returning("Yes(0.5)", AGREES), says=("an object of type Yes",)),
    "a_tensor_subclass": Attack("tensor subclass with `__torch_function__`", accuracy_returning(
        "torch.tensor(0.5).as_subclass(Sly)", SLY), says=("an object of type Sly",)),
    # files, network
    "the_disk_is_searched": Attack("reading answers, other submissions or the gradebook from disk", accuracy_that(
        SEARCH)),
    "the_gradebook_is_written": Attack("writing the gradebook", accuracy_that(WRITE_GRADEBOOK), stock=False),
    "the_network_is_asked": Attack("network access", accuracy_that(
        "import socket\ntry:\n    socket.create_connection(('1.1.1.1', 53), 1)\n"
        "    return (reward_preferred > reward_rejected).double().mean().item()\nexcept OSError:\n    pass"), stock=False),
    # ending and hanging
    "an_answer_ends_the_process": Attack("`os._exit`", accuracy_that("import os\nos._exit(0)"),
        says=("ended its own process",)),
    "an_answer_exits": Attack("`sys.exit`", accuracy_that("import sys\nsys.exit(0)"), says=("SystemExit",)),
    "an_answer_raises_a_base_exception": Attack("raising BaseException", accuracy_that(
        "class Out(BaseException): pass\nraise Out('x')"), says=("Out: x",)),
    "an_answer_kills_everything_in_reach": Attack("killing the parent or its own process group", accuracy_that(
        "import os, signal\nfor target in (os.getppid(), 1, 0, -1):\n    try:\n        os.kill(target, 9)\n"
        "    except OSError:\n        pass"), scores(data=3, step=3, report=2), stock=False),
    "an_answer_loops": Attack("endless loop", accuracy_that("while True: pass"), says=("did not end within",),
        stock=False),
    "an_answer_loops_and_swallows_everything": Attack("a loop that swallows every exception", accuracy_that(SWALLOW),
        stock=False),
    "an_answer_sleeps": Attack("sleeping", accuracy_that("import time\ntime.sleep(3600)"), stock=False),
    # bombs
    "a_tensor_of_400_gb": Attack("memory bomb", accuracy_that("torch.ones(10**11)"), says=("RuntimeError",)),
    "a_list_that_grows": Attack("memory bomb", accuracy_that(
        "x = []\nwhile True: x.append(bytearray(10**7))"), stock=False),
    "a_fork_bomb": Attack("fork bomb", accuracy_that(
        "import os, time\nfor _ in range(100000):\n    if os.fork() == 0: time.sleep(100)"), stock=False),
    "a_thread_bomb": Attack("thread bomb", accuracy_that(
        "import threading, time\nfor _ in range(100000): threading.Thread(target=time.sleep, args=(100,)).start()"),
        stock=False),
    "the_disk_is_filled": Attack("disk fill", accuracy_that(
        "for place in ('/tmp/x', 'x', '/dev/shm/x'):\n    with open(place, 'wb') as f:\n"
        "        while True: f.write(bytes(10**7))"), says=("OSError",), stock=False),
    "endless_output": Attack("endless output", accuracy_that(
        "import os\nwhile True: os.write(1, b'x' * 65536)"), stock=False),
    # replies
    "a_forged_reply": Attack("replies that are malformed, huge, or a pickle", accuracy_that(FORGE)),
    "garbage_on_the_channel": Attack("replies that are malformed, huge, or a pickle", accuracy_that(GARBAGE)),
    "a_pickle_with_a_payload": Attack("replies that are malformed, huge, or a pickle", accuracy_returning(
        "Bomb()", "import os\nclass Bomb:\n    def __reduce__(self): return os.system, ('touch /tmp/pwned',)"),
        says=("an object of type Bomb",)),
    "a_list_of_ten_million": Attack("replies that are malformed, huge, or a pickle", accuracy_returning(
        "[0.0] * 10**7"), says=("an object of type list",)),
    "a_tensor_of_200_mb": Attack("replies that are malformed, huge, or a pickle", accuracy_returning(
        "torch.zeros(5 * 10**7)"), says=("bytes",)),
    "deep_nesting": Attack("replies that are malformed, huge, or a pickle", accuracy_returning(
        "nested", "nested = []\nfor _ in range(10**5): nested = [nested]")),
    "a_meta_tensor": Attack("wrong dtype, shape or device", accuracy_returning("torch.ones((), device='meta')")),
    "not_a_number": Attack("NaN", accuracy_returning("float('nan')"), says=("nan",)),
    "infinity": Attack("infinity", accuracy_returning("float('inf')"), says=("inf",)),
    "requires_grad": Attack("requires_grad where it should not be", accuracy_returning(
        "(reward_preferred > reward_rejected).float().mean().requires_grad_(True)"), says=(".item()",)),
    "one_number_a_pair": Attack("shape", accuracy_returning("(reward_preferred > reward_rejected).float()"),
        says=("reduce over the pairs",)),
    "a_random_answer": Attack("non-deterministic answers", accuracy_that(STEALING_RANDOM)),
    "a_hard_coded_answer": Attack("hard-coded answers", accuracy_returning("0.75")),
    "the_input_is_changed": Attack("changing its inputs in place", answer(
        "def preference_accuracy(reward_preferred, reward_rejected):\n    reward_preferred -= reward_rejected\n"
        "    return (reward_preferred > 0).double().mean().item()\n"), says=("argument 1 changed",)),
    "the_packages_own_is_called": Attack("calling the package's own version", accuracy_returning(
        "rl.preference_accuracy(reward_preferred, reward_rejected)"), says=("the package's own",)),
    "the_packages_own_is_imported": Attack("calling the package's own version", answer(
        "from reward_lab.metrics import preference_accuracy as mine\n"
        "def preference_accuracy(p, r):\n    return mine(p, r)\n"),
        says=("the package's own",)),
    # cells that break the session
    "a_cell_ends_the_process": Attack("a cell that kills, hangs or closes every descriptor", right_with(
        before="import os\nos._exit(3)"), HONEST, says=("ended its own process, and was left out",), stock=False),
    "a_cell_hangs": Attack("a cell that kills, hangs or closes every descriptor", right_with(
        before="while True: pass"), HONEST, says=("and was left out",), stock=False),
    "a_cell_closes_every_descriptor": Attack("a cell that kills, hangs or closes every descriptor", right_with(
        after="import os\nos.closerange(0, 4096)"), HONEST, says=("and was left out",), stock=False),
    "a_cell_raises_a_base_exception": Attack("raising BaseException", right_with(
        before="class Out(BaseException): pass\nraise Out"), HONEST),
    # leaks
    "hidden_inputs_are_hoarded": Attack("learning hidden inputs", answer(LEAK), says=("ValueError",)),
    # correct work
    "right_and_noisy": Attack("correct answers that warn, print, log or draw", answer(NOISY), HONEST),
    "right_with_magics": Attack("correct answers with magics", right_with(before=MAGICS), HONEST),
    "right_with_threads": Attack("correct answers beside threads", right_with(before=THREADED), HONEST),
    "right_with_an_experiment_that_misses_its_data": Attack("correct answers beside failing cells", right_with(
        after="print(results['usual recipe'])"), HONEST),
    "right_with_a_helper_in_a_cell_of_its_own": Attack("helper functions", right_with(
        before="def share(mask):\n    return mask.float().mean().item()",
        changes={"preference_accuracy": "preference_accuracy = lambda p, r: share(p > r)\n"}), HONEST),
    # files
    "invalid_json": Attack("invalid JSON", raw(lambda b: b[:5000]), None, ("not valid JSON",)),
    "an_empty_file": Attack("empty", raw(lambda b: b""), None, ("empty",)),
    "a_file_of_100_mb": Attack("100 MB", raw(lambda b: b + b" " * 10**8), None, ("95 MB",)),
    "nul_bytes": Attack("NUL bytes", raw(lambda b: b.replace(b"import", b"imp\0rt", 1)), None, ("NUL",)),
    "not_utf_8": Attack("not UTF-8", raw(lambda b: b.replace(b"import", b"\xff\xfe", 1)), None, ("UTF-8",)),
    "a_future_nbformat": Attack("future nbformat", right_with(edit=top(nbformat=9)), None, ("newer than 4",)),
    "no_kernelspec": Attack("no kernelspec", right_with(edit=top(metadata={})), HONEST),
    "a_foreign_kernelspec": Attack("foreign kernelspec", right_with(
        edit=top(metadata={"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}})), HONEST),
    "widget_state_without_state": Attack("widget state without `state`", right_with(
        edit=top(metadata={"widgets": {"application/vnd.jupyter.widget-state+json": {"a": {}}}})), HONEST),
    "metadata_and_ids_stripped": Attack("nbgrader metadata stripped from every cell", right_with(edit=stripped), HONEST),
}  # fmt: skip
