"""Train a reward model: one plain loop that returns its history."""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from .batches import Batch, BatchedPairs, batches_of, moved
from .checkpoint import Checkpoint
from .data import SyntheticPreferenceDataset
from .losses import bradley_terry_loss
from .metrics import Pairs, preference_accuracy, score_in_batches


def require_at_least_1(config: object, *names: str) -> None:
    """Raise ValueError if one of these fields of a configuration is below 1; None is allowed."""
    for name in names:
        value = getattr(config, name)
        if value is not None and value < 1:
            raise ValueError(f"{type(config).__name__}: {name} must be at least 1, got {value}")


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
    patience: int | None = None
    """Stop once the held-out loss has not fallen for so many epochs, and go back to the weights at its lowest."""
    progress_bar: bool = False
    """Show a bar within each epoch, if stderr is a terminal."""

    def __post_init__(self):
        require_at_least_1(self, "epochs", "batch_size", "patience")


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

    @property
    def best_epoch(self) -> int:
        """The epoch, counted from 1, after which the held-out loss was lowest (a NaN counts as high)."""
        return int(np.argmin(np.nan_to_num(self.held_out_loss, nan=np.inf))) + 1

    @property
    def epochs_since_best(self) -> int:
        """How many epochs came after the best one; 0 before the first."""
        return len(self.held_out_loss) - self.best_epoch if self.held_out_loss else 0


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


def _step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    preferred: Tensor,
    rejected: Tensor,
    margins: Tensor | None = None,
) -> Tensor:
    """training_step without the .item(), which would make a GPU wait at every step."""
    # One forward pass for both halves costs about half of two.
    rewards = model(torch.cat([preferred, rejected]))  # (2 * batch,)
    loss = _loss(*rewards.view(2, -1), margins)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def _loss(reward_preferred: Tensor, reward_rejected: Tensor, margins: Tensor | None) -> Tensor:
    """Bradley-Terry loss in which the preferred text has to lead by its margin (Touvron et al., Llama 2, 2023)."""
    return bradley_terry_loss(
        reward_preferred if margins is None else reward_preferred - margins, reward_rejected
    )


def train_reward_model(
    model: nn.Module,
    train_pairs: Pairs | SyntheticPreferenceDataset | BatchedPairs,
    held_out_pairs: Pairs | SyntheticPreferenceDataset | BatchedPairs,
    config: TrainConfig | None = None,
    device: torch.device | str = "cpu",
    checkpoint: Checkpoint | None = None,
) -> History:
    """Train a reward model with the Bradley-Terry loss.

    Args:
        model: maps (batch, seq_len) token ids to (batch,) rewards. Moved to `device`, trained in place,
            and left in training mode.
        train_pairs: preferred and rejected token ids, each (n, seq_len) int64; or a dataset, which draws
            new pairs each epoch if it is `fresh`; or BatchedPairs, which are read batch by batch, and say
            themselves on which pairs they are measured. Margins, where they have any, are part of every loss.
        held_out_pairs: the same, of pairs that training must not see.
        config: see TrainConfig.
        device: where to train.
        checkpoint: written after each epoch; a run that finds one goes on from there, and ends with the same
            numbers as a run that was never interrupted.

    Returns:
        The History of the run. The same arguments, initial weights and machine give the same numbers.

    Raises:
        ValueError: preferred and rejected differ in shape, there are no pairs, or the loss became NaN or infinite.
    """
    config = config or TrainConfig()
    model.to(device)
    # fused: one kernel updates all parameters; on a model this small that is a third of a step's time.
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    shuffle = torch.Generator().manual_seed(config.seed)
    held_out = moved(batches_of(held_out_pairs, device).measured(), device)
    history, best, train = History(), None, None
    if checkpoint and (state := checkpoint.load()):
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        shuffle.set_state(state["shuffle"])
        history, best = History(**state["history"]), state["best"]
    start = time.perf_counter() - history.seconds
    for epoch in range(len(history.train_loss), config.epochs):
        if config.patience and history.epochs_since_best >= config.patience:
            break
        if train is None or getattr(train_pairs, "fresh", False):
            if epoch > 0 and getattr(train_pairs, "fresh", False):
                train_pairs.set_epoch(epoch)
            train = batches_of(train_pairs, device)
        model.train()
        order = torch.randperm(len(train), generator=shuffle).to(train.device)
        for rows in _with_bar(order.split(config.batch_size), config.progress_bar):
            _step(model, optimizer, *moved(train.batch(rows), device))
        _record(history, "train", model, moved(train.measured(), device))
        if not math.isfinite(history.train_loss[-1]):
            raise ValueError(
                f"the loss became {history.train_loss[-1]} in epoch {epoch + 1}: lower the learning rate"
            )
        _record(history, "held_out", model, held_out)
        history.seconds = time.perf_counter() - start
        if config.patience and history.epochs_since_best == 0:
            best = {name: value.detach().clone() for name, value in model.state_dict().items()}
        if checkpoint:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "best": best}
            checkpoint.save({**state, "shuffle": shuffle.get_state(), "history": vars(history)})
        if config.log_every and ((epoch + 1) % config.log_every == 0 or epoch + 1 == config.epochs):
            print(_progress_line(history, config.epochs), flush=True)
    if best:
        model.load_state_dict(best)
    return history


def _with_bar(batches: Sequence[Tensor], wanted: bool) -> Iterable[Tensor]:
    if not wanted:
        return batches
    from tqdm import tqdm  # here: only training from the command line shows a bar

    return tqdm(batches, desc="batches", leave=False, disable=None)


def _record(history: History, name: str, model: nn.Module, pairs: Batch) -> None:
    """Append one epoch's loss, accuracy and margin on these pairs."""
    *sides, margins = pairs
    reward_preferred, reward_rejected = (score_in_batches(model, token_ids) for token_ids in sides)
    loss = _loss(reward_preferred, reward_rejected, margins).item()
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
