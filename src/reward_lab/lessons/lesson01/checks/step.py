"""TODO 3: one step of training."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.numbers import as_number, close
from reward_lab.checks.probes import Probe, ProbeModel
from reward_lab.checks.subject import LocalSubject, Subject
from reward_lab.checks.values import number_text
from reward_lab.losses import bradley_terry_loss
from reward_lab.trainer import training_step as right_step

training_step = Exercise(
    "training_step",
    first_step="List the four things that a training step does, in their order; begin with the loss.",
)

Step = Callable[[torch.nn.Module, torch.optim.Optimizer, Tensor, Tensor], float]


def _step_with(loss_of: Callable[[Tensor, Tensor], Tensor]) -> Step:
    """A training step that is right but for its loss."""

    def step(model, optimizer, preferred, rejected):
        loss = loss_of(model(preferred), model(rejected))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _zero_after(model, optimizer, preferred, rejected):
    loss = bradley_terry_loss(model(preferred), model(rejected))
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


def _no_step(model, optimizer, preferred, rejected):
    loss = bradley_terry_loss(model(preferred), model(rejected))
    optimizer.zero_grad()
    loss.backward()
    return loss.item()


def _zero_before_step(model, optimizer, preferred, rejected):
    return bradley_terry_loss(model(preferred), model(rejected)).item()


def _two_steps(model, optimizer, preferred, rejected):
    loss = right_step(model, optimizer, preferred, rejected)
    optimizer.step()
    return loss


def _two_whole_steps(model, optimizer, preferred, rejected):
    loss = right_step(model, optimizer, preferred, rejected)
    right_step(model, optimizer, preferred, rejected)
    return loss


def _loss_after(model, optimizer, preferred, rejected):
    right_step(model, optimizer, preferred, rejected)
    with torch.no_grad():
        return bradley_terry_loss(model(preferred), model(rejected)).item()


def _clipped(model, optimizer, preferred, rejected):
    loss = bradley_terry_loss(model(preferred), model(rejected))
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def _clipped_values(model, optimizer, preferred, rejected):
    loss = bradley_terry_loss(model(preferred), model(rejected))
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_value_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def _in_eval_mode(model, optimizer, preferred, rejected):
    model.eval()
    return right_step(model, optimizer, preferred, rejected)


STEP_MISTAKES: dict[str, Step] = {
    "The gradients left over from before were added in. `backward()` adds to them, so clear them before it; "
    "zeroing only after the step is a common idiom that fails the first time.": _zero_after,
    "The weights did not move: `optimizer.step()` is missing, or finds no gradients.": _no_step,
    "There were two optimizer steps on the same gradients. Take exactly one.": _two_steps,
    "There were two optimizer steps. Take exactly one.": _two_whole_steps,
    "This is the loss after the step. Keep the value from before it.": _loss_after,
    "The gradients were clipped. This exercise asks for a plain step.": _clipped,
    "The gradients were clipped one by one. This exercise asks for a plain step.": _clipped_values,
    "The sign is wrong: this pushes the rejected reward up. Use preferred minus rejected.": _step_with(
        lambda p, r: bradley_terry_loss(r, p)
    ),
    "The loss is minus what it should be, so the step goes uphill. It is -log sigmoid(...).": _step_with(
        lambda p, r: F.logsigmoid(p - r).mean()
    ),
    "This sums over the batch. The loss is the mean.": _step_with(lambda p, r: -F.logsigmoid(p - r).sum()),
    "Sigmoid first and log second, or exp of the margin, breaks down at a margin of -200: in float32 the sigmoid is 0 "
    "there, its log and the exp are infinite. Use `F.logsigmoid` or `F.softplus`.": _step_with(
        lambda p, r: -torch.log(torch.sigmoid(p - r)).mean()
    ),
    "A small number inside the log hides the overflow, but the loss stops near 18 and its gradient vanishes. "
    "Use `F.logsigmoid`.": _step_with(lambda p, r: -torch.log(torch.sigmoid(p - r) + 1e-8).mean()),
    "The log is missing: this is the mean probability of a wrong preference.": _step_with(
        lambda p, r: (1 - torch.sigmoid(p - r)).mean()
    ),
    "This is a hinge loss. The exercise asks for the Bradley-Terry loss.": _step_with(
        lambda p, r: F.relu(1 - (p - r)).mean()
    ),
    "The sigmoid is missing: this loss is just the mean margin with a minus sign.": _step_with(
        lambda p, r: (r - p).mean()
    ),
    "The rejected texts are not used.": _step_with(lambda p, r: -F.logsigmoid(p).mean()),
    "The average comes too early: take -log sigmoid of each margin, then the mean.": _step_with(
        lambda p, r: -F.logsigmoid((p - r).mean())
    ),
    "No gradient reached the preferred rewards: something detached them.": _step_with(
        lambda p, r: bradley_terry_loss(p.detach(), r)
    ),
    "No gradient reached the rejected rewards: something detached them.": _step_with(
        lambda p, r: bradley_terry_loss(p, r.detach())
    ),
    "The model was switched to evaluation mode. Leave it in the mode it is in.": _in_eval_mode,
}

MOVED = "the loss {loss}, and weights that moved by one plain step"


def _check_step(
    subject: Subject, *, tables: dict, scale: float, lr: float, pairs: tuple, gradients: dict
) -> None:
    """Run one step on a probe. Compare loss and weights with the right ones, then with usual wrong ones."""
    model = Probe(
        "reward_model", {"tables": tables, "scale": scale, "training": True, "gradients": gradients}
    )
    arguments = (model, Probe("sgd", {"model": 0, "lr": lr}), *pairs)
    reply = subject.call(*arguments)
    right = LocalSubject(right_step, subject.device).call(*arguments)
    loss = as_number(reply.value, "the loss as a number")
    state, right_state = reply.arguments[0], right.arguments[0]
    moved_right = _same_tables(state, right_state, tables)
    if moved_right and close(loss, right.value, 1e-4) and state["training"]:
        return
    for said, mistake in STEP_MISTAKES.items():
        wrong = LocalSubject(mistake, subject.device).call(*arguments)
        if _same_loss(loss, wrong.value) and _same_tables(state, wrong.arguments[0], tables):
            likely = said
            break
    else:
        likely = _half_right(moved_right, close(loss, right.value, 1e-4))
    raise Mistake(
        MOVED.format(loss=number_text(right.value)),
        f"the loss {number_text(loss)}, and weights that moved {'rightly' if moved_right else 'differently'}",
        likely,
    )


def _half_right(moved_right: bool, loss_right: bool) -> str | None:
    if moved_right and not loss_right:
        return "The step is right. Return the loss of this batch from before the step."
    if loss_right and not moved_right:
        return "The loss is right. Look at zero_grad, backward and step: each once, in that order."
    return None


def _same_loss(a: float, b: float) -> bool:
    return close(a, b, 1e-4) or (a != a and b != b)


def _same_tables(a: dict, b: dict, start: dict) -> bool:
    """Whether the weights agree to a thousandth of how far they moved, NaN counting as equal to NaN."""
    for name in ProbeModel.TABLES:
        got, want = a["tables"][name], b["tables"][name]
        if got.shape != want.shape:
            return False
        moved = (want.cpu() - start[name]).nan_to_num().abs().max().item()
        if not torch.allclose(got.cpu(), want.cpu(), rtol=0, atol=1e-3 * moved + 1e-6, equal_nan=True):
            return False
    return True


def _random_tables(draw: torch.Generator, vocab_size: int, scale: float = 1.0) -> dict[str, Tensor]:
    return {name: torch.randn(vocab_size, generator=draw) * scale for name in ProbeModel.TABLES}


@training_step.case("one step from fresh gradients", points=1.0)
def _(subject: Subject, draw: torch.Generator) -> None:
    tables = _random_tables(draw, 12)
    pairs = tuple(torch.randint(12, (2, 9, 4), generator=draw))
    _check_step(subject, tables=tables, scale=2.0, lr=0.5, pairs=pairs, gradients={})


@training_step.case("gradients left over from before do not matter", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    tables, leftovers = _random_tables(draw, 12), _random_tables(draw, 12)
    pairs = tuple(torch.randint(12, (2, 9, 4), generator=draw))
    _check_step(subject, tables=tables, scale=2.0, lr=0.5, pairs=pairs, gradients=leftovers)


@training_step.case("large gradients, no clipping", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    tables = _random_tables(draw, 6, 0.02)
    # At this scale the gradient's norm is far above 1, where clipping usually sets in.
    low, high = torch.randint(3, (16, 4), generator=draw), torch.randint(3, 6, (16, 4), generator=draw)
    _check_step(subject, tables=tables, scale=64.0, lr=0.01, pairs=(high, low), gradients={})


@training_step.case("margins of -200 and +200", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    for reward in (100.0, -100.0):
        tables = _random_tables(draw, 2)
        tables["train_mode_with_gradients"] = torch.tensor([-reward, reward])
        pairs = (torch.ones(5, 4, dtype=torch.int64), torch.zeros(5, 4, dtype=torch.int64))
        _check_step(subject, tables=tables, scale=1.0, lr=1.0, pairs=pairs, gradients={})


@training_step.case("a batch of one pair", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    tables = _random_tables(draw, 12)
    pairs = tuple(torch.randint(12, (2, 1, 7), generator=draw))
    _check_step(subject, tables=tables, scale=2.0, lr=0.5, pairs=pairs, gradients={})
