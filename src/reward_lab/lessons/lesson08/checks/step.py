"""TODO 4: one step of DPO."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.judging import Outcome
from reward_lab.checks.naming import named, ways
from reward_lab.checks.numbers import as_number
from reward_lab.checks.probes import Probe
from reward_lab.checks.subject import LocalSubject, Reply, Subject
from reward_lab.checks.values import number_text
from reward_lab.rlhf.dpo import dpo_step as right_step

from .probes import TABLES
from .step_mistakes import STEP_MISTAKES

dpo_step = Exercise(
    "dpo_step",
    first_step="List the four numbers that the loss needs for a pair, and which model each of them comes from.",
    withholds=("reward_lab.rlhf.dpo.preference_step",),
    uses=("sequence_log_probs", "dpo_loss"),
)

VOCABULARY = 24


@dataclass(frozen=True)
class Setup:
    """Two models, an optimizer and a batch; what the policy has gathered before: gradients, and the optimizer's momentum."""

    policy: dict[str, Tensor]
    reference: dict[str, Tensor]
    batch: dict[str, Tensor]
    lr: float
    beta: float
    gradients: dict[str, Tensor] = field(default_factory=dict)
    buffers: dict[str, Tensor] = field(default_factory=dict)
    reference_gradients: dict[str, Tensor] = field(default_factory=dict)
    modes: tuple[bool, bool] = (True, False)
    """Whether policy and reference are in training mode."""

    def arguments(self) -> tuple:
        """What the step is called with."""
        policy = {"tables": self.policy, "gradients": self.gradients, "training": self.modes[0]}
        reference = {
            "tables": self.reference,
            "gradients": self.reference_gradients,
            "training": self.modes[1],
        }
        optimizer = Probe("sgd", {"model": 0, "lr": self.lr, "buffers": self.buffers})
        models = (Probe("language_model", data) for data in (policy, reference))
        return *models, optimizer, self.batch, self.beta

    def outcome(self, reply: Reply) -> Outcome:
        """What came of a call: the loss, how far every table moved, and what became of the reference."""
        policy, reference = reply.arguments[:2]
        found = {
            "the loss": torch.tensor(as_number(reply.value, "the loss as a number"), dtype=torch.float64)
        }
        for name in TABLES:
            moved = policy["tables"][name].cpu() - self.policy[name]
            found[f"the policy's {name}"] = moved.double()
            found[f"the reference's {name}"] = (
                reference["tables"][name].cpu() - self.reference[name]
            ).double()
            left = self.reference_gradients.get(name, torch.zeros(1))
            found[f"the reference's gradient in {name}"] = (
                reference["gradients"].get(name, torch.zeros(1)).cpu() - left
            ).double()
        modes = [float(model["training"]) for model in (policy, reference)]
        found["the modes of policy and reference"] = torch.tensor(modes, dtype=torch.float64)
        return found


def _same(got: Outcome, want: Outcome) -> bool:
    """To a thousandth of how far the weights moved, NaN counting as equal to NaN."""
    return all(_same_part(got[part], want[part]) for part in want)


def _same_part(got: Tensor, want: Tensor) -> bool:
    near = 1e-3 * want.nan_to_num(posinf=0, neginf=0).abs().max().item() + 1e-6
    return got.shape == want.shape and torch.allclose(got, want, rtol=0, atol=near, equal_nan=True)


def _check(subject: Subject, *setups: Setup) -> None:
    """One step from each set-up. Compare what became of it with the right outcome, then with usual wrong ones."""
    calls = [setup.arguments() for setup in setups]
    got = [s.outcome(subject.call(*arguments)) for s, arguments in zip(setups, calls, strict=True)]
    replies = [LocalSubject(right_step, subject.device).call(*arguments) for arguments in calls]
    want = [setup.outcome(reply) for setup, reply in zip(setups, replies, strict=True)]
    off = [number for number in range(len(calls)) if not _same(got[number], want[number])]
    if not off:
        return

    def explains(mistake: Callable) -> bool:
        """Whether it comes to the same in every call. The first call that came out wrong settles most."""
        for number in sorted(range(len(calls)), key=lambda n: n not in off):
            reply = LocalSubject(mistake, subject.device).call(*calls[number])
            if reply.failure or not _same(got[number], setups[number].outcome(reply)):
                return False
        return True

    likely = named(said for said, mistake in ways(STEP_MISTAKES) if explains(mistake))
    came, right = got[off[0]], want[off[0]]
    parts = [part for part in right if not _same_part(came[part], right[part])]
    raise Mistake(
        f"the loss {number_text(right['the loss'].item())}, and only the policy's weights to move, by one step",
        f"the loss {number_text(came['the loss'].item())}, and a difference in {', '.join(parts)}",
        likely or _half_right(parts),
    )


def _half_right(parts: Sequence[str]) -> str | None:
    if parts == ["the loss"]:
        return "The step is right. Return the loss of this batch from before the step, as a number."
    if any(part.startswith("the reference's gradient") for part in parts):
        return "A gradient reached the reference: call it under `torch.no_grad()`."
    if any(part.startswith("the reference's") for part in parts):
        return "The reference was changed. It is only asked."
    if "the modes of policy and reference" in parts:
        return "A model was switched to another mode. Leave both in the mode they are in."
    if "the loss" not in parts:
        return "The loss is right. Look at zero_grad, backward and step: each once, in that order."
    return None


def _tables(draw: torch.Generator, scale: float = 1.0) -> dict[str, Tensor]:
    return {name: scale * torch.randn(VOCABULARY, VOCABULARY, generator=draw) for name in TABLES}


def _side(draw: torch.Generator, batch: int, seq: int) -> tuple[Tensor, Tensor]:
    """Texts with prompts of one token or more and, but for the first, padding: token ids and mask."""
    ids = torch.randint(VOCABULARY, (batch, seq), generator=draw)
    start = torch.randint(1, 3, (batch, 1), generator=draw)
    end = torch.randint(4, seq + 1, (batch, 1), generator=draw)
    end[0] = seq
    places = torch.arange(seq)
    return ids, ((places >= start) & (places < end)).long()


def _drawn(
    draw: torch.Generator,
    batch: int = 9,
    beta: float = 0.4,
    scale: float = 1.0,
    lr: float = 0.5,
    **more: object,
) -> Setup:
    sides = {}
    for side, seq in (("preferred", 7), ("rejected", 6)):
        sides[side], sides[f"{side}_mask"] = _side(draw, batch, seq)
    return Setup(_tables(draw, scale), _tables(draw, scale), sides, lr, beta, **more)


@dpo_step.case("one step from fresh gradients", points=0.75)
def _(subject: Subject, draw: torch.Generator) -> None:
    other = _drawn(draw, beta=0.2, modes=(False, True))
    _check(subject, _drawn(draw), _drawn(draw, beta=0.1, buffers=_tables(draw)), other)


@dpo_step.case("gradients left over from before do not matter, and the reference keeps its own", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, _drawn(draw, gradients=_tables(draw), reference_gradients=_tables(draw)))


@dpo_step.case("margins far from 0, and large gradients", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(
        subject,
        _drawn(draw, batch=16, scale=2.0, beta=40.0, lr=0.01),
        _drawn(draw, scale=4.0, beta=0.02, lr=5.0),
    )


@dpo_step.case("a batch of one pair", points=0.25)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, _drawn(draw, batch=1), _drawn(draw, batch=30))
