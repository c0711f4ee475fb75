"""The machinery of the checks: plain data only, quiet, seeded, statistically safe, and silent about hidden inputs."""

import html
import logging
import math
import os
import random
import sys
import warnings
from collections import namedtuple
from typing import NamedTuple

import numpy as np
import pytest
import torch

import reward_lab as rl
from grader.codec import LENGTHS, encode
from grader.decoder import decode
from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.numbers import as_number, close, expect_numbers
from reward_lab.checks.report import present
from reward_lab.checks.statistics import FALSE_ALARM, surprising
from reward_lab.checks.subject import LocalSubject
from reward_lab.checks.values import MAX_DEPTH, Opaque, describe, number_texts, plain, same
from reward_lab.lessons.lesson01 import checks as lesson01

# Statistics


def test_right_counts_are_rejected_less_often_than_promised():
    """Exact, by summing the binomial distribution."""
    for n, p in ((20, 0.5), (200, 0.1), (1000, 1 / 3)):
        rejected = sum(
            math.exp(
                math.lgamma(n + 1)
                - math.lgamma(k + 1)
                - math.lgamma(n - k + 1)
                + k * math.log(p)
                + (n - k) * math.log1p(-p)
            )
            for k in range(n + 1)
            if surprising({1: k, 0: n - k}, {1: p, 0: 1 - p}) is not None
        )
        assert rejected <= FALSE_ALARM < 1e-6


def test_a_skewed_law_is_found_and_named():
    rng = np.random.default_rng(0)
    draws = rng.choice(3, size=2000, p=[0.25, 0.33, 0.42])
    counts = dict(zip(*map(list, np.unique(draws, return_counts=True)), strict=True))
    assert surprising(counts, dict.fromkeys(range(3), 1 / 3)) in (0, 2)
    assert surprising({5: 1}, {0: 1.0}) == 5  # an outcome that can't be


def test_a_right_data_set_passes_on_two_hundred_seeds():
    check = lesson01.SyntheticPreferenceDataset
    for seed in range(200):
        results = check.run(lambda s: LocalSubject(rl.SyntheticPreferenceDataset, "cpu", s), f"seed {seed}")
        assert all(result.passed for result in results), seed


# Plain data


class Liar(float):
    def __eq__(self, other):
        raise AssertionError("a check compared an object of the student's")

    __hash__ = float.__hash__


class LyingDict(dict):
    def items(self):
        raise AssertionError("a check asked an object of the student's")


def test_what_is_not_plain_becomes_the_name_of_its_type():
    for value, name in (
        (Liar(1), "Liar"),
        (LyingDict(a=1), "LyingDict"),
        (object(), "object"),
        (len, "builtin"),
    ):
        reduced = plain(value)
        assert isinstance(reduced, Opaque) and name in reduced.type_name
    assert isinstance(plain({"a": [Liar(2)]})["a"][0], Opaque)
    assert isinstance(plain(torch.tensor(1.0).as_subclass(type("Mine", (torch.Tensor,), {}))), Opaque)


def test_numpy_scalars_and_parameters_are_plain_and_depth_and_size_are_limited():
    assert plain(np.float32(0.5)) == 0.5 and type(plain(np.float32(0.5))) is float
    assert type(plain(torch.nn.Parameter(torch.ones(2)))) is torch.Tensor
    nested = []
    for _ in range(MAX_DEPTH + 2):
        nested = [nested]
    assert "Opaque" in repr(plain(nested))
    assert isinstance(plain([0] * 200_000), Opaque)


def test_a_namedtuple_is_the_tuple_that_it_holds_and_its_own_code_is_not_asked():
    class Sly(NamedTuple):
        abilities: list
        alpha: float

        def __iter__(self):
            raise AssertionError

        def __len__(self):
            raise AssertionError

    for kind in (namedtuple("Effect", "abilities alpha"), Sly):
        reduced = plain(kind([1.0, 2.0], 0.5))
        assert type(reduced) is tuple and same(reduced, ([1.0, 2.0], 0.5))
        frame = encode(reduced)
        header, body = LENGTHS.unpack(frame[: LENGTHS.size])
        assert decode(frame[LENGTHS.size :][:header], bytearray(frame[LENGTHS.size + header :])) == reduced
    assert isinstance(plain(type("Mine", (Sly,), {})([1.0], 0.5)), Opaque)
    assert isinstance(plain(type("Other", (tuple,), {})([1.0])), Opaque)


def test_plain_tensors_are_copies():
    tensor = torch.ones(3)
    copy = plain(tensor)
    tensor.zero_()
    assert copy.sum() == 3


def test_equality_looks_at_type_dtype_shape_and_every_element():
    assert same(torch.tensor(float("nan")), torch.tensor(float("nan"))) and same([1, (2.0,)], [1, (2.0,)])
    for a, b in (
        (1, 1.0),
        (True, 1),
        ([1], (1,)),
        (torch.ones(2), torch.ones(2, 1)),
        (torch.ones(1), torch.ones(1).double()),
    ):
        assert not same(a, b)
    assert not close(float("nan"), 1.0, 1e9) and close(float("inf"), float("inf"), 0)


@pytest.mark.parametrize(
    "value", [0.5, 1, np.float64(0.5), np.float32(0.5), torch.tensor(0.5), torch.tensor(1)]
)
def test_numbers_come_in_every_harmless_form(value):
    assert as_number(plain(value)) in (0.5, 1.0)


@pytest.mark.parametrize(
    "value", [None, "0.5", True, [0.5], torch.ones(1), torch.tensor(True), 1j, np.ones(1), Liar(1)]
)
def test_what_is_no_number_is_described(value):
    with pytest.raises(Mistake) as mistake:
        as_number(plain(value))
    assert mistake.value.got == describe(plain(value)) and "object at 0x" not in mistake.value.got


# Calling


def test_a_subject_is_seeded_quiet_and_leaves_no_trace(capfd):
    def noisy():
        print("to stdout")
        sys.stderr.write("to stderr")
        os.write(2, b"to the descriptor")
        logging.getLogger("x").critical("logged")
        warnings.warn("warned", stacklevel=1)
        return [random.random(), float(np.random.rand()), torch.rand(()).item()]

    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    first, second = (LocalSubject(noisy, seed=7).call() for _ in range(2))
    assert first.value == second.value != LocalSubject(noisy, seed=8).call().value
    assert first.printed == "to stdout\n"
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""
    assert states[0] == random.getstate() and states[1] == np.random.get_state()[1].tolist()
    assert torch.equal(states[2], torch.get_rng_state())


def test_every_way_to_fail_is_a_failure_but_the_stop_button():
    def raises(error):
        def answer():
            raise error

        return LocalSubject(answer).call().failure

    class Unprintable(Exception):
        def __str__(self):
            raise ValueError

    assert raises(ZeroDivisionError("x")).type_name == "ZeroDivisionError"
    assert raises(SystemExit(1)).type_name == "SystemExit"
    assert "can't be shown" in raises(Unprintable()).message
    assert "0x..." in raises(ValueError(f"{object()}")).message
    with pytest.raises(KeyboardInterrupt):
        raises(KeyboardInterrupt())


# Reports


@pytest.fixture
def telltale():
    """An exercise whose mistakes quote their inputs."""
    exercise = Exercise("telltale", "Begin.")

    @exercise.case("doubles", points=1.0)
    def _(subject, draw):
        number = torch.randint(10**6, 10**9, (), generator=draw).item()
        if (got := subject.call(number).value) != 2 * number:
            raise Mistake(f"{2 * number}", f"{got}")

    return exercise


def test_a_failed_case_tells_of_public_inputs_only(telltale):
    seen = []

    def answer(number):
        seen.append(number)
        print("I was given", number)
        return 0

    report = telltale.report(lambda s: LocalSubject(answer, "cpu", s), "secret")
    hidden, public = seen
    text = str(report) + report._repr_html_()
    assert str(2 * public) in text and str(hidden) not in text and str(2 * hidden) not in text


def test_an_answer_that_fails_on_hidden_inputs_alone_is_told_so(telltale):
    calls = []

    def answer(number):
        calls.append(number)
        return 0 if len(calls) == 1 else 2 * number

    report = telltale.report(lambda s: LocalSubject(answer, "cpu", s), "secret")
    assert (
        report.score == 0 and "on public ones it passes" in str(report) and str(calls[0]) not in str(report)
    )


def test_what_a_passing_answer_printed_about_hidden_inputs_is_withheld(telltale):
    def answer(number):
        print(number)
        return 2 * number

    hidden = telltale.report(lambda s: LocalSubject(answer, "cpu", s), "secret")
    public = telltale.report(lambda s: LocalSubject(answer, "cpu", s))
    assert hidden.passed and hidden.results[0].printed == "" and public.results[0].printed != ""


def test_an_answer_that_no_case_thought_of_costs_the_case_and_no_more():
    exercise = Exercise("odd", "Begin.")
    exercise.case("unpacks", points=1.0)(lambda subject, draw: subject.call().value["missing"])
    exercise.case("passes", points=1.0)(lambda subject, draw: None)
    report = exercise.report(lambda s: LocalSubject(dict, "cpu", s))
    assert report.score == 1.0 and "can't be judged" in str(report)


def test_a_panel_escapes_what_the_student_wrote_and_says_in_words_what_colours_say():
    report = lesson01.preference_accuracy.report(
        lambda s: LocalSubject(lambda p, r: "<script>x</script>", "cpu", s)
    )
    page = report._repr_html_()
    assert "<script>" not in page and html.escape("<script>") in page
    assert 'role="status"' in page and "some cases fail" in page


def test_a_check_cell_suits_the_place_where_it_runs(monkeypatch, capfd):
    check = lesson01.preference_accuracy
    wrong = lambda p, r: (p >= r).float().mean()  # noqa: E731
    assert "some cases fail" in str(check(wrong))
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    points = check(wrong)
    captured = capfd.readouterr()
    assert type(points) is float and points == 1.0 and captured.err == "" and "counts a tie" in captured.out
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    assert check(rl.preference_accuracy) is None
    with pytest.raises(AssertionError, match="counts a tie"):
        check(wrong)
    assert present is not None


def test_numbers_agree_only_with_what_is_near_them():
    inf, nan = float("inf"), float("nan")
    assert close(1.0, 1.0 + 1e-7, 1e-6) and close(1e9, 1e9 + 1, 1e-6) and close(inf, inf, 1e-6)
    for a, b in ((1.0, 1.1), (3.0, inf), (inf, 3.0), (inf, -inf), (nan, nan), (nan, inf), (1.0, nan)):
        assert not close(a, b, 1e-6)


def test_on_hidden_inputs_nobody_looks_for_the_name_of_a_mistake():
    """It would be shown to nobody, and takes longer than the check itself."""
    tried = []
    doubling = Exercise("double", "Write it.")

    @doubling.case("a number", points=1.0)
    def _(subject, draw):
        number = torch.rand((), generator=draw).item()
        mistakes = ((said, tried.append(said) or [number]) for said in ("It is not doubled.",))
        expect_numbers([subject.call(number).value], [2 * number], mistakes)

    def as_it_is(number):
        return number

    hidden = doubling.run(lambda seed: LocalSubject(as_it_is, seed=seed), "secret")
    assert not hidden[0].passed and not tried
    report = doubling.explained(hidden, lambda seed: LocalSubject(as_it_is, seed=seed))
    assert tried and "It is not doubled." in str(report)


@pytest.mark.parametrize(
    ("right", "got", "shown"),
    [
        (20.0, 9.0, ("20", "9")),
        (0.375, 0.0, ("0.3750", "0.0000")),
        (0.22610001, 0.22610002, ("0.2261000100", "0.2261000200")),
        (1.0, float("nan"), ("1.0000", "nan")),
    ],
)
def test_two_numbers_are_shown_so_that_they_can_be_told_apart(right, got, shown):
    assert number_texts(right, got) == shown
