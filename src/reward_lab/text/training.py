"""From a preference file to a trained reward model: split, vocabulary, tokens, training, report."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from ..checkpoint import Checkpoint
from ..metrics import preference_accuracy, score_in_batches
from ..reward_model import RewardModel
from ..statistics.calibration import calibration
from ..trainer import History, TrainConfig, train_reward_model
from .preferences import Preferences, join_prompt
from .splitting import held_out_rows
from .token_pairs import MEASURED, TokenPairs, encode_pairs
from .tokenizer import PADDING_ID, WordTokenizer

MOST_UNKNOWN = 0.9
"""Share of unknown words above which a run is refused: its model would score noise."""


@dataclass
class TextConfig(TrainConfig):
    """How to train on texts: a small start, weight decay and early stopping, the cures of lesson 1."""

    batch_size: int = 64
    weight_decay: float = 1.0
    log_every: int = 1
    patience: int | None = 3
    vocab_size: int = 20_000
    """Words at most. Rarer ones become [UNK]."""
    max_length: int = 256
    """Tokens that are kept of one text: the last ones."""
    held_out_share: float = 0.1
    """Share of the prompts that is held out of training; not used where held-out pairs are given."""
    embed_dim: int = 64
    hidden_dim: int = 128
    embedding_std: float = 0.02

    def __post_init__(self):
        super().__post_init__()
        if not 0 < self.held_out_share < 1:
            raise ValueError(f"TextConfig: held_out_share must be between 0 and 1, got {self.held_out_share}")

    def identity(self) -> dict:
        """The settings that decide what is learnt. A run may go on with more epochs than it was begun with."""
        return {
            name: value
            for name, value in asdict(self).items()
            if name not in ("epochs", "log_every", "progress_bar")
        }


@dataclass
class TextRun:
    """What train_on_preferences returns."""

    model: RewardModel
    """The model with the lowest held-out loss, in evaluation mode, with its tokenizer."""
    history: History
    metrics: dict
    """Numbers for a metrics file: `train`, `held_out`, `guessing` and `data`."""


def train_on_preferences(
    preferences: Preferences,
    held_out: Preferences | None = None,
    config: TextConfig | None = None,
    device: torch.device | str = "cpu",
    folder: str | Path | None = None,
    say=print,
) -> TextRun:
    """Train a reward model on the texts of a preference file.

    The vocabulary is made of the training pairs alone, so that held-out words are as unknown as those of any new
    text. Without `held_out`, a tenth of the prompts is held out, and at most 10,000 pairs.

    Args:
        preferences: what load_preferences returns.
        held_out: pairs for early stopping and for the report.
        config: see TextConfig.
        device: where to train.
        folder: where token ids and a checkpoint after each epoch are kept. A run that was interrupted goes on when
            it is started with the same folder, file and settings. Default: no checkpoint.
        say: called with a line of text after each stage.

    Raises:
        ValueError: the split is impossible, hardly a word is known, the loss became NaN, or the folder has the
            checkpoint of another run.
        ModuleNotFoundError: `tokenizers` is not installed.
    """
    config = config or TextConfig()
    kept, warnings = training_rows(preferences, held_out, config.held_out_share)
    tokenizer = WordTokenizer.train(_training_texts(preferences, kept), config.vocab_size, config.max_length)
    pairs, encoded = encode_pairs(preferences, tokenizer, folder)
    say(encoded.report())
    if encoded.unknown > MOST_UNKNOWN * encoded.tokens:
        raise ValueError(
            f"{preferences.path}: {encoded.unknown / encoded.tokens:.0%} of its words are unknown to a vocabulary made of "
            "words that come twice, so nothing can be learnt. This baseline reads words with spaces between them"
        )
    train, measured = pairs.select(kept), None
    if held_out is None:
        measured = pairs.select(~kept)
        say(f"held out by prompt: {len(measured):,} pairs; left for training: {len(train):,}")
    else:
        measured, encoded_held_out = encode_pairs(held_out, tokenizer, folder)
        say(f"held out: {encoded_held_out.report()}")
    for warning in warnings:
        say(f"warning: {warning}")

    model = _new_model(tokenizer, config)
    run = hashlib.sha256(
        json.dumps(
            [preferences.digest, held_out and held_out.digest, tokenizer.to_json(), config.identity()]
        ).encode()
    ).hexdigest()
    checkpoint = Checkpoint(Path(folder) / "checkpoint.pt", run) if folder else None
    if checkpoint and (state := checkpoint.load()):
        say(f"going on after epoch {len(state['history']['train_loss'])}, from {checkpoint.path}")
    history = train_reward_model(model, train, measured, config, device, checkpoint)
    metrics = {
        "train": measure(model, train),
        "held_out": measure(model, measured),
        "guessing": {"loss": loss_of_guessing(measured.measured()[2]), "accuracy": 0.5},
        "best_epoch": history.best_epoch,
        "epochs": len(history.train_loss),
        "seconds": round(history.seconds, 3),
        "warnings": warnings,
        "data": {
            "pairs": len(preferences),
            "keys": preferences.links.digest(),
            "training_pairs": len(train),
            "held_out_pairs": len(measured),
            "identical_pairs_dropped": preferences.identical,
            "bad_rows": preferences.bad_rows,
            **asdict(encoded),
            "vocabulary": tokenizer.vocab_size,
        },
        "config": asdict(config),
        "history": vars(history),
    }
    return TextRun(model.eval(), history, metrics)


def measure(model: RewardModel, pairs: TokenPairs) -> dict[str, float | int]:
    """Loss, accuracy, margin and calibration of a model on pairs (on 10,000 at most).

    Returns:
        `pairs` measured; `loss`, the mean Bradley-Terry loss in nats, margins of the file included; `accuracy`;
        `margin`, the mean reward difference; `confidence` and `calibration_error`, see pair_calibration.
    """
    device = next(model.parameters()).device
    preferred, rejected, margins = pairs.measured()
    scores = [score_in_batches(model, side.to(device)).double().cpu() for side in (preferred, rejected)]
    return measure_differences(scores[0] - scores[1], margins)


def measure_differences(difference: torch.Tensor, margins: torch.Tensor | None) -> dict[str, float | int]:
    """The same from (n,) float64 reward differences, preferred minus rejected, and (n,) margins."""
    lead = difference if margins is None else difference - margins
    confidence, error = pair_calibration(difference)
    return {
        "pairs": len(difference),
        "loss": torch.nn.functional.softplus(-lead).mean().item(),
        "accuracy": preference_accuracy(difference, torch.zeros_like(difference)),
        "margin": difference.mean().item(),
        "confidence": confidence,
        "calibration_error": error,
    }


def pair_calibration(difference: torch.Tensor, bins: int = 10) -> tuple[float, float]:
    """Mean confidence, and the expected calibration error (Guo et al., On calibration of modern neural networks, 2017).

    The confidence in a pair is `sigmoid(|difference|)`, between 0.5 and 1: the probability that the model gives to the
    text it ranks first. Pairs are put into bins of equal width; the error is the mean of
    `|accuracy - mean confidence|` over the bins, weighted by their pairs. It is 0 for a model that is right as often as
    it expects.

    Args:
        difference: (n,) float64, reward of preferred minus reward of rejected, n >= 1. A tie counts as half right.
    """
    confidence = torch.sigmoid(difference.abs())
    right = (difference > 0).double() + 0.5 * (difference == 0).double()
    # Twice as many bins on [0, 1]: the lower half stays empty.
    return confidence.mean().item(), calibration(confidence, right, 2 * bins)["ece"]


def _training_texts(preferences: Preferences, kept: np.ndarray):
    for keep, pair in zip(kept, preferences, strict=True):
        if keep:
            # The prompt once, not twice: a word that only one prompt has is a rare word.
            yield join_prompt(pair.prompt, f"{pair.preferred}\n{pair.rejected}")


def _new_model(tokenizer: WordTokenizer, config: TextConfig) -> RewardModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = RewardModel(
            tokenizer.vocab_size, config.embed_dim, config.hidden_dim, config.embedding_std, PADDING_ID
        )
    model.tokenizer = tokenizer
    return model


def loss_of_guessing(margins: torch.Tensor | None) -> float:
    """The loss of equal rewards: ln 2, and more where the file asks for margins."""
    return torch.nn.functional.softplus(torch.zeros(1) if margins is None else margins).mean().item()


def training_rows(
    preferences: Preferences, held_out: Preferences | None, share: float
) -> tuple[np.ndarray, list[str]]:
    """(n,) bool, the pairs to train on, and what may leak all the same.

    Args:
        preferences: as loaded.
        held_out: pairs of a file of their own; None holds out a share of the prompts, and at most 10,000 pairs.
        share: of the pairs.
    """
    if held_out is None:
        split = held_out_rows(preferences, share, MEASURED)
        return ~split.held_out, split.warnings
    return np.ones(len(preferences), dtype=bool), _leaks(preferences, held_out)


def _leaks(preferences: Preferences, held_out: Preferences) -> list[str]:
    """What a file of held-out pairs shares with the training file."""
    shared = int(held_out.links.shared_with(preferences.links).sum())
    if not shared:
        return []
    return [
        f"{shared:,} of {len(held_out):,} held-out pairs have a prompt or a text that is also in the training file; "
        "their accuracy says little about new prompts"
    ]
