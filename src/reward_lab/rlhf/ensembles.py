"""Several reward models in place of one: how they are trained, and how their scores are put together with caution."""

import torch
from torch import Tensor

from ..metrics import Pairs, score_in_batches
from ..reward_model import RewardModel
from ..trainer import History, TrainConfig, train_reward_model
from .worlds import World, expectation

MODES = ("mean", "min", "uwo")


def fit_rewards(
    world: World,
    train: Pairs,
    held_out: Pairs,
    seed: int = 0,
    places: bool = True,
    device: torch.device | str = "cpu",
) -> tuple[Tensor, History]:
    """Train lesson 1's RewardModel on preferences of a world, and score every text with it.

    Args:
        world: the language.
        train, held_out: preferred and rejected token ids, each (n, length) int64.
        seed: fixes initial weights and the order of batches.
        places: tell the model where each word stands (`World.with_places`). Without, it sees a bag of words.
        device: where to train.

    Returns:
        The rewards of all texts, (world.size,) float64, shifted so that their mean under the language is 0 (the loss
        can't see a shift); and the training's History.
    """

    def encode(token_ids: Tensor) -> Tensor:
        return world.with_places(token_ids) if places else token_ids

    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        vocab_size = len(world.words) * (world.length if places else 1)
        model = RewardModel(vocab_size, embed_dim=32, hidden_dim=64, embedding_std=0.3)
    config = TrainConfig(
        epochs=15, batch_size=100, learning_rate=3e-3, weight_decay=1.0, seed=seed, log_every=0
    )
    pairs = (tuple(map(encode, some)) for some in (train, held_out))
    history = train_reward_model(model, *pairs, config, device)
    rewards = score_in_batches(model, encode(world.sequences(device))).double()
    return rewards - expectation(world.reference_log_probs(device), rewards), history


def conservative_reward(scores: Tensor, reference: Tensor, mode: str, coefficient: float) -> Tensor:
    """One reward of several reward models' scores, lower where they disagree.

    A reward model's zero means nothing, so each member is first shifted to mean 0 under the reference. Then "mean" is their
    mean, "min" the lowest of them, and "uwo" the mean minus `coefficient` times their variance (uncertainty-weighted
    optimisation). (Coste et al., "Reward model ensembles help mitigate overoptimization", 2023.)

    Args:
        scores: (members, n) floating point.
        reference: (n,) probabilities that sum to 1.
        mode: "mean", "min" or "uwo".
        coefficient: price of the variance, used by "uwo" alone. The variance divides by the number of members.

    Returns:
        (n,) float64.

    Raises:
        ValueError: the shapes don't fit, or the mode is unknown.
    """
    if scores.dim() != 2 or reference.shape != scores.shape[1:] or mode not in MODES:
        raise ValueError(
            f"conservative_reward: expected scores (members, n), reference (n,) and a mode of {MODES}, got "
            f"{tuple(scores.shape)}, {tuple(reference.shape)} and {mode!r}"
        )
    scores = scores.double()
    centred = scores - (scores @ reference.double()).unsqueeze(1)  # (members, n)
    if mode == "min":
        return centred.min(dim=0).values
    mean = centred.mean(dim=0)
    return mean if mode == "mean" else mean - coefficient * centred.var(dim=0, correction=0)
