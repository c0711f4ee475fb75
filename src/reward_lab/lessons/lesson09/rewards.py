"""Reward models of lesson 9: the exact Bradley-Terry fit on the frozen model's vectors, or on a bag of words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reward_lab.linear_fit import Differences, choose_penalty, fit_linear_reward
from reward_lab.metrics import Pairs
from reward_lab.rlhf.best_of_n import best_of_n_estimate

from .answers import Pool
from .judge import WORD, Judge, gold, word_counts

FOLDS, PENALTIES = 4, (1e-2, 1e-1, 1.0, 10.0)
"""A fit takes a few tenths of a second with these, and less is fitted by heart than with smaller penalties."""


@dataclass(frozen=True)
class Fitted:
    """A reward on every answer of the pool, and the weights behind it."""

    reward: Tensor
    """(answers,) float64."""
    weights: Tensor
    """(features,) float64."""
    pairs: int


def training_pairs(pool: Pool, each: int, seed: int, alike: int | None = None) -> tuple[Tensor, Tensor]:
    """Pairs of answers to one training prompt, to be judged.

    Args:
        pool: of answers.
        each: pairs of each prompt, at most.
        seed: of the choice.
        alike: by how many words the two may differ at most; None for any.

    Returns:
        Numbers of the first and of the second answers.
    """
    draw, sides = torch.Generator().manual_seed(seed), []
    length = word_counts(pool.texts)
    for rows in pool.groups(held_out=False):
        both = torch.combinations(rows)  # (pairs, 2)
        if alike is not None:
            both = both[(length[both[:, 0]] - length[both[:, 1]]).abs() <= alike]
        sides.append(both[torch.randperm(len(both), generator=draw)[:each]])
    first, second = torch.cat(sides).T
    return first, second


def held_out_pairs(pool: Pool) -> tuple[Tensor, Tensor]:
    """All pairs of answers to one held-out prompt."""
    first, second = torch.cat([torch.combinations(rows) for rows in pool.groups()]).T
    return first, second


def fit(features: np.ndarray, pairs: Pairs, prompts: Sequence[str]) -> Fitted:
    """The optimum of the Bradley-Terry loss; the penalty is chosen on training prompts that are left out in turn.

    Args:
        features: (answers, d) float32.
        pairs: numbers of preferred and rejected answers.
        prompts: of each answer.
    """
    preferred, rejected = pairs
    numbers = {name: number for number, name in enumerate(dict.fromkeys(prompts))}
    folds = np.array([numbers[prompts[i]] % FOLDS for i in preferred.tolist()])
    differences = Differences(features[preferred.numpy()] - features[rejected.numpy()])
    penalty, _ = choose_penalty(differences, folds, PENALTIES)
    weights = fit_linear_reward(differences, penalty)
    return Fitted(torch.from_numpy(features).double() @ weights, weights, len(preferred))


def bag_of_words(pool: Pool) -> np.ndarray:
    """(answers, vocabulary) float32: how often each word of the training prompts' answers stands in an answer."""
    split = [[word.lower() for word in WORD.findall(text)] for text in pool.texts]
    known = {w: i for i, w in enumerate(sorted({w for row in split[: pool.trained_on] for w in row}))}
    counts = np.zeros((len(split), len(known)), np.float32)
    for row, found in enumerate(split):
        for word in found:
            if word in known:
                counts[row, known[word]] += 1
    return counts


def fit_judged(
    pool: Pool, judge: Judge, seed: int, each: int = 8, alike: int | None = None, features: str = "model"
) -> Fitted:
    """Judge pairs of the pool's training answers, and fit a reward model on them."""
    first, second = training_pairs(pool, each, seed, alike)
    pairs = judge.prefer(judge.scores(pool.texts), first, second, seed)
    values = bag_of_words(pool) if features == "bag" else pool.drawn.vectors.numpy()
    return fit(values, pairs, pool.prompts)


@dataclass(frozen=True)
class Curve:
    """What best-of-n by some reward gives, mean over the held-out prompts."""

    ns: list[int]
    learnt: list[float]
    gold: list[float]
    words: list[float]


def powers(pool: Pool) -> list[int]:
    """1, 2, 4, ... up to the number of answers that there are to each held-out prompt."""
    return [2**k for k in range(len(pool.groups()[0]).bit_length())]


def best_of_n_curve(pool: Pool, reward: Tensor) -> Curve:
    """The unbiased estimates for n = 1, 2, 4, ..."""
    groups, ns = pool.groups(), powers(pool)

    def along(values: Tensor) -> list[float]:
        return [
            sum(best_of_n_estimate(reward[rows], values[rows], n) for rows in groups) / len(groups)
            for n in ns
        ]

    return Curve(ns, along(reward), along(gold(pool.texts)), along(word_counts(pool.texts)))
