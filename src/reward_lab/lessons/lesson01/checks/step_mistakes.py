"""The usual mistakes of TODO 3, as programs that make them."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from reward_lab.losses import bradley_terry_loss
from reward_lab.trainer import training_step as right_step

Step = Callable[[torch.nn.Module, torch.optim.Optimizer, Tensor, Tensor], float]


def _step_with(
    loss_of: Callable[[Tensor, Tensor], Tensor] = bradley_terry_loss, clip: Callable | None = None
) -> Step:
    """A training step that is right but for its loss, or for clipping its gradients at 1."""

    def step(model, optimizer, preferred, rejected):
        loss = loss_of(model(preferred), model(rejected))
        optimizer.zero_grad()
        loss.backward()
        if clip:
            clip(model.parameters(), 1.0)
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


def _in_eval_mode(model, optimizer, preferred, rejected):
    model.eval()
    return right_step(model, optimizer, preferred, rejected)


def _by_hand(model, optimizer, preferred, rejected):
    loss = bradley_terry_loss(model(preferred), model(rejected))
    model.zero_grad()
    loss.backward()
    torch.optim.SGD(model.parameters(), lr=optimizer.param_groups[0]["lr"]).step()
    return loss.item()


def _with_guard(guard: float) -> Step:
    return _step_with(lambda p, r: -torch.log(torch.sigmoid(p - r) + guard).mean())


def _with_floor(guard: float) -> Step:
    return _step_with(lambda p, r: -torch.log(torch.sigmoid(p - r).clamp(min=guard)).mean())


def _clamped(bound: float) -> Step:
    return _step_with(lambda p, r: -F.logsigmoid((p - r).clamp(-bound, bound)).mean())


STEP_MISTAKES: dict[str, Step | list[Step]] = {
    "The gradients left over from before were added in. `backward()` adds to them, so clear them before it; "
    "zeroing only after the step is a common idiom that fails the first time.": _zero_after,
    "The weights did not move: `optimizer.step()` is missing, or finds no gradients.": _no_step,
    "There were two optimizer steps on the same gradients. Take exactly one.": _two_steps,
    "There were two optimizer steps. Take exactly one.": _two_whole_steps,
    "This is the loss after the step. Keep the value from before it.": _loss_after,
    "The gradients were clipped. This exercise asks for a plain step.": _step_with(
        clip=torch.nn.utils.clip_grad_norm_
    ),
    "The gradients were clipped one by one. This exercise asks for a plain step.": _step_with(
        clip=torch.nn.utils.clip_grad_value_
    ),
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
    "A small number inside the log hides the overflow, but the loss levels off and its gradient vanishes. "
    "Use `F.logsigmoid`.": [
        made(guard) for made in (_with_guard, _with_floor) for guard in (1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12)
    ],
    "The margins were clamped: the loss levels off, and its gradient vanishes. `F.logsigmoid` takes any margin.": [
        _clamped(bound) for bound in (10, 15, 20, 30, 50, 80, 88, 100)
    ],
    "At margin 0 the gradient is wrong: `abs`, `relu` and `clamp` have a kink there. Use `F.logsigmoid` or `F.softplus`.": [
        _step_with(lambda p, r: (F.relu(r - p) + torch.log1p(torch.exp(-(p - r).abs()))).mean()),
        _step_with(lambda p, r: ((r - p).clamp(min=0) + torch.log1p(torch.exp(-(p - r).abs()))).mean()),
    ],
    "The step was taken by hand, or by a new optimizer. The one that is given has a state: call its `step()`.": _by_hand,
    "This is half of what it should be: the loss is the mean of -log sigmoid(margin) over the pairs.": _step_with(
        lambda p, r: bradley_terry_loss(p, r) / 2
    ),
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
