"""From rewards of right and wrong answers to accuracy, calibration and length bias."""

import contextlib
import re
from array import array
from collections.abc import Sequence

import numpy as np
import torch

from ..statistics.calibration import calibration, expected_ece, fit_temperature
from ..statistics.evaluation import best_of_k, length_controlled_win_rate, paired_test, style_accuracy
from ..statistics.intervals import (
    clustered_se,
    clustered_slope,
    clustered_test,
    mean_interval,
    mean_with_error,
)
from .scorer import Scorer

LEVEL = 0.95
METHOD = (
    "Wilson's interval at the effective number of rows (Korn and Graubard, 1998), from a standard error that counts "
    "prompts (Liang and Zeger, 1986), with Student's t for the number of prompts"
)
SENTENCE = re.compile(r"(?<=[.!?。！？])\s+")


class ModelScores:
    """What one model gave, row by row and comparison by comparison."""

    def __init__(self):
        self.scores = array("d")
        """What each row counts: see row_score."""
        self.ties = array("b")
        """Whether the best wrong answer has the same reward as the worst right one."""
        self.finite = array("b")
        self.style: list[tuple[np.ndarray, np.ndarray]] = []
        self.difference = array("d")
        """Reward of right minus reward of wrong, for each comparison of a right answer with a wrong one."""
        self.longer = array("i")
        """Words of right minus words of wrong."""
        self.row = array("i")
        self.edit = array("d")
        """Reward after the edit minus before."""

    def take(self, items: Sequence, rewards: np.ndarray, scorer: Scorer | None, edited: int) -> None:
        """Take in some rows.

        Args:
            items: with `right`, `wrong`, `prompt` and `row`.
            rewards: of all their answers, one row after the other, the right ones first.
            scorer: scores texts after the edit; None to try none.
            edited: rows on which the edit is tried.
        """
        start, before = 0, []
        for item in items:
            right = rewards[start : start + len(item.right)]
            wrong = rewards[start + len(item.right) : (start := start + len(item.right) + len(item.wrong))]
            before.append(right[0])
            self._row(item, right, wrong)
        if scorer:
            texts = [(item.prompt, repeated(item.right[0])) for item in items[:edited]]
            self.edit.extend(scorer(texts) - np.array(before[:edited]))

    def _row(self, item, right: np.ndarray, wrong: np.ndarray) -> None:
        styles = len(right) == len(wrong) == 3 and "num_correct" not in item.row
        self.finite.append(bool(np.isfinite(right).all() and np.isfinite(wrong).all()))
        self.scores.append(row_score(right, wrong, styles) if self.finite[-1] else 0.0)
        self.ties.append(bool(right.min() == wrong.max()))
        if styles:
            self.style.append((right, wrong))
        words = [[len(text.split()) for text in side] for side in (item.right, item.wrong)]
        self.difference.extend(np.subtract.outer(right, wrong).ravel())
        self.longer.extend(np.subtract.outer(*words).ravel().tolist())
        self.row.extend([len(self.scores) - 1] * (len(right) * len(wrong)))


def row_score(right: np.ndarray, wrong: np.ndarray, styles: bool = False) -> float:
    """What a row counts, from 0 to 1.

    A pair is right if the right answer has the strictly higher reward, as in RewardBench. With several wrong answers, the
    right one must have the highest, and shares it with those that have as much (RewardBench 2). Several right answers must
    all beat all wrong ones (its subset Ties, without its term for margins). Of RM-Bench's three styles, the share of the
    nine comparisons.
    """
    if styles:
        return float((right[:, None] > wrong).mean())
    if len(right) == 1 and len(wrong) > 1:
        return best_of_k(torch.from_numpy(np.concatenate([right, wrong]))[None]).item()
    return float(right.min() > wrong.max())


def repeated(text: str) -> str:
    """A text with its last sentence said twice: longer, and no better."""
    return f"{text} {SENTENCE.split(text.strip())[-1]}"


def measures(model: ModelScores, clusters: np.ndarray, groups: np.ndarray | None = None) -> dict:
    """All measures of one model, as plain numbers.

    Args:
        model: its scores on n rows.
        clusters: (n,), equal for rows of one prompt.
        groups: (n,), the subset of each row; None for no subsets.
    """
    scores, row = np.array(model.scores), np.array(model.row)
    difference, longer = np.array(model.difference), np.array(model.longer, float)
    ties, good = np.array(model.ties, bool), np.isfinite(difference)
    difference, longer, row = difference[good], longer[good], row[good]
    found = {
        "comparisons": len(model.difference),
        "not_finite": model.finite.count(False),
        "interval": METHOD,
        "accuracy": accuracy(scores, clusters),
        "ties": int(ties.sum()),
        "accuracy_with_ties_half": float(np.mean(scores + 0.5 * (ties & (scores == 0)))),
    }
    if groups is not None:
        names = sorted(set(groups))
        found["subsets"] = {
            name: accuracy(scores[groups == name], clusters[groups == name]) for name in names
        }
        found["mean_of_subsets"] = float(np.mean([one["value"] for one in found["subsets"].values()]))
    if model.style and len(model.style) == len(scores):
        found["style"] = style_accuracy(
            *(torch.tensor(np.array(side)) for side in zip(*model.style, strict=True))
        )
    if len(difference):
        found["calibration"] = calibrated(torch.from_numpy(difference))
        found["length"] = length_bias(difference, longer, clusters[row])
        edit = np.array(model.edit)
        whole = np.isfinite(edit)
        found["length"]["edit"] = (
            mean_with_error(edit[whole], clusters[: len(edit)][whole]) if whole.any() else None
        )
    return found


def accuracy(scores: np.ndarray, clusters: np.ndarray) -> dict:
    """`value`, its interval from `low` to `high`, its standard error `se`, and numbers of `rows` and `prompts`."""
    found = {"value": float(scores.mean()), "rows": len(scores), "prompts": len(np.unique(clusters))}
    if found["prompts"] < 2:
        return found | {"low": None, "high": None, "se": None}
    low, high = mean_interval(scores, clusters, LEVEL)
    return found | {"low": low, "high": high, "se": clustered_se(scores, clusters)}


def calibrated(difference: torch.Tensor, bins: int = 10) -> dict:
    """Does the model know how sure it may be? `curve`: (mean confidence, share right, count) of each bin from 0.5 to 1.

    Args:
        difference: (n,) float64, finite, reward of right minus reward of wrong.
    """
    confidence = torch.sigmoid(difference.abs())
    right = (difference > 0).double() + 0.5 * (difference == 0).double()
    found = calibration(confidence, right, 2 * bins)  # the lower half of the bins stays empty
    found |= {"confidence": confidence.mean().item(), "ece_by_chance": expected_ece(confidence, 2 * bins)}
    try:
        found["temperature"] = fit_temperature(difference, torch.ones(len(difference), dtype=torch.bool))
    except ValueError:  # every pair right, or no better than chance: no temperature is best
        found["temperature"] = None
    return found


def length_bias(difference: np.ndarray, longer: np.ndarray, clusters: np.ndarray) -> dict:
    """What the model owes to length, in words.

    Returns:
        `right_is_longer`: in how many comparisons of unequal length the label is the longer answer; `model_prefers_longer`:
        in how many of them the model ranks it first; `excess`: the second minus the first, with a clustered interval;
        `accuracy_where_longer`, `accuracy_where_shorter`: of the right answer, with `pairs_...`;
        `accuracy_at_equal_length`: see length_controlled_win_rate; `slope`, `slope_se`: reward for a word more, by least
        squares among comparisons with the same label. None where there is no such number.
    """
    right = (difference > 0) + 0.5 * (difference == 0)
    unequal, long, short = longer != 0, longer > 0, longer < 0
    prefers = np.where(long, right, 1 - right)[unequal]
    found = {
        "right_is_longer": float(long[unequal].mean()) if unequal.any() else None,
        "model_prefers_longer": float(prefers.mean()) if unequal.any() else None,
        "excess": mean_with_error(prefers - long[unequal], clusters[unequal]) if unequal.any() else None,
        "accuracy_where_longer": float(right[long].mean()) if long.any() else None,
        "accuracy_where_shorter": float(right[short].mean()) if short.any() else None,
        "pairs_where_longer": int(long.sum()),
        "pairs_where_shorter": int(short.sum()),
        "accuracy_at_equal_length": None,
        "slope": None,
        "slope_se": None,
    }
    with contextlib.suppress(ValueError):
        found["accuracy_at_equal_length"] = length_controlled_win_rate(right, longer)
    with contextlib.suppress(ValueError):
        found["slope"], found["slope_se"] = clustered_slope(longer, difference, clusters)
    return found


def compare(first: ModelScores, second: ModelScores, clusters: np.ndarray) -> dict:
    """A paired test of two models on the same rows.

    McNemar's exact one where rows are right or wrong and every prompt has one; else one that changes the sign of whole
    prompts.
    """
    a, b = np.array(first.scores), np.array(second.scores)
    plain = len(np.unique(clusters)) == len(clusters) and np.isin([a, b], (0, 1)).all()
    test = "exact McNemar test" if plain else "randomisation test by prompt"
    return {
        "accuracy": accuracy(b, clusters),
        "difference": mean_with_error(a - b, clusters),
        "only_first_right": int((a > b).sum()),
        "only_second_right": int((b > a).sum()),
        "test": test,
        "p": paired_test(a > 0.5, b > 0.5) if plain else clustered_test(a - b, clusters),
    }
