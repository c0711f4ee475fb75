"""TODO 4: accuracy on training pairs beside accuracy on held-out pairs."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from reward_lab.checks.evaluating import expect_mode_put_back, expect_untouched, probe_model
from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.naming import named, ways
from reward_lab.checks.numbers import as_number, close
from reward_lab.checks.probes import Probe
from reward_lab.checks.subject import LocalSubject, Subject
from reward_lab.checks.values import describe, number_text, number_texts
from reward_lab.data import draw_pairs
from reward_lab.metrics import held_out_report as right_report
from reward_lab.metrics import preference_accuracy as right_accuracy

held_out_report = Exercise(
    "held_out_report",
    first_step="Read the three rules for every evaluation, and decide where in your code each is kept.",
    withholds=("reward_lab.trainer._record",),
    uses=("preference_accuracy",),
)

Pairs = tuple[Tensor, Tensor]


def _report_with(
    accuracy: Callable[..., float], mode: bool | None = False, tracked: bool = False
) -> Callable:
    """A report that uses this accuracy, this mode (None: as it is) and gradients on or off."""

    def report(model, train_pairs, held_out_pairs):
        if mode is not None:
            model.train(mode)
        with torch.set_grad_enabled(tracked):
            train, held_out = (
                accuracy(model(p).detach(), model(r).detach()) for p, r in (train_pairs, held_out_pairs)
            )
        return {"train_accuracy": train, "held_out_accuracy": held_out, "gap": train - held_out}

    return report


def _mean_of_batches(size: int) -> Callable[[Tensor, Tensor], float]:
    def accuracy(p, r):
        return sum(map(right_accuracy, p.split(size), r.split(size))) / len(p.split(size))

    return accuracy


def _of_the_first(size: int) -> Callable[[Tensor, Tensor], float]:
    return lambda p, r: right_accuracy(p[:size], r[:size])


def _of_whole_batches(size: int) -> Callable[[Tensor, Tensor], float]:
    def accuracy(p, r):
        whole = len(p) // size * size
        return right_accuracy(p[:whole], r[:whole])

    return accuracy


def _rounded(digits: int) -> Callable:
    def report(model, train_pairs, held_out_pairs):
        right = right_report(model, train_pairs, held_out_pairs)
        return {key: round(number, digits) for key, number in right.items()}

    return report


def _swapped_sets(model, train_pairs, held_out_pairs):
    return right_report(model, held_out_pairs, train_pairs)


def _gap_backwards(model, train_pairs, held_out_pairs):
    report = right_report(model, train_pairs, held_out_pairs)
    return {**report, "gap": -report["gap"]}


def _gap_unsigned(model, train_pairs, held_out_pairs):
    report = right_report(model, train_pairs, held_out_pairs)
    return {**report, "gap": abs(report["gap"])}


def _gap_floored(model, train_pairs, held_out_pairs):
    report = right_report(model, train_pairs, held_out_pairs)
    return {**report, "gap": max(0.0, report["gap"])}


def _same_set_twice(model, train_pairs, held_out_pairs):
    return right_report(model, train_pairs, train_pairs)


SIZES = (8, 10, 16, 32, 50, 64, 100, 128)
"""Batches of these sizes are looked for."""
REPORT_MISTAKES: dict[str, Callable | list[Callable]] = {
    "Both accuracies come from the training pairs.": _same_set_twice,
    "The two sets of pairs are swapped.": _swapped_sets,
    "The gap may be negative: do not take its absolute value.": _gap_unsigned,
    "The gap may be negative: do not cut it off at 0.": _gap_floored,
    "The gap is the wrong way round: training minus held-out.": _gap_backwards,
    "A tie counts as wrong: compare with `>`.": _report_with(lambda p, r: (p >= r).double().mean().item()),
    "The comparison is the wrong way round.": _report_with(lambda p, r: (p < r).double().mean().item()),
    "These are percentages. Return fractions.": _report_with(lambda p, r: 100 * right_accuracy(p, r)),
    "These are numbers of pairs. Return fractions.": _report_with(lambda p, r: (p > r).sum().item()),
    "Only the first pairs were counted. Use all of them.": [
        _report_with(_of_the_first(size)) for size in SIZES
    ],
    "The incomplete last batch was dropped. Use all pairs.": [
        _report_with(_of_whole_batches(size)) for size in SIZES if size <= 64
    ],
    "This averages the accuracies of batches, and the last batch is smaller. Count the correct pairs, then "
    "divide once.": [_report_with(_mean_of_batches(size)) for size in SIZES],
    "The numbers are rounded. Return them as they are.": [_rounded(digits) for digits in (2, 3, 4)],
    "The model scored in training mode. Call `model.eval()` first.": _report_with(right_accuracy, mode=None),
    "Gradients were being recorded. Score under `torch.no_grad()`.": _report_with(
        right_accuracy, tracked=True
    ),
    "The model scored in training mode and gradients were being recorded.": _report_with(
        right_accuracy, mode=None, tracked=True
    ),
}
KEYS = ("train_accuracy", "held_out_accuracy", "gap")


def _check_reports(subject: Subject, *calls: tuple[Probe, Pairs, Pairs]) -> list[dict]:
    """Compare the three numbers of each call. Returns what became of the models."""
    replies = [subject.call(*arguments) for arguments in calls]
    for value in (reply.value for reply in replies):
        if type(value) is not dict or not set(KEYS) <= value.keys():
            raise Mistake("a dict with " + ", ".join(f"`{key}`" for key in KEYS), describe(value))
    got = [{key: as_number(reply.value[key], f"`{key}` as a number") for key in KEYS} for reply in replies]
    right = list(_reports(right_report, calls, subject.device))
    off = [number for number, pair in enumerate(zip(got, right, strict=True)) if not _same_report(*pair)]
    if off:
        fitting = (
            said for said, mistake in ways(REPORT_MISTAKES) if _explains(mistake, got, calls, subject.device)
        )
        raise Mistake(*_report_texts(right[off[0]], got[off[0]]), named(fitting))
    return [reply.arguments[0] for reply in replies]


def _reports(report: Callable, calls: Sequence[tuple], device: str) -> Iterator[dict | None]:
    return (LocalSubject(report, device).call(*arguments).value for arguments in calls)


def _explains(mistake: Callable, got: list[dict], calls: Sequence[tuple], device: str) -> bool:
    wrong = _reports(mistake, calls, device)
    return all(w is not None and _same_report(a, w) for a, w in zip(got, wrong, strict=True))


def _same_report(a: dict, b: dict) -> bool:
    return all(close(a[key], b[key], 1e-6) for key in KEYS)


def _report_texts(right: dict, got: dict) -> tuple[str, str]:
    """Both in words; a number that is right has few digits in both, one that is nearly right has many."""
    pairs = {
        key: (number_text(right[key]),) * 2
        if close(right[key], got[key], 1e-6)
        else number_texts(right[key], got[key])
        for key in KEYS
    }
    wanted, found = (", ".join(f"{key} {pair[side]}" for key, pair in pairs.items()) for side in (0, 1))
    return wanted, found


def _tilted_pairs(draw: torch.Generator, model: Probe, n: int, share: float) -> Pairs:
    """Pairs of which this model ranks about this share correctly, so that the two sets differ."""
    pairs = torch.stack(draw_pairs(n, 4, len(model.data["tables"]["eval_mode"]), draw))  # (2, n, 4)
    rewards = model.data["tables"]["eval_mode"][pairs].mean(dim=-1)  # (2, n)
    wanted = torch.rand(n, generator=draw) < share
    swap = (rewards[0] > rewards[1]) != wanted
    return tuple(torch.where(swap.unsqueeze(1), pairs.flip(0), pairs))


def _call(draw: torch.Generator, model: Probe, shares: tuple[float, float]) -> tuple[Probe, Pairs, Pairs]:
    sets = (_tilted_pairs(draw, model, n, share) for n, share in zip((131, 77), shares, strict=True))
    return model, *sets


@held_out_report.case("both accuracies and the gap", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    shares = (0.9, 0.6), (0.4, 0.7)  # the second gap is negative
    _check_reports(subject, *(_call(draw, probe_model(draw, 50), pair) for pair in shares))


@held_out_report.case("every pair counts once, and ties are wrong", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    model = probe_model(draw, 50)
    # 1009 is a prime: no size of batch divides it.
    train, held_out = _tilted_pairs(draw, model, 1009, 0.8), _tilted_pairs(draw, model, 45, 0.5)
    held_out[0][32:40] = held_out[1][32:40]  # eight ties in the short last batch of 32
    _check_reports(subject, (model, train, held_out))
    _check_reports(subject, (model, tuple(part[:1] for part in train), held_out))


@held_out_report.case("evaluation mode, and the mode put back", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    for training in (True, False):
        model = probe_model(draw, 50, differ=("train_mode", "train_mode_with_gradients"), training=training)
        (state,) = _check_reports(subject, _call(draw, model, (0.9, 0.6)))
        expect_mode_put_back(state, model)


@held_out_report.case("no gradients, nothing changed", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    model = probe_model(draw, 50, differ=("train_mode_with_gradients", "eval_mode_with_gradients"))
    (state,) = _check_reports(subject, _call(draw, model, (0.9, 0.6)))
    expect_untouched(state, model)
