"""A failed case can be seen again: its call is given as code, and one sentence is said once."""

import pytest
import torch

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.repeating import call_as_code
from reward_lab.checks.report import CaseResult, Report
from reward_lab.checks.subject import LocalSubject


@pytest.mark.parametrize(
    "value",
    [
        torch.tensor([0.1, -2.5]), torch.tensor([[1, 2]]), torch.tensor([True]), torch.tensor(3.0, dtype=torch.float64),
        torch.tensor([float("nan"), float("inf")]), torch.zeros(0, dtype=torch.int32), 1.5, "a'b\n", None,
        (1,), {"k": [1, (2, 3)]},
    ],
    ids=str,
)  # fmt: skip
def test_the_code_gives_the_very_value(value):
    got = eval(call_as_code("same", (value,)), {"torch": torch, "same": lambda x: x})
    if isinstance(value, torch.Tensor):
        assert got.dtype == value.dtype and torch.equal(got.nan_to_num(), value.nan_to_num())
    else:
        assert got == value


def test_what_is_no_plain_value_or_too_long_gives_no_code():
    assert call_as_code("f", (object(),)) == "" and call_as_code("f", (torch.zeros(2, 500),)) == ""


def half_wrong():
    exercise = Exercise("double", "write it")

    @exercise.case("doubles", 1)
    def doubles(subject, draw):
        x = torch.rand(2, generator=draw)
        if not torch.equal(subject.call(x).value, 2 * x):
            raise Mistake("twice", "something else")

    return exercise


@pytest.mark.parametrize("seed", ["public", "secret"])
def test_a_failed_case_tells_its_public_call_and_no_other(seed):
    def subject(case_seed):
        return LocalSubject(lambda x: x.clone(), "cpu", case_seed)

    public, hidden = (str(half_wrong().report(subject, s)) for s in ("public", seed))
    assert "to see it yourself: double(torch.tensor([" in public and hidden == public
    assert "see it yourself" not in str(half_wrong().run(subject, "secret"))


def test_one_sentence_is_said_once():
    results = tuple(CaseResult(f"case {n}", 0.0, 1.0, False, "NameError: F.") for n in range(4))
    report = Report("f", "write it", results)
    for shown in (str(report), report._repr_html_()):
        assert shown.count("NameError: F.") == 1 and shown.count("as above") == 3
