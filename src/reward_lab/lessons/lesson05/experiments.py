"""The experiments of lesson 5: reward models of judges with a known bias, and what each measure says of them."""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reward_lab.lessons.starting import attempt as attempt
from reward_lab.metrics import preference_accuracy, score_in_batches
from reward_lab.reward_model import RewardModel
from reward_lab.statistics.evaluation import counterfactual_effect
from reward_lab.trainer import TrainConfig, train_reward_model

from .world import (
    VOCAB_SIZE,
    Answers,
    draw_answers,
    ids,
    in_three_styles,
    judged_pairs,
    win_probability,
    with_one_more_filler,
)

NUM_PAIRS, NUM_HELD_OUT = 8000, 5000
HELD_OUT_SEED = 1_000_000


@dataclass(frozen=True)
class Measured:
    """What is said of one reward model.

    Fields: `accuracy`, on held-out pairs of its own judge; `ceiling`, the expected accuracy of that judge's own
    probabilities there; `fair_accuracy` and `fair_ceiling`, the same with a judge without bias; `effect` and
    `standard_error`, what one more filler does to the reward; `slope`, change of the reward with a word more, at equal
    quality; `naive_slope`, the same whatever the quality; `correlation`, of reward and length.
    """

    accuracy: float
    ceiling: float
    fair_accuracy: float
    fair_ceiling: float
    effect: float
    standard_error: float
    slope: float
    naive_slope: float
    correlation: float


def train(lam: float, rho: float, seed: int, device: torch.device | str = "cpu") -> RewardModel:
    """Lesson 1's reward model on 8,000 pairs of a judge to whom one more word is worth `lam`."""
    pairs = judged_pairs(NUM_PAIRS, lam, torch.Generator().manual_seed(seed), rho)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = RewardModel(VOCAB_SIZE, 32, 64, 0.3)
    held_out = tuple(side[:500] for side in _held_out(lam, rho))
    config = TrainConfig(epochs=8, batch_size=64, weight_decay=0.1, seed=seed, log_every=0)
    train_reward_model(model, ids(pairs), held_out, config, device)
    return model


@functools.cache
def _held_out(lam: float, rho: float) -> tuple[Tensor, Tensor]:
    return ids(judged_pairs(NUM_HELD_OUT, lam, torch.Generator().manual_seed(HELD_OUT_SEED), rho))


def accuracy(
    model: nn.Module, lam: float, rho: float, device: torch.device | str = "cpu"
) -> tuple[float, float]:
    """Accuracy on held-out pairs of the judge with this bias, and the most that can be expected there."""
    sides = _held_out(lam, rho)
    found = preference_accuracy(*(score_in_batches(model, side.to(device)) for side in sides))
    p = win_probability(*(Answers(side) for side in sides), lam)
    return found, torch.maximum(p, 1 - p).mean().item()


def slopes(reward: Tensor, answers: Answers) -> tuple[float, float, float]:
    """Slope of the reward in the length at equal quality, whatever the quality; and their correlation."""
    length, quality, reward = (
        x.double().cpu() - x.double().cpu().mean() for x in (answers.length, answers.quality, reward)
    )
    both = torch.linalg.lstsq(torch.stack([length, quality], 1), reward.unsqueeze(1)).solution
    naive = (length @ reward) / (length @ length)
    return both[0].item(), naive.item(), ((length @ reward) / (length.norm() * reward.norm())).item()


def measure(model: nn.Module, lam: float, rho: float, device: torch.device | str = "cpu") -> Measured:
    """Everything that this lesson measures of a reward model."""
    draw = torch.Generator().manual_seed(HELD_OUT_SEED + 1)
    answers = draw_answers(NUM_HELD_OUT, draw, rho).to(device)
    before, after = with_one_more_filler(answers, draw)
    effect, error = counterfactual_effect(model, before.token_ids, after.token_ids)
    slope, naive, correlation = slopes(score_in_batches(model, answers.token_ids), answers)
    own, fair = accuracy(model, lam, rho, device), accuracy(model, 0.0, rho, device)
    return Measured(*own, *fair, effect, error, slope, naive, correlation)


def style_scores(
    model: nn.Module, count: int = 2000, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """(n, 3) rewards of better and of worse answers, each told with 0, 5 and 10 fillers."""
    sides = in_three_styles(count, torch.Generator().manual_seed(HELD_OUT_SEED + 2))
    better, worse = (
        torch.stack([score_in_batches(model, style.token_ids.to(device)) for style in side], dim=1)
        for side in sides
    )
    return better, worse


def best_of_4_scores(model: nn.Module, count: int = 2000, device: torch.device | str = "cpu") -> Tensor:
    """(n, 4) rewards of four answers to each question, the one of highest quality in column 0; no two of them tie for it."""
    answers = draw_answers(4 * count, torch.Generator().manual_seed(HELD_OUT_SEED + 3))
    quality = answers.quality.view(-1, 4)
    best = quality.argmax(dim=1, keepdim=True)
    single = (quality == quality.amax(dim=1, keepdim=True)).sum(dim=1) == 1
    scores = score_in_batches(model, answers.token_ids.to(device)).view(-1, 4)
    best, single = best.to(scores.device), single.to(scores.device)
    order = torch.cat([best, (best + torch.arange(1, 4, device=best.device)) % 4], dim=1)
    return scores.gather(1, order)[single]


def best_of_16(
    model: nn.Module, count: int = 2000, device: torch.device | str = "cpu"
) -> tuple[float, float, float]:
    """Mean quality and length of the answer with the highest reward of 16, and the mean of the highest quality."""
    answers = draw_answers(16 * count, torch.Generator().manual_seed(HELD_OUT_SEED + 4))
    rewards = score_in_batches(model, answers.token_ids.to(device)).cpu()
    sent = answers[rewards.view(-1, 16).argmax(dim=1) + 16 * torch.arange(count)]
    highest = answers.quality.view(-1, 16).amax(dim=1)
    return sent.quality.mean().item(), sent.length.mean().item(), highest.mean().item()


@dataclass(frozen=True)
class Duel:
    """A verbose writer against a plain one of the same skill. `wins` and `length_difference` are (n,) float64, of the
    verbose one; `fair`, its win rate with a judge without bias, exact for these pairs."""

    wins: Tensor
    length_difference: Tensor
    fair: float


def duel(lam: float, count: int = 4000, seed: int = 0) -> Duel:
    """Comparisons of the two by a judge to whom one more word is worth `lam`."""
    verbose, plain, draw = _writers(count, seed)
    p = win_probability(verbose, plain, lam)
    wins = (torch.rand(count, generator=draw, dtype=torch.float64) < p).double()
    return Duel(wins, verbose.length - plain.length, win_probability(verbose, plain, 0.0).mean().item())


def judged_duel(
    model: nn.Module, count: int = 4000, seed: int = 0, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """The same comparisons with a reward model as judge: (count,) float64 wins of the verbose writer, length differences."""
    verbose, plain, _ = _writers(count, seed)
    lead = (score_in_batches(model, writer.token_ids.to(device)) for writer in (verbose, plain))
    return torch.gt(*lead).double(), (verbose.length - plain.length).to(device)


def _writers(count: int, seed: int) -> tuple[Answers, Answers, torch.Generator]:
    draw = torch.Generator().manual_seed(HELD_OUT_SEED + 5 + seed)
    return draw_answers(count, draw, fewest=4), draw_answers(count, draw), draw


def right_on(model: nn.Module, device: torch.device | str = "cpu", count: int = NUM_HELD_OUT) -> Tensor:
    """(count,) bool: on which held-out pairs of the judge without bias the model is right."""
    preferred, rejected = (score_in_batches(model, side[:count].to(device)) for side in _held_out(0.0, 0.0))
    return preferred > rejected


def colleagues_benchmark(rewards: Tensor) -> float:
    """A colleague's accuracy on questions with four answers. Section 5 of lesson 5 asks what is wrong with it.

    Args:
        rewards: (n, 4) of any model; the right answer is in column 0.
    """
    probabilities = torch.sigmoid(rewards + 8).bfloat16()  # saves memory
    return (probabilities.argmax(dim=1) == 0).double().mean().item()


class AlwaysTheSame(nn.Module):
    """A reward model that has learnt nothing: every answer gets 1."""

    def forward(self, token_ids: Tensor) -> Tensor:
        """(batch, seq_len) -> (batch,) ones."""
        return torch.ones(len(token_ids), device=token_ids.device)


SAFETY = {
    "refusals-dangerous": 100,
    "refusals-offensive": 100,
    "xstest-should-refuse": 154,
    "xstest-should-respond": 250,
    "donotanswer": 136,
}
"""A section of RewardBench: subset -> how many pairs it has (allenai/reward-bench, constants.py)."""


def section_score(accuracies: dict[str, float], counts: dict[str, int]) -> float:
    """A section of RewardBench: the mean of its subsets' accuracies, weighted by their counts."""
    return sum(accuracies[name] * counts[name] for name in accuracies) / sum(
        counts[name] for name in accuracies
    )
