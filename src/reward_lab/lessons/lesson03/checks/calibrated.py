"""TODO 5: do probabilities mean what they say?"""

from collections.abc import Callable

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.numbers import as_number, close
from reward_lab.checks.subject import LocalSubject, Subject
from reward_lab.checks.values import describe, number_text
from reward_lab.statistics.calibration import calibration as right_calibration
from reward_lab.statistics.calibration import index_of_bin

calibration = Exercise(
    "calibration",
    first_step="Put the four pairs of the example into their bins by hand, then let the code do that first.",
)

KEYS = ("ece", "brier", "curve")
TOLERANCE = 1e-5

Report = Callable[[Tensor, Tensor, int], dict]


def _report(
    index: Callable[[Tensor, int], Tensor] = index_of_bin,
    error: Callable[[list, int], float] | None = None,
    brier: Callable[[Tensor, Tensor], float] | None = None,
    point: Callable[[Tensor, Tensor, int, int], tuple] | None = None,
) -> Report:
    """A report that is right but for the parts given."""

    def report(probabilities: Tensor, outcomes: Tensor, bins: int) -> dict:
        p, y = probabilities.double(), outcomes.double()
        inside = index(p, bins)
        rows = [(p[inside == k], y[inside == k], k) for k in inside.unique().tolist() if k >= 0]
        make = point or (lambda a, b, k, bins: (a.mean().item(), b.mean().item(), len(a)))
        curve = [make(a, b, k, bins) for a, b, k in rows]
        ece = sum(n * abs(m - r) for m, r, n in curve) / len(p) if error is None else error(curve, len(p))
        score = (p - y).square().mean().item() if brier is None else brier(p, y)
        return {"ece": ece, "brier": score, "curve": curve}

    return report


def _of_the_larger(probabilities: Tensor, outcomes: Tensor, bins: int) -> dict:
    larger = torch.maximum(probabilities, 1 - probabilities)
    return right_calibration(larger, (probabilities > 0.5) == outcomes, bins)


def _equal_counts(p: Tensor, bins: int) -> Tensor:
    return p.argsort().argsort() * bins // len(p)


def _upper_edges(p: Tensor, bins: int) -> Tensor:
    return (torch.ceil(p * bins).long() - 1).clamp(min=0)


CALIBRATION_MISTAKES: dict[str, Report] = {
    "An edge belongs to the bin above it: bin k holds k / bins <= p < (k + 1) / bins.": _report(_upper_edges),
    "A probability of 1 got a bin of its own. It belongs to the last one.": _report(
        lambda p, b: (p * b).long()
    ),
    "A probability of 1 was lost. It belongs to the last bin.": _report(
        lambda p, b: torch.where(p < 1, (p * b).long(), -1)
    ),
    "This looks at the larger of p and 1 - p. Here every probability is that of the outcome True.": _of_the_larger,
    "These bins hold equally many. Bins of equal width are asked for.": _report(_equal_counts),
    "There is one bin too many or too few.": _report(lambda p, b: index_of_bin(p, max(1, b - 1))),
    "There is one bin too many.": _report(lambda p, b: index_of_bin(p, b + 1)),
    "The first number of a point is the mean probability in the bin, not the bin's middle.": _report(
        point=lambda a, b, k, bins: ((k + 0.5) / bins, b.mean().item(), len(a))
    ),
    "The first two numbers of a point are swapped: mean probability first, observed rate second.": _report(
        point=lambda a, b, k, bins: (b.mean().item(), a.mean().item(), len(a))
    ),
    "The observed rate is a share. This is how often the outcome was True.": _report(
        point=lambda a, b, k, bins: (a.mean().item(), b.sum().item(), len(a))
    ),
    "Every bin has the same weight here. Weight each by its share of the pairs.": _report(
        error=lambda curve, n: sum(abs(m - r) for m, r, _ in curve) / len(curve)
    ),
    "This is the largest error of a bin. The mean is asked for, weighted by the counts.": _report(
        error=lambda curve, n: max(abs(m - r) for m, r, _ in curve)
    ),
    "Errors of opposite sign cancel here: take the absolute value in each bin, then the mean.": _report(
        error=lambda curve, n: sum(c * (m - r) for m, r, c in curve) / n
    ),
    "Errors of opposite sign cancel here: the absolute value comes too late.": _report(
        error=lambda curve, n: abs(sum(c * (m - r) for m, r, c in curve) / n)
    ),
    "This squares the errors of the bins. Take absolute values.": _report(
        error=lambda curve, n: sum(c * (m - r) ** 2 for m, r, c in curve) / n
    ),
    "The counts are not divided by the number of pairs.": _report(
        error=lambda curve, n: sum(c * abs(m - r) for m, r, c in curve)
    ),
    "The Brier score takes the square of probability minus outcome, not its absolute value.": _report(
        brier=lambda p, y: (p - y).abs().mean().item()
    ),
    "This is the root of the Brier score.": _report(brier=lambda p, y: (p - y).square().mean().sqrt().item()),
    "This sums over the pairs. The Brier score is the mean.": _report(
        brier=lambda p, y: (p - y).square().sum().item()
    ),
    "This is p (1 - p), which does not look at the outcomes. It is the Brier score only if every p is right.": (
        _report(brier=lambda p, y: (p * (1 - p)).mean().item())
    ),
    "This counts both outcomes of a pair, so it is twice the Brier score of this lesson.": _report(
        brier=lambda p, y: 2 * (p - y).square().mean().item()
    ),
    "This is the log loss. The Brier score is the mean squared difference.": _report(
        brier=lambda p, y: -torch.log(torch.where(y > 0, p, 1 - p)).mean().item()
    ),
}


def _read(value: object) -> dict:
    """The student's report as floats, its form checked."""
    if type(value) is not dict or not set(KEYS) <= value.keys():
        raise Mistake("a dict with " + ", ".join(f"`{key}`" for key in KEYS), describe(value))
    curve = value["curve"]
    if isinstance(curve, Tensor) and curve.dim() == 2:
        curve = curve.tolist()
    if not isinstance(curve, (list, tuple)):
        raise Mistake("`curve` as a list of points", describe(curve))
    points = []
    for entry in curve:
        entry = entry.tolist() if isinstance(entry, Tensor) and entry.dim() == 1 else entry
        if not isinstance(entry, (list, tuple)) or len(entry) != 3:
            raise Mistake("points (mean probability, observed rate, count)", describe(entry))
        points.append(tuple(as_number(number, "three numbers for each point of `curve`") for number in entry))
    return {
        "ece": as_number(value["ece"], "`ece` as a number"),
        "brier": as_number(value["brier"], "`brier` as a number"),
        "curve": points,
    }


def _same(key: str, a: dict, b: dict) -> bool:
    if key != "curve":
        return close(a[key], b[key], TOLERANCE)
    return len(a[key]) == len(b[key]) and all(
        close(x, y, TOLERANCE) for p, q in zip(a[key], b[key], strict=True) for x, y in zip(p, q, strict=True)
    )


def _check(subject: Subject, *calls: tuple[Tensor, Tensor, int]) -> None:
    """Compare the reports part by part. A mistake is named when it explains a wrong part in every call."""
    reports = [_read(subject.call(*call).value) for call in calls]
    right = [right_calibration(*call) for call in calls]
    for key in ("curve", "ece", "brier"):
        number = next(
            (i for i, (a, b) in enumerate(zip(reports, right, strict=True)) if not _same(key, a, b)), None
        )
        if number is None:
            continue
        likely = _form_mistake(key, reports[number], right[number])
        for said, mistake in CALIBRATION_MISTAKES.items():
            wrong = [LocalSubject(mistake).call(*call).value for call in calls]
            if all(w is not None and _same(key, a, w) for a, w in zip(reports, wrong, strict=True)):
                likely = said
                break
        raise Mistake(_text(key, right[number]), _text(key, reports[number]), likely)


def _form_mistake(key: str, report: dict, right: dict) -> str | None:
    """What is wrong with the points themselves, whatever the numbers are."""
    if key != "curve":
        return None
    curve = report["curve"]
    if any(count == 0 or mean != mean for mean, _, count in curve):
        return "Leave empty bins out: they have no mean and no rate."
    if curve != right["curve"] and _same("curve", {"curve": sorted(curve)}, right):
        return "The points must ascend, from the lowest bin to the highest."
    return None


def _text(key: str, report: dict) -> str:
    if key != "curve":
        return f"{key} {number_text(report[key])}"
    points = [f"({number_text(m)}, {number_text(r)}, {c:g})" for m, r, c in report["curve"][:4]]
    more = f" and {len(report['curve']) - 4} more" if len(report["curve"]) > 4 else ""
    return f"the curve {', '.join(points) or 'without points'}{more}"


def _away_from_edges(draw: torch.Generator, n: int, bins: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Probabilities that no rounding can move to another bin, most of them below one half."""
    spread = torch.rand(n, generator=draw, dtype=torch.float64) ** 1.5 * bins
    return ((spread.floor() + 0.05 + 0.9 * spread.frac()) / bins).to(dtype)


def _outcomes(draw: torch.Generator, p: Tensor) -> Tensor:
    """Outcomes that are True more often than p says, mostly."""
    return torch.rand(len(p), generator=draw) < (0.8 * p + 0.3 * (1 - p)).float()


@calibration.case("the four pairs of the lesson", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, (torch.tensor([0.1, 0.2, 0.7, 0.9]), torch.tensor([False, True, True, True]), 2))


@calibration.case("random probabilities, in float32 and float64", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = []
    for n, bins, dtype in ((400, 10, torch.float64), (90, 7, torch.float32)):
        p = _away_from_edges(draw, n, bins, dtype)
        calls.append((p, _outcomes(draw, p), bins))
    _check(subject, *calls)


@calibration.case("0, 1 and the edges between bins", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = []
    for bins in (4, 8):  # with these every edge is exact in binary
        inner = torch.randint(1, 2 * bins, (40,), generator=draw) / (2 * bins)
        p = torch.cat([inner, torch.arange(bins + 1) / bins, torch.tensor([0.0, 1.0, 1.0])])
        calls.append((p, _outcomes(draw, p), bins))
    _check(subject, *calls)


@calibration.case("empty bins, a single bin, a single pair", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    p = torch.cat(
        [_away_from_edges(draw, 20, 5) / 4, 1 - _away_from_edges(draw, 9, 5) / 4]
    )  # nothing in the middle
    p = p[torch.randperm(len(p), generator=draw)]
    one = _away_from_edges(draw, 1, 3)
    _check(
        subject,
        (p, _outcomes(draw, p), 20),
        (p, _outcomes(draw, p), 1),
        (one, torch.tensor([True]), 3),
    )
