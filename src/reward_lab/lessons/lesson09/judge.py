"""The judge of lesson 9: a rule on real text that stands in for people, with and without a liking for length."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reward_lab.metrics import Pairs

WORD = re.compile(r"[A-Za-z]+(?:['’][a-z]+)?")
BEST_WORDS = 10
"""How long an answer readers like best."""
BIAS = 0.5
"""What the biased judge adds for each word."""


def words(answer: str) -> int:
    """How many words an answer has."""
    return len(WORD.findall(answer))


def word_counts(answers: Sequence[str]) -> Tensor:
    """(n,) float64: how many words each answer has."""
    return torch.tensor([words(answer) for answer in answers], dtype=torch.float64)


def letters(answer: str) -> float:
    """Mean length of its words in letters; 7, a bad one, where there is no word."""
    found = WORD.findall(answer)
    return sum(map(len, found)) / len(found) if found else 7.0


def gold(answers: Sequence[str]) -> Tensor:
    """The true score: short words are better, and so is a length near BEST_WORDS. (n,) float64, in logits of a judgement.

    2 (4.5 - letters), held between -5 and 2, minus half the square of (words - 10) / 5.
    """
    plain = torch.tensor([2 * (4.5 - letters(a)) for a in answers], dtype=torch.float64).clamp(-5.0, 2.0)
    return plain - ((word_counts(answers) - BEST_WORDS) / 5).square() / 2


@dataclass(frozen=True)
class Judge:
    """Prefers a to b with probability sigmoid(score(a) - score(b))."""

    bias: float = 0.0
    """Added to the gold score for each word."""

    def scores(self, answers: Sequence[str]) -> Tensor:
        """(n,) float64."""
        return gold(answers) + self.bias * word_counts(answers)

    def prefer(self, scores: Tensor, first: Tensor, second: Tensor, seed: int) -> Pairs:
        """Judge pairs of answers, each once.

        Args:
            scores: of all answers, as `scores` gives them.
            first, second: (pairs,) int64, numbers of answers.
            seed: of the judge's hesitations.

        Returns:
            Numbers of the preferred and of the rejected answers.
        """
        draw = torch.rand(len(first), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        won = draw < torch.sigmoid(scores[first] - scores[second])
        return torch.where(won, first, second), torch.where(won, second, first)


def expected_accuracy(reward: Tensor, scores: Tensor, first: Tensor, second: Tensor) -> float:
    """How often a reward agrees with one judgement of each pair, on average over the judge's hesitations.

    Of a reward that is the judge's own score this is the best possible accuracy.
    """
    agrees = torch.sigmoid((scores[first] - scores[second]) * torch.sign(reward[first] - reward[second]))
    return agrees.mean().item()
