"""The results that two runs of a lesson share: kept is what is a function of the arguments, and nothing else."""

import numpy as np
import pytest
import torch

from . import remembering
from .remembering import remembered


@pytest.fixture(autouse=True)
def keep_everything(monkeypatch):
    monkeypatch.setattr(remembering, "WORTH_KEEPING", -1.0)


def counted(function):
    """The function, and a list that grows with each call that was really made."""
    calls = []

    def wrapper(*args, **kwargs):
        calls.append(args)
        return function(*args, **kwargs)

    return wrapper, calls


def test_equal_arguments_give_the_first_result_and_what_it_printed(tmp_path, capsys):
    def double(values, loss):
        print("step 1")
        return loss(values * 2)

    def loss(x):
        return x + 1

    function, calls = counted(double)
    call = remembered(function, tmp_path)
    first = call(torch.arange(3.0), loss=loss)
    second = call(torch.arange(6.0)[:3], loss=loss)
    assert len(calls) == 1 and torch.equal(first, second) and first.tolist() == [1.0, 3.0, 5.0]
    assert capsys.readouterr().out == "step 1\n" * 2


def test_a_function_of_another_kernels_cell_is_the_same_function(tmp_path):
    function, calls = counted(lambda loss: loss(1))
    call = remembered(function, tmp_path)
    for kernel in ("1", "2"):
        cell = {}
        exec(
            compile(
                "def loss(x):\n    return [y + 1 for y in (x, 2)]", f"/tmp/ipykernel_{kernel}/1.py", "exec"
            ),
            cell,
        )
        call(cell["loss"])
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (torch.zeros(2), torch.zeros(2, dtype=torch.float64)),
        (torch.zeros(2), torch.zeros(2, 1)),
        (torch.zeros(2), torch.tensor([0.0, 1e-30])),
        (torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)),
        (torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)),
        (lambda x: x + 1, lambda x: x + 2),
        (range(5), range(4)),
    ],
    ids=["dtype", "shape", "value", "generator", "weights", "code", "range"],
)
def test_other_arguments_are_computed(one, other, tmp_path):
    function, calls = counted(lambda value: 0)
    call = remembered(function, tmp_path)
    call(one), call(other), call(one)
    assert len(calls) == 2


def fill(values):
    values[0] = 7


@pytest.mark.parametrize(
    ("effect", "argument"),
    [
        (fill, torch.zeros(2)),
        (fill, [0, 0]),
        (lambda _: torch.rand(1), None),
        (lambda _: np.random.rand(), None),
        (lambda _: 0, (x for x in ())),
        (lambda _: (x for x in ()), None),
    ],
    ids=[
        "a tensor filled",
        "a list filled",
        "torch's generator moved",
        "NumPy's generator moved",
        "argument not to be pickled",
        "result not to be pickled",
    ],
)
def test_what_does_more_than_return_a_result_is_not_kept(effect, argument, tmp_path):
    with torch.random.fork_rng():
        remembered(effect, tmp_path)(argument)
    assert not list(tmp_path.iterdir())
