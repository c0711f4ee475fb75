"""TODO 3: one step of training."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.naming import named, ways
from reward_lab.checks.numbers import as_number, close
from reward_lab.checks.probes import Probe, ProbeModel
from reward_lab.checks.subject import LocalSubject, Reply, Subject
from reward_lab.checks.values import number_text
from reward_lab.trainer import training_step as right_step

from .step_mistakes import STEP_MISTAKES, Step

training_step = Exercise(
    "training_step",
    first_step="List the four things that a training step does, in their order; begin with the loss.",
    withholds=(
        "reward_lab.trainer._step",
        "reward_lab.rlhf.training._step",
        "reward_lab.lessons.lesson04.experiments._step",
    ),
)

MOVED = "the loss {loss}, and weights that moved by one plain step"


@dataclass(frozen=True)
class Setup:
    """A model, an optimizer and a batch. Fields as in the probes; `buffers` are momentum that has been gathered before."""

    tables: dict[str, Tensor]
    scale: float
    lr: float
    pairs: tuple[Tensor, Tensor]
    gradients: dict[str, Tensor] = field(default_factory=dict)
    buffers: dict[str, Tensor] = field(default_factory=dict)

    def arguments(self) -> tuple:
        data = {"tables": self.tables, "scale": self.scale, "training": True, "gradients": self.gradients}
        optimizer = Probe("sgd", {"model": 0, "lr": self.lr, "buffers": self.buffers})
        return Probe("reward_model", data), optimizer, *self.pairs


def _check_steps(subject: Subject, *setups: Setup) -> None:
    """One step from each set-up. Compare losses and weights with the right ones, then with usual wrong ones."""
    calls = [setup.arguments() for setup in setups]
    replies = [subject.call(*arguments) for arguments in calls]
    losses = [as_number(reply.value, "the loss as a number") for reply in replies]
    right = list(_replies(right_step, calls, subject.device))
    moved = [_same_tables(*states) for states in zip(replies, right, setups, strict=True)]
    same = [close(loss, reply.value, 1e-4) for loss, reply in zip(losses, right, strict=True)]
    modes = [reply.arguments[0]["training"] for reply in replies]
    off = [number for number in range(len(calls)) if not (moved[number] and same[number] and modes[number])]
    if not off:
        return

    def explains(mistake: Step) -> bool:
        wrong = _replies(mistake, calls, subject.device)
        return all(
            reply.failure is None
            and _same_loss(loss, reply.value)
            and _same_tables(came, reply, setup)
            and came.arguments[0]["training"] == reply.arguments[0]["training"]
            for loss, came, reply, setup in zip(losses, replies, wrong, setups, strict=True)
        )

    likely = named(said for said, mistake in ways(STEP_MISTAKES) if explains(mistake))
    first = off[0]
    raise Mistake(
        MOVED.format(loss=number_text(right[first].value)),
        f"the loss {number_text(losses[first])}, and weights that moved {'rightly' if moved[first] else 'differently'}",
        likely or _half_right(all(moved), all(same)),
    )


def _replies(step: Step, calls: Sequence[tuple], device: str) -> Iterator[Reply]:
    return (LocalSubject(step, device).call(*arguments) for arguments in calls)


def _half_right(moved_right: bool, loss_right: bool) -> str | None:
    if moved_right and not loss_right:
        return "The step is right. Return the loss of this batch from before the step."
    if loss_right and not moved_right:
        return "The loss is right. Look at zero_grad, backward and step: each once, in that order."
    return None


def _same_loss(a: float, b: float) -> bool:
    return close(a, b, 1e-4) or (a != a and b != b)


def _same_tables(a: Reply, b: Reply, setup: Setup) -> bool:
    """Whether the weights agree to a thousandth of how far they moved, NaN counting as equal to NaN."""
    for name in ProbeModel.TABLES:
        got, want = a.arguments[0]["tables"][name], b.arguments[0]["tables"][name]
        if got.shape != want.shape:
            return False
        moved = (want.cpu() - setup.tables[name]).nan_to_num().abs().max().item()
        if not torch.allclose(got.cpu(), want.cpu(), rtol=0, atol=1e-3 * moved + 1e-6, equal_nan=True):
            return False
    return True


def _random_tables(draw: torch.Generator, vocab_size: int, scale: float = 1.0) -> dict[str, Tensor]:
    return {name: torch.randn(vocab_size, generator=draw) * scale for name in ProbeModel.TABLES}


VOCABULARY = 50


def _drawn(draw: torch.Generator, batch: int = 9, **changes: object) -> Setup:
    pairs = tuple(torch.randint(VOCABULARY, (2, batch, 4), generator=draw))
    return Setup(_random_tables(draw, VOCABULARY), 2.0, 0.5, pairs, **changes)


@training_step.case("one step from fresh gradients", points=1.0)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check_steps(subject, _drawn(draw), _drawn(draw, buffers=_random_tables(draw, VOCABULARY)))


@training_step.case("gradients left over from before do not matter", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check_steps(subject, _drawn(draw, gradients=_random_tables(draw, VOCABULARY)))


@training_step.case("large gradients, no clipping", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    # At this scale the gradient's norm is far above 1, where clipping usually sets in.
    low, high = torch.randint(3, (16, 4), generator=draw), torch.randint(3, 6, (16, 4), generator=draw)
    _check_steps(subject, _drawn(draw), Setup(_random_tables(draw, 6, 0.02), 64.0, 0.01, (high, low)))


@training_step.case("margins of -200 and +200", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    setups = [_drawn(draw)]
    for reward in (100.0, -100.0, 0.0):
        tables = _random_tables(draw, 2)
        tables["train_mode_with_gradients"] = torch.tensor([-reward, reward])
        pairs = (torch.ones(5, 4, dtype=torch.int64), torch.zeros(5, 4, dtype=torch.int64))
        setups.append(Setup(tables, 1.0, 1.0, pairs))
    _check_steps(subject, *setups)


@training_step.case("a batch of one pair", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check_steps(subject, _drawn(draw, batch=1), _drawn(draw, batch=40))
