"""A world so small that every text in it can be counted: its language, its true reward, and the best policy's worth."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..metrics import Pairs


@dataclass(frozen=True)
class World:
    """A language of few words and short texts, and what people in it really want.

    Texts have `length` words each. The language is a Markov chain: each word depends on the one before it. Text number
    i is the i-th in dictionary order, so its token ids are the digits of i in base `len(words)`.
    """

    words: tuple[str, ...]
    """The vocabulary; a token id is a position in it."""
    length: int
    """Words in a text."""
    transitions: Tensor
    """(words + 1, words) float64: log-probability of the next word after each word; the last row begins a text."""
    gold: Callable[[Tensor], Tensor]
    """The true reward: (..., length) int64 token ids -> (...) float64."""

    @property
    def size(self) -> int:
        """How many texts there are."""
        return len(self.words) ** self.length

    def sequences(self, device: torch.device | str = "cpu") -> Tensor:
        """Every text, in dictionary order: (size, length) int64."""
        return self.token_ids(torch.arange(self.size, device=device))

    def token_ids(self, numbers: Tensor) -> Tensor:
        """The texts with these numbers: (...) int64 -> (..., length) int64."""
        return numbers.unsqueeze(-1) // self._places(numbers.device) % len(self.words)

    def numbers(self, token_ids: Tensor) -> Tensor:
        """The numbers of these texts, the reverse of `token_ids`: (..., length) int64 -> (...) int64."""
        return (token_ids * self._places(token_ids.device)).sum(dim=-1)

    def _places(self, device: torch.device) -> Tensor:
        return len(self.words) ** torch.arange(self.length - 1, -1, -1, device=device)

    def with_places(self, token_ids: Tensor) -> Tensor:
        """One id for each word at each place: token + place * len(words), so that a bag of words knows the order.

        Args:
            token_ids: (n, length) int64.

        Returns:
            (n, length) int64, from 0 to length * len(words) - 1.
        """
        return token_ids + len(self.words) * torch.arange(self.length, device=token_ids.device)

    def text(self, token_ids: Tensor) -> str:
        """One text in words."""
        return " ".join(self.words[token] for token in token_ids.tolist())

    def reference_log_probs(self, device: torch.device | str = "cpu") -> Tensor:
        """Exact log-probability of every text in the language: (size,) float64."""
        transitions = self.transitions.to(device)
        log_probs = transitions[-1]  # (words,)
        for _ in range(self.length - 1):
            # Texts that end in the same word go on in the same way, and the last word varies fastest.
            log_probs = (log_probs.reshape(-1, len(self.words), 1) + transitions[:-1]).flatten()
        return log_probs

    def sample_reference(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw texts from the language: (count, length) int64, on the CPU; `generator` is a CPU generator."""
        probabilities = self.transitions.exp()
        previous = torch.full((count,), len(self.words))
        columns = []
        for _ in range(self.length):
            previous = torch.multinomial(probabilities[previous], 1, generator=generator).squeeze(1)
            columns.append(previous)
        return torch.stack(columns, dim=1)

    def sample_preferences(self, num_pairs: int, generator: torch.Generator) -> Pairs:
        """Draw pairs from the language, and have each judged once by somebody who follows Bradley and Terry.

        The text with gold reward a is preferred over the one with b with probability sigmoid(a - b).

        Returns:
            Preferred and rejected token ids, each (num_pairs, length) int64, on the CPU.
        """
        return self.judged(*self.sample_reference(2 * num_pairs, generator).chunk(2), generator)

    def judged(self, first: Tensor, second: Tensor, generator: torch.Generator) -> Pairs:
        """The same texts as preferred and rejected ones, each pair judged once; arguments as for `judge`."""
        first_wins = self.judge(first, second, generator).unsqueeze(1)
        return torch.where(first_wins, first, second), torch.where(first_wins, second, first)

    def judge(self, first: Tensor, second: Tensor, generator: torch.Generator) -> Tensor:
        """One noisy judgement a pair: (n,) bool, whether the first text wins, with probability sigmoid(a - b) as above.

        Args:
            first, second: token ids, each (n, length) int64, on the CPU, where `generator` is.
            generator: draws the judgements.
        """
        probability = torch.sigmoid(self.gold(first) - self.gold(second))
        return torch.rand(len(first), generator=generator) < probability


HELP_DESK_WORDS = ("please", "restart", "update", "first", "then", "sorry", "maybe", "thanks")
_PLEASE, _RESTART, _UPDATE, _FIRST, _THEN, _SORRY, _MAYBE, _THANKS = range(8)


def help_desk_reward(token_ids: Tensor) -> Tensor:
    """What the customers of the help desk think of an answer.

    They want to be told to restart, and after that to update: 2 points for an `update` with a `restart` somewhere before
    it. To update without a restart does damage: minus 1 if no `restart` comes before the first `update`. One point each
    for `please` as the first word and `thanks` as the last; half a point each for a clear `restart first` and a clear
    `then update` side by side. One `sorry` does no harm, every further one costs 1. So does each `maybe`, each `thanks`
    after the first, and each word that repeats the one before it.

    Args:
        token_ids: (..., length) int64, ids of HELP_DESK_WORDS.

    Returns:
        (...) float64.
    """
    left, right = token_ids[..., :-1], token_ids[..., 1:]
    is_restart, is_update = token_ids == _RESTART, token_ids == _UPDATE
    restarted, updated = is_restart.cumsum(dim=-1) > 0, is_update.cumsum(dim=-1) > 0
    in_order = (is_update & restarted).any(dim=-1)
    too_early = (updated & ~restarted).any(dim=-1)
    reward = 2 * in_order.double() - too_early.double()
    reward += (token_ids[..., 0] == _PLEASE).double() + (token_ids[..., -1] == _THANKS).double()
    reward += 0.5 * ((left == _RESTART) & (right == _FIRST)).any(dim=-1)
    reward += 0.5 * ((left == _THEN) & (right == _UPDATE)).any(dim=-1)
    reward -= (token_ids == _MAYBE).sum(dim=-1) + (left == right).sum(dim=-1)
    for word in (_SORRY, _THANKS):
        reward -= ((token_ids == word).sum(dim=-1) - 1).clamp(min=0)
    return reward


def help_desk() -> World:
    """Answers of six words from a help desk's assistant: 8 words, 262,144 answers.

    The language is that of an assistant that was trained on text and on nobody's wishes: it hedges and apologises a lot,
    knows which words go together, and seldom says thanks.
    """
    often = torch.tensor([1.0, 1.0, 1.0, 0.6, 0.8, 2.0, 2.0, 0.3], dtype=torch.float64)
    weights = often.repeat(9, 1)
    for before, after, factor in (
        (_PLEASE, _RESTART, 3.0),
        (_PLEASE, _UPDATE, 3.0),
        (_RESTART, _FIRST, 3.0),
        (_UPDATE, _FIRST, 3.0),
        (_FIRST, _THEN, 3.0),
        (_THEN, _UPDATE, 2.0),
        (_THEN, _RESTART, 2.0),
        (_MAYBE, _RESTART, 2.0),
        (_MAYBE, _UPDATE, 2.0),
        (_SORRY, _MAYBE, 2.0),
    ):
        weights[before, after] *= factor
    weights[range(8), range(8)] *= 0.3  # a word seldom comes twice in a row
    return World(HELP_DESK_WORDS, 6, (weights / weights.sum(dim=1, keepdim=True)).log(), help_desk_reward)


def expectation(log_probs: Tensor, values: Tensor) -> float:
    """Exact mean of `values` (n,) under a distribution with these log-probabilities (n,), in float64."""
    return (log_probs.double().exp() * values.double()).sum().item()


def correlation(log_probs: Tensor, first: Tensor, second: Tensor) -> float:
    """Exact Pearson correlation of two values (n,) under a distribution with these log-probabilities (n,)."""
    first, second = (x.double() - expectation(log_probs, x) for x in (first, second))
    covariance, *variances = (
        expectation(log_probs, product) for product in (first * second, first**2, second**2)
    )
    return covariance / math.sqrt(variances[0] * variances[1])


def kl_divergence(log_p: Tensor, log_q: Tensor) -> float:
    """Exact KL(p || q) in nats of two distributions given by log-probabilities (n,); 0 log 0 counts as 0.

    q must not be 0 where p is not: the divergence is then infinite, and inf is returned.
    """
    log_p, log_q = log_p.double(), log_q.double()
    there = log_p > -math.inf
    return (log_p[there].exp() * (log_p[there] - log_q[there])).sum().item()


def regularised_value(log_p: Tensor, reward: Tensor, log_reference: Tensor, beta: float) -> float:
    """J(p) = E_p[reward] - beta KL(p || reference), exactly: what RLHF maximises."""
    return expectation(log_p, reward) - beta * kl_divergence(log_p, log_reference)


def optimal_value(reward: Tensor, log_reference: Tensor, beta: float) -> float:
    """J* = beta log sum_y reference(y) exp(reward(y) / beta): the highest regularised value that any policy has.

    The sum is the partition function Z; see `kl_optimal_policy` for the policy that reaches J*.
    """
    return beta * torch.logsumexp(log_reference.double() + reward.double() / beta, dim=0).item()
