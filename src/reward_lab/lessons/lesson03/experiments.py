"""The experiments of lesson 3: one world, two models, several losses."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reward_lab.lessons.starting import attempt as attempt
from reward_lab.statistics.noise import (
    Comparisons,
    Limits,
    PreferenceWorld,
    expected_scores,
    limits,
    noisy_labels,
)
from reward_lab.statistics.noisy_losses import smoothed_bt_loss
from reward_lab.statistics.ties import Games, davidson_log_probabilities, rao_kupper_log_probabilities

from .colleague import colleagues_training as colleagues_training
from .colleague import train_network as train_network
from .cures import compare_cures as compare_cures
from .cures import cures_at as cures_at
from .networks import Reward, new_network

Loss = Callable[[Tensor], Tensor]
"""(n,) margins of the texts labelled as preferred -> scalar."""
Labels = Callable[[], Tensor]
"""Called before every step: (n,) bool, whether the first text is labelled as preferred."""


def plain(margin: Tensor) -> Tensor:
    """The Bradley-Terry loss of margins."""
    return smoothed_bt_loss(margin, 0.0)


def fit_linear(pairs: Comparisons, labels: Tensor, loss: Loss) -> nn.Module:
    """Fit one weight per feature, by L-BFGS from weights of 0. Returns a model (n, num_features) -> (n,)."""
    difference = pairs.first - pairs.second
    sign = torch.where(labels, 1.0, -1.0)
    model = Reward(nn.Linear(difference.shape[1], 1, bias=False)).to(difference.device)
    nn.init.zeros_(model.layers.weight)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def objective() -> Tensor:
        optimizer.zero_grad()
        value = loss(sign * model(difference))
        value.backward()
        return value

    optimizer.step(objective)
    return model


def fit_network(pairs: Comparisons, labels: Labels, loss: Loss, seed: int, steps: int = 200) -> nn.Module:
    """Fit a network with 64 hidden units, by full-batch Adam with learning rate 0.01.

    With the default 200 steps it can learn 2,000 labels by heart.

    Args:
        pairs: the training pairs.
        labels: called before every step; a function that returns the same tensor keeps the labels fixed.
        loss: of the margins.
        seed: of the initial weights.
        steps: how many.

    Returns:
        A model (n, num_features) -> (n,).
    """
    model = new_network(pairs.first.shape[1], seed).to(pairs.first.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        sign = torch.where(labels(), 1.0, -1.0)
        optimizer.zero_grad()
        loss(sign * (model(pairs.first) - model(pairs.second))).backward()
        optimizer.step()
    return model


@dataclass(frozen=True)
class Regime:
    """A situation: how many pairs there are, how noisy they are, and what is fitted to them."""

    name: str
    model: str
    """Either `linear` or `network`."""
    num_pairs: int
    flip_rate: float


def draw_world(num_pairs: int, seed: int, device: torch.device | str = "cpu") -> Comparisons:
    """Training pairs of the world with default settings, on a device; the same numbers on every device."""
    return PreferenceWorld().draw(num_pairs, torch.Generator().manual_seed(seed)).to(device)


def draw_held_out(seed: int, device: torch.device | str = "cpu", num_pairs: int = 20_000) -> Comparisons:
    """Pairs that no run trains on, however it is seeded."""
    return draw_world(num_pairs, 1_000_000 + seed, device)


def draw_labels(p: Tensor, flip_rate: float, seed: int) -> Tensor:
    """Noisy labels on p's device, the same ones on every device."""
    return noisy_labels(p.cpu(), flip_rate, torch.Generator().manual_seed(2_000_000 + seed)).to(p.device)


@torch.no_grad()
def margins(model: nn.Module, pairs: Comparisons) -> Tensor:
    """(n,) rewards of the first texts minus rewards of the second."""
    return model(pairs.first) - model(pairs.second)


def run_regime(
    regime: Regime, loss: Loss, seed: int, device: torch.device | str = "cpu"
) -> tuple[nn.Module, Limits, Limits]:
    """Train in a regime, and judge the model on held-out pairs by what people prefer, without flips.

    Returns:
        The model, its scores, and the limits of these held-out pairs.
    """
    pairs, held_out = draw_world(regime.num_pairs, seed, device), draw_held_out(seed, device)
    labels = draw_labels(pairs.p, regime.flip_rate, seed)
    fitted = {
        "linear": lambda: fit_linear(pairs, labels, loss),
        "network": lambda: fit_network(pairs, lambda: labels, loss, seed),
    }
    model = fitted[regime.model]()
    return model, expected_scores(margins(model, held_out), held_out.p), limits(held_out.p)


def relative_scale(margin: Tensor, p: Tensor) -> float:
    """Slope of a model's margins against the true ones, log(p / (1 - p)): 1 where rewards have the right scale.

    Args:
        margin: (n,) floating point.
        p: (n,) floating point, above 0 and below 1.
    """
    true = torch.logit(p.double())
    return ((margin.double() * true).mean() / true.square().mean()).item()


TIE_MODELS = {"Davidson": davidson_log_probabilities, "Rao and Kupper": rao_kupper_log_probabilities}


def draw_games(model: str, abilities: Tensor, log_tie: float, games_per_pair: int, seed: int) -> Games:
    """A round robin between K items under one of TIE_MODELS, whose tie parameter is exp(log_tie)."""
    first, second = torch.triu_indices(len(abilities), len(abilities), 1).repeat_interleave(games_per_pair, 1)
    logs = TIE_MODELS[model](abilities[first], abilities[second], torch.tensor(log_tie, dtype=torch.float64))
    generator = torch.Generator().manual_seed(seed)
    return Games(first, second, torch.multinomial(logs.exp(), 1, generator=generator).squeeze(1))
