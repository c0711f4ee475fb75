"""TODO 4: accuracy against number of pairs, over seeds."""

import math
from collections.abc import Callable

import numpy as np
import torch

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.naming import named
from reward_lab.checks.numbers import as_number, close
from reward_lab.checks.probes import Probe
from reward_lab.checks.subject import LocalSubject, Subject
from reward_lab.checks.values import describe, number_texts
from reward_lab.language.backbone import data_efficiency as right_result

data_efficiency = Exercise(
    "data_efficiency",
    first_step="Work the example of three accuracies by hand; then collect the accuracies of one size.",
)


def _with(mean: Callable = np.mean, std: Callable = lambda a: np.std(a, ddof=1)) -> Callable:
    """A data_efficiency that is right but for how it summarises."""

    def result(sizes, train_fn, seeds):
        runs = {size: [train_fn(size, seed) for seed in seeds] for size in sizes}
        return {size: {"mean": float(mean(a)), "std": float(std(a))} for size, a in runs.items()}

    return result


def _pooled(sizes, train_fn, seeds):
    runs = [train_fn(size, seed) for size in sizes for seed in seeds]
    return {size: {"mean": float(np.mean(runs)), "std": float(np.std(runs, ddof=1))} for size in sizes}


def _swapped_keys(sizes, train_fn, seeds):
    return {
        size: {"mean": row["std"], "std": row["mean"]}
        for size, row in right_result(sizes, train_fn, seeds).items()
    }


def _first_seed_only(sizes, train_fn, seeds):
    return right_result(sizes, train_fn, list(seeds)[:1] * len(seeds))


def _never_emptied(sizes, train_fn, seeds):
    """One list for all sizes: each size's numbers are those of all sizes so far."""
    runs: list[float] = []
    result = {}
    for size in sizes:
        runs += [train_fn(size, seed) for seed in seeds]
        result[size] = {"mean": np.mean(runs), "std": np.std(runs, ddof=1)}
    return result


NOT_EMPTIED = "The list of accuracies is not emptied between sizes. Make a new list for each size."

RESULT_MISTAKES: dict[str, Callable] = {
    "This is the population standard deviation. For a sample of n seeds divide by n - 1 (`ddof=1`).": _with(
        std=np.std
    ),
    "This is the standard error of the mean. The standard deviation over seeds is asked for.": _with(
        std=lambda a: np.std(a, ddof=1) / math.sqrt(len(a))
    ),
    "This is the variance. Take the square root.": _with(std=lambda a: np.var(a, ddof=1)),
    "This is the range, largest minus smallest.": _with(std=np.ptp),
    "This is the median over seeds. The mean is asked for.": _with(mean=np.median),
    "This is the best seed. A mean over all seeds is asked for.": _with(mean=max),
    "This is the worst seed. A mean over all seeds is asked for.": _with(mean=min),
    "This is the last seed's accuracy. A mean over all seeds is asked for.": _with(mean=lambda a: a[-1]),
    "All sizes were thrown together. Each size has a mean of its own.": _pooled,
    NOT_EMPTIED: _never_emptied,
    "`mean` and `std` are swapped.": _swapped_keys,
    "Only the first seed was used.": _first_seed_only,
}
KEYS = ("mean", "std")


def _agree(a: float, b: float) -> bool:
    return close(a, b, 1e-6) or (math.isnan(a) and math.isnan(b))


def _numbers(value: object, sizes: list[int], seeds: list[int]) -> list[float]:
    """mean and std of each size, in the order of `sizes`; anything else is a Mistake."""
    if type(value) is not dict or set(value) != set(sizes):
        likely = None
        if type(value) is dict and set(value) == {str(size) for size in sizes}:
            likely = "The keys are the sizes themselves, whole numbers."
        elif type(value) is dict and set(value) == set(seeds) != set(sizes):
            likely = "The keys are the sizes, not the seeds."
        raise Mistake("a dict with the keys " + ", ".join(map(str, sizes)), describe(value), likely)
    numbers = []
    for size in sizes:
        row = value[size]
        if type(row) is not dict or not set(KEYS) <= row.keys():
            raise Mistake(f"a dict with `mean` and `std` at {size}", describe(row))
        numbers += [as_number(row[key], f"`{key}` as a number") for key in KEYS]
    return numbers


def _are_rounded(got: list[float], right: list[float]) -> bool:
    return any(
        all(_agree(a, b if math.isnan(b) else round(b, digits)) for a, b in zip(got, right, strict=True))
        for digits in (2, 3, 4, 5)
    )


def _check(subject: Subject, draw: torch.Generator, sizes: list[int], seeds: list[int]) -> None:
    accuracies = torch.rand(len(sizes), len(seeds), generator=draw, dtype=torch.float64).tolist()
    table = {size: dict(zip(seeds, row, strict=True)) for size, row in zip(sizes, accuracies, strict=True)}
    arguments = (sizes, Probe("accuracy_table", {"table": table}), seeds)
    reply = subject.call(*arguments)
    got = _numbers(reply.value, sizes, seeds)

    def numbers_of(function: Callable) -> list[float]:
        return _numbers(LocalSubject(function).call(*arguments).value, sizes, seeds)

    right = numbers_of(right_result)
    if not all(map(_agree, got, right)):
        fitting = [
            said for said, wrong in RESULT_MISTAKES.items() if all(map(_agree, got, numbers_of(wrong)))
        ]
        likely = named(fitting)
        if likely is None and _are_rounded(got, right):
            likely = "These numbers are rounded. Return them with all their digits."
        place = next(i for i, pair in enumerate(zip(got, right, strict=True)) if not _agree(*pair))
        what = f"`{KEYS[place % 2]}` at {sizes[place // 2]} pairs"
        if len(seeds) == 1 and place % 2 and NOT_EMPTIED not in fitting:
            likely = "With one seed the sample standard deviation is undefined: return NaN, `float('nan')`."
        wanted, found = number_texts(right[place], got[place])
        raise Mistake(f"{what} of {wanted}", found, likely)
    _check_calls(reply.arguments[1], sizes, seeds)


def _check_calls(calls: list, sizes: list[int], seeds: list[int]) -> None:
    wanted = sorted([size, seed] for size in sizes for seed in seeds)
    if sorted(calls) != wanted:
        raise Mistake(
            f"{len(wanted)} calls of `train_fn`, one for each size and seed",
            f"{len(calls)} calls",
            "Every call trains a model: keep its accuracy, and compute both numbers from that."
            if len(calls) > len(wanted)
            else None,
        )


@data_efficiency.case("mean and sample standard deviation", points=0.75)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, draw, [50, 200, 1000], [0, 1, 2])


@data_efficiency.case("other sizes and seeds, in any order", points=0.75)
def _(subject: Subject, draw: torch.Generator) -> None:
    sizes = (torch.randperm(5000, generator=draw)[:4] + 10).tolist()
    seeds = (torch.randperm(900, generator=draw)[:5] + 6000).tolist()
    _check(subject, draw, sizes, seeds)
    _check(subject, draw, sizes[:1], seeds[:2])


@data_efficiency.case("one seed: the standard deviation is NaN", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, draw, [50, 200], [7])
