"""The experiment of lesson 1: one model, one world, several ways to train."""

from dataclasses import dataclass

import torch

from reward_lab.data import SyntheticPreferenceDataset
from reward_lab.metrics import Pairs
from reward_lab.reward_model import RewardModel
from reward_lab.trainer import History, TrainConfig, train_reward_model

NUM_PAIRS, SEQ_LEN, VOCAB_SIZE = 2000, 20, 1000
EMBED_DIM, HIDDEN_DIM = 64, 128


@dataclass(frozen=True)
class Recipe:
    """What may differ between runs. The defaults are the usual recipe."""

    fresh: bool = False
    """Draw new training pairs every epoch."""
    embedding_std: float = 1.0
    """Standard deviation of the initial embeddings."""
    weight_decay: float = 0.0
    batch_size: int = 32
    epochs: int = 20


USUAL = Recipe()
FRESH_PAIRS = Recipe(fresh=True)
WEIGHT_DECAY = Recipe(weight_decay=3.0)
SMALL_START = Recipe(embedding_std=0.02)
BEST = Recipe(embedding_std=0.02, weight_decay=5.0, batch_size=500, epochs=40)
"""The best known here for 2,000 fixed pairs: a small start, weight decay, and larger batches."""


def held_out_pairs(seed: int, num_pairs: int = 5000) -> Pairs:
    """Pairs that no run trains on, however it is seeded: (num_pairs, SEQ_LEN) each."""
    return SyntheticPreferenceDataset(num_pairs, SEQ_LEN, VOCAB_SIZE, seed=1_000_000 + seed).pairs


def run_recipe(
    recipe: Recipe, seed: int, device: torch.device | str = "cpu", log_every: int = 0
) -> tuple[RewardModel, History]:
    """Train a RewardModel in the synthetic world.

    The seed fixes the training pairs, the initial weights, the order of the batches and the held-out pairs.
    Two recipes with the same seed thus see the same world.

    Returns:
        The trained model and its History.
    """
    train = SyntheticPreferenceDataset(NUM_PAIRS, SEQ_LEN, VOCAB_SIZE, seed=seed, fresh=recipe.fresh)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = RewardModel(VOCAB_SIZE, EMBED_DIM, HIDDEN_DIM, recipe.embedding_std)
    config = TrainConfig(
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        weight_decay=recipe.weight_decay,
        seed=seed,
        log_every=log_every,
    )
    return model, train_reward_model(model, train, held_out_pairs(seed), config, device)
