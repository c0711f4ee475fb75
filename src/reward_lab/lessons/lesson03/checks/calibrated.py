"""TODO 7: do probabilities mean what they say?"""

from collections.abc import Sequence

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.naming import named, ways
from reward_lab.checks.numbers import as_number, close
from reward_lab.checks.subject import LocalSubject, Subject
from reward_lab.checks.values import describe, number_text
from reward_lab.statistics.calibration import calibration as right_calibration

from .calibration_mistakes import CALIBRATION_MISTAKES, Report

calibration = Exercise(
    "calibration",
    first_step="Put the four pairs of the example into their bins by hand, then let the code do that first.",
    withholds=("reward_lab.statistics.calibration.index_of_bin",),
)

KEYS = ("ece", "brier", "curve")
TOLERANCE = 1e-5


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
        fitting = (
            said for said, mistake in ways(CALIBRATION_MISTAKES) if _explains(mistake, key, calls, reports)
        )
        likely = _form_mistake(key, reports[number], right[number]) or named(fitting)
        raise Mistake(_text(key, right[number]), _text(key, reports[number]), likely)


def _explains(mistake: Report, key: str, calls: Sequence[tuple], reports: Sequence[dict]) -> bool:
    wrong = (LocalSubject(mistake).call(*call).value for call in calls)
    return all(w is not None and _same(key, a, w) for a, w in zip(reports, wrong, strict=True))


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
        (p, _outcomes(draw, p), 40),
        (p, _outcomes(draw, p), 1),
        (one, torch.tensor([True]), 3),
    )
