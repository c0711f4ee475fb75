"""Right work keeps its points whatever stands around it, and a lost point has a reason in the verdict."""

import sys
import time

import pytest

from grader.host import sandbox_problem

from .attacks import HONEST, notebook, points, right_with

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sandbox_problem() is not None, reason=f"no sandbox: {sandbox_problem()}"),
]


def accuracy(change, before="", after=""):
    """The right answers, with a change of the text of the first."""

    def make(pristine, answers):
        changed = change(answers["preference_accuracy"])
        return notebook(pristine, answers, {"preference_accuracy": changed}, before=before, after=after)

    return make


def above(lines):
    """The first answer below these lines, in one cell, needing the last line's `F`."""
    return accuracy(lambda source: lines + "\nimport math as F\n" + source.replace("return", "F.pi; return"))


def every_source(change):
    def edit(data):
        for cell in data["cells"]:
            if cell["cell_type"] == "code":
                cell["source"] = change("".join(cell["source"]))

    return edit


POOL = "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(4)\nlist(pool.map(abs, range(9)))\n"
BUSY = "import time\nstart = time.process_time()\nwhile time.process_time() < start + {}: pass\n"
LOADER = (
    "from torch.utils.data import DataLoader, TensorDataset\n"
    "loader = DataLoader(TensorDataset(torch.ones(8)), num_workers=2, persistent_workers=True)\nlist(loader)\n"
)
HONEST_WORK = {
    # bytes
    "line ends of Windows": right_with(edit=every_source(lambda s: s.replace("\n", "\r\n"))),
    "line ends of old Macs": right_with(edit=every_source(lambda s: s.replace("\n", "\r"))),
    "form feeds": right_with(edit=every_source(lambda s: "\f\n" + s)),
    "non-breaking spaces in comments and texts": accuracy(
        lambda s: s.replace("return", "assert len('a\u00a0b\u2028c\x1f') == 6  # \u00a0\u200b\n    return")),
    "texts of any script": accuracy(lambda s: "größe = '日本\U0001f600\\ud800'\n" + s),
    # lines that work at the student's place only
    "drive.mount above an import": above("from google.colab import drive\ndrive.mount('/content/drive')"),
    "files, output, userdata": above(
        "from google.colab import files, output, userdata\nimport google.colab as gc\nfiles.upload()\n"
        "gc.files.download('x')\noutput.clear()\nuserdata.get('HF_TOKEN')\nfrom google.colab.patches import cv2_imshow"),
    "a file that is not there": above("data = open('/content/drive/MyDrive/data.csv').read()"),
    "input()": above("name = input('Your name: ')"),
    "getpass": above("import getpass\ntoken = getpass.getpass()"),
    "a widget backend": above("%matplotlib widget"),
    "a window backend": above("%matplotlib qt"),
    "a missing package": above("import no_such_package\nfrom no_such.package import thing"),
    "a missing extension": above("%load_ext no_such_extension"),
    "an unknown magic": above("%no_such_magic 3"),
    "a GPU's name": above("print(torch.cuda.get_device_name(0))"),
    "a default device that is not here": above("torch.set_default_device('cuda')"),
    "annotations that are not read": accuracy(
        lambda s: "from __future__ import annotations\n" + s.replace("reward_rejected)", "reward_rejected: Float['B'])", 1)),
    "an assertion about the machine": above("assert torch.cuda.is_available()"),
    "shell lines": above("!pip install einops\n!nvidia-smi\nfiles = !ls"),
    "sys.exit": above("import sys\nsys.exit()"),
    "await": above("import asyncio\nawait asyncio.sleep(0)"),
    "a module in a cell": accuracy(
        lambda s: "import helpers\n" + s.replace("return", "assert helpers.three == 3; return"),
        before="%%writefile helpers.py\nthree = 3\n"),
    "timed cells": accuracy(lambda s: "%%time\nimport no_such\n" + s),
    "captured cells": accuracy(lambda s: "%%capture\n" + s),
    "a shell cell": right_with(before="%%bash\nsleep 100\n"),
    "display() within an answer": accuracy(lambda s: s.replace("return", "display('x'); return")),
    # what runs long
    "a loop below the answer": accuracy(lambda s: s + "\nwhile True: pass\n"),
    "a sleep below the answer": accuracy(lambda s: s + "\nimport time\ntime.sleep(1000)\n"),
    "cells that compute for most of the time": right_with(before=BUSY.format(3.5), after=BUSY.format(3.5)),
    "cells that compute for too long": right_with(before=BUSY.format(3.9) * 6, after=BUSY.format(3.9) * 3),
    "200,000 lines": right_with(before="\n".join(f"x{n % 99} = {n}" for n in range(200_000))),
    "20 MB printed": accuracy(lambda s: s.replace("return", "print('x' * 20_000_000); return")),
    "20 MB to stderr": accuracy(lambda s: s.replace("return", "import sys; sys.stderr.write('x' * 20_000_000); return")),
    # threads
    "a progress bar": right_with(before="from tqdm.auto import tqdm\nfor _ in tqdm(range(3)): pass\n" + BUSY.format(2)),
    "a pool": right_with(before=POOL),
    "a pool that the answer uses": accuracy(
        lambda s: s.replace("return", "assert list(pool.map(abs, [-1])) == [1]; return"), before=POOL),
    "torch's threads": right_with(
        before="torch.set_num_threads(4)\ntorch.ones(2000, 2000) @ torch.ones(2000, 2000)\ntorch.ones(10**6).exp().sum()"),
    "a data loader": right_with(before=LOADER),
}  # fmt: skip


@pytest.mark.parametrize("name", HONEST_WORK)
def test_right_work_gets_full_marks(name, verdict_of):
    verdict = verdict_of(HONEST_WORK[name])
    assert points(verdict) == HONEST, verdict.to_json()


def test_threads_cost_no_time(verdict_of):
    def seconds(make):
        start = time.perf_counter()
        assert points(verdict_of(make)) == HONEST
        return time.perf_counter() - start

    busy = BUSY.format(1.5)
    seconds(right_with(before=busy))
    without, beside = (seconds(right_with(before=busy + threads)) for threads in ("", POOL))
    assert beside < without + 1.2  # not the 1.5 s again, let alone once for each check


LOST = {
    "an f-string of Python 3.12": (
        accuracy(lambda s: s.replace("return", "f\"{'a' + \"b\"}\"; return")),
        ("`preference_accuracy`, line", "SyntaxError", "the grader runs Python 3"),
    ),
    "a decorator of a missing package": (
        accuracy(lambda s: "import no_such\n@no_such.jit\n" + s),
        ("cell `preference_accuracy`, line 1: ModuleNotFoundError: No module named 'no_such'",),
    ),
    "a missing package that an answer needs": (
        accuracy(lambda s: s.replace("return", "ein.pi; return"), before="x = 1\nimport einops_9 as ein"),
        ("NameError: name 'ein' is not defined (cell `added-", "line 2: ModuleNotFoundError: No module named"),
    ),
    "a name that nothing defines": (accuracy(lambda s: s.replace("def preference_", "def my_")), ("no cell defines it",)),
    "a name that is deleted": (accuracy(lambda s: s + "\ndel preference_accuracy"), ("deleted or never bound",)),
    "a class whose body fails": (
        accuracy(lambda s: "class preference_accuracy:\n    x = 1 / 0\n"), ("line 2: ZeroDivisionError: division by zero",),
    ),
    "an answer that never ends": (
        accuracy(lambda s: "while True: pass\nx = 1\ndef other(): return preference_accuracy\n"), ("did not end within 4",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LOST)
def test_a_lost_answer_says_why(name, verdict_of):
    make, said = LOST[name]
    verdict = verdict_of(make)
    given = points(verdict)
    assert given.pop("check_preference_accuracy") == 0
    assert set(given.items()) < set(HONEST.items())  # and costs nothing else
    for text in said:
        assert text in verdict.checks[0].message or any(text in note for note in verdict.notes), (
            verdict.to_json()
        )
    assert "its cell failed, or is missing" not in verdict.to_json()


def test_a_syntax_error_names_both_versions_of_python(verdict_of):
    def saved_by_3_12(data):
        data["metadata"]["language_info"] = {"name": "python", "version": "3.12.4"}

    def make(pristine, answers):
        source = answers["preference_accuracy"].replace("return", 'return f"{\'a\' + "b"}" or')
        return notebook(pristine, answers, {"preference_accuracy": source}, edit=saved_by_3_12)

    verdict = verdict_of(make)
    if sys.version_info < (3, 12):
        assert points(verdict) == {**HONEST, "check_preference_accuracy": 0}
        assert "the grader runs Python 3.11" in verdict.checks[0].message
        assert "saved by Python 3.12.4" in verdict.checks[0].message


def test_a_replaced_part_of_the_shell_changes_nothing_and_is_noted(verdict_of):
    trick = "async def nothing(*a, **k): return False\nip = get_ipython()\nip.run_code = nothing\nip.run_cell = print\n"
    verdict = verdict_of(right_with(before=trick))
    assert points(verdict) == HONEST
    assert any("replaces IPython's own `run_code`" in note for note in verdict.notes)


def test_every_text_of_a_verdict_is_short(verdict_of):
    long = accuracy(
        lambda s: (
            "def preference_accuracy(p, r):\n    print('y' * 10**7)\n    raise ValueError('x' * 10**7)\n"
        ),
        before="raise ValueError('x' * 10**7)",
        after="\n".join(f"raise KeyError('{n}' * 10**5)" for n in range(300)),
    )
    verdict = verdict_of(long)
    assert points(verdict)["check_preference_accuracy"] == 0
    assert len(verdict.to_json()) < 30_000
