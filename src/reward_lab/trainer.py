"""Train a reward model: one plain loop that returns its history."""

import time
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from .data import SyntheticPreferenceDataset
from .losses import bradley_terry_loss
from .metrics import Pairs, preference_accuracy, score_in_batches


@dataclass
class TrainConfig:
    """How to train. The defaults are the usual recipe's."""

    epochs: int = 20
    """Passes over the training pairs."""
    batch_size: int = 32
    """Pairs per step."""
    learning_rate: float = 1e-3
    """AdamW's step size. Without weight decay, AdamW is Adam."""
    weight_decay: float = 0.0
    """Share of each weight that is taken off per step, times the learning rate (decoupled, as in AdamW)."""
    seed: int = 42
    """Fixes the order of the batches. The initial weights are the caller's."""
    log_every: int = 5
    """Print a progress line every so many epochs; 0 prints nothing."""

    def __post_init__(self):
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"TrainConfig: {name} must be at least 1, got {getattr(self, name)}")


@dataclass
class History:
    """What happened: one number per epoch in each list, measured after the epoch, in evaluation mode.

    Losses are mean Bradley-Terry losses in nats, accuracies fractions of pairs, margins the mean of
    (reward of preferred - reward of rejected).
    """

    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    train_margin: list[float] = field(default_factory=list)
    held_out_loss: list[float] = field(default_factory=list)
    held_out_accuracy: list[float] = field(default_factory=list)
    held_out_margin: list[float] = field(default_factory=list)
    seconds: float = 0.0
    """Wall time of the whole run, evaluation included."""


def training_step(
    model: nn.Module, optimizer: torch.optim.Optimizer, preferred: Tensor, rejected: Tensor
) -> float:
    """One optimizer step on one batch of pairs.

    Args:
        model: maps (batch, seq_len) token ids to (batch,) rewards; used in the mode it is in.
        optimizer: over the model's parameters.
        preferred: (batch, seq_len) int64, on the model's device.
        rejected: (batch, seq_len) int64.

    Returns:
        The mean Bradley-Terry loss of the batch before the step.
    """
    return _step(model, optimizer, preferred, rejected).item()


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, preferred: Tensor, rejected: Tensor) -> Tensor:
    """training_step without the .item(), which would make a GPU wait at every step."""
    # One forward pass for both halves costs about half of two.
    rewards = model(torch.cat([preferred, rejected]))  # (2 * batch,)
    loss = bradley_terry_loss(*rewards.chunk(2))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def train_reward_model(
    model: nn.Module,
    train_pairs: Pairs | SyntheticPreferenceDataset,
    held_out_pairs: Pairs | SyntheticPreferenceDataset,
    config: TrainConfig | None = None,
    device: torch.device | str = "cpu",
) -> History:
    """Train a reward model with the Bradley-Terry loss.

    Args:
        model: maps (batch, seq_len) token ids to (batch,) rewards. Moved to `device`, trained in place,
            and left in training mode.
        train_pairs: preferred and rejected token ids, each (n, seq_len) int64; or a dataset, which draws
            new pairs each epoch if it is `fresh`.
        held_out_pairs: the same, of pairs that training must not see.
        config: see TrainConfig.
        device: where to train.

    Returns:
        The History of the run. The same arguments, initial weights and machine give the same numbers.

    Raises:
        ValueError: preferred and rejected differ in shape, or there are no pairs.
    """
    config = config or TrainConfig()
    model.to(device)
    # fused: one kernel updates all parameters; on a model this small that is a third of a step's time.
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    shuffle = torch.Generator().manual_seed(config.seed)
    held_out = _on_device(held_out_pairs, device)
    history = History()
    start = time.perf_counter()
    for epoch in range(config.epochs):
        if epoch == 0 or getattr(train_pairs, "fresh", False):
            if epoch > 0:
                train_pairs.set_epoch(epoch)
            preferred, rejected = train = _on_device(train_pairs, device)
        model.train()
        order = torch.randperm(len(preferred), generator=shuffle).to(device)
        for batch in order.split(config.batch_size):
            _step(model, optimizer, preferred[batch], rejected[batch])
        _record(history, "train", model, train)
        _record(history, "held_out", model, held_out)
        history.seconds = time.perf_counter() - start
        if config.log_every and ((epoch + 1) % config.log_every == 0 or epoch + 1 == config.epochs):
            print(_progress_line(history, config.epochs), flush=True)
    return history


def _on_device(pairs: Pairs | SyntheticPreferenceDataset, device: torch.device | str) -> Pairs:
    preferred, rejected = pairs.pairs if isinstance(pairs, SyntheticPreferenceDataset) else pairs
    if preferred.shape != rejected.shape or preferred.dim() != 2 or len(preferred) == 0:
        raise ValueError(
            "train_reward_model: preferred and rejected must both be (n, seq_len) with n >= 1, got "
            f"{tuple(preferred.shape)} and {tuple(rejected.shape)}"
        )
    return preferred.to(device), rejected.to(device)


def _record(history: History, name: str, model: nn.Module, pairs: Pairs) -> None:
    """Append one epoch's loss, accuracy and margin on these pairs."""
    reward_preferred, reward_rejected = (score_in_batches(model, token_ids) for token_ids in pairs)
    loss = bradley_terry_loss(reward_preferred, reward_rejected).item()
    getattr(history, f"{name}_loss").append(loss)
    getattr(history, f"{name}_accuracy").append(preference_accuracy(reward_preferred, reward_rejected))
    getattr(history, f"{name}_margin").append((reward_preferred - reward_rejected).mean().item())


def _progress_line(history: History, epochs: int) -> str:
    done = len(history.train_loss)
    return (
        f"epoch {done:{len(str(epochs))}d}/{epochs}  "
        f"training: loss {history.train_loss[-1]:.4f}, accuracy {history.train_accuracy[-1]:.3f}  |  "
        f"held-out: loss {history.held_out_loss[-1]:.4f}, accuracy {history.held_out_accuracy[-1]:.3f}  "
        f"({history.seconds:.1f} s)"
    )
