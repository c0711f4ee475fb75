"""Every code cell of every lesson, with `device` set to the stand-in: nothing lies in the wrong place.

Trainings are cut to an epoch, and a cell that goes on for long is stopped: where its tensors lie has shown by then. What
a later cell misses for that reason is no failure; a tensor in the wrong place is one, in whichever cell.
"""

import contextlib
import io

import matplotlib
import pytest

import reward_lab as rl
from grader.build import lesson_sources, read_source
from reward_lab import lessons, rlhf
from reward_lab.lessons.lesson04 import experiments

from .stand_in import within

CPU_SECONDS = 0.8
WRONG_PLACES = (
    "same device",
    "to numpy",
    "device type for generator",
    "indices should be",
    "tensor subclasses",
)

pytestmark = pytest.mark.slow


@pytest.fixture
def short_runs(device, monkeypatch):
    """Lessons start on the stand-in, and train for an epoch or two."""
    start = lessons.start
    monkeypatch.setattr(lessons, "start", lambda seed: start(seed) and device)
    shorter = ((rl.TrainConfig, "epochs", 1), (rlhf.RLConfig, "updates", 2), (rlhf.DPOConfig, "steps", 2))
    for config, name, most in shorter:
        check = config.__post_init__

        def shortened(self, check=check, name=name, most=most):
            object.__setattr__(self, name, min(getattr(self, name), most))
            check(self)

        monkeypatch.setattr(config, "__post_init__", shortened)
    pretrain = experiments.Pretraining.run
    monkeypatch.setattr(
        experiments.Pretraining, "run", lambda self, steps, *a, **k: pretrain(self, 2, *a, **k)
    )
    matplotlib.use("agg")
    yield
    matplotlib.pyplot.close("all")


@pytest.mark.parametrize("lesson", lesson_sources())
def test_no_cell_puts_a_tensor_in_the_wrong_place(lesson, short_runs):
    names, went_through, wrong = {"__name__": "__main__"}, 0, []
    cells = [cell for cell in read_source(lesson_sources()[lesson]).cells if cell.cell_type == "code"]
    for cell in cells:
        try:
            with contextlib.redirect_stdout(io.StringIO()), within(CPU_SECONDS):
                exec(compile(cell.source, cell.id, "exec"), names)
            went_through += 1
        except Exception as error:
            if any(text in str(error) for text in WRONG_PLACES):
                wrong.append(f"{cell.id}: {error}")
    assert names["device"] == "standin" and not wrong
    assert went_through > 0.4 * len(cells), f"{went_through} of {len(cells)} cells"
