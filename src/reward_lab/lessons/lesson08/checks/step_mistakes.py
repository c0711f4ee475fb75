"""The usual mistakes of TODO 4, as programs that make them."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F

from reward_lab.rlhf.dpo import dpo_loss, preference_step, sequence_log_probs
from reward_lab.rlhf.dpo import dpo_step as right_step

from .texts import scored_with

Step = Callable[..., float]
SIDES = ("preferred", "rejected")


def _loss_with(loss_of: Callable) -> Step:
    return partial(preference_step, loss_of)


def _scored_by(log_probs: Callable) -> Step:
    return partial(preference_step, dpo_loss, log_probs=log_probs)


def _loss(policy, reference, batch, beta):
    sides = [
        sequence_log_probs(model(batch[side]), batch[side], batch[f"{side}_mask"])
        for model in (policy, reference)
        for side in SIDES
    ]
    return dpo_loss(*sides, beta)


def _zero_after(policy, reference, optimizer, batch, beta):
    loss = _loss(policy, reference, batch, beta)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


def _no_step(policy, reference, optimizer, batch, beta):
    loss = _loss(policy, reference, batch, beta)
    optimizer.zero_grad()
    loss.backward()
    return loss.item()


def _two_steps(policy, reference, optimizer, batch, beta):
    loss = right_step(policy, reference, optimizer, batch, beta)
    optimizer.step()
    return loss


def _two_whole_steps(policy, reference, optimizer, batch, beta):
    loss = right_step(policy, reference, optimizer, batch, beta)
    right_step(policy, reference, optimizer, batch, beta)
    return loss


def _loss_after(policy, reference, optimizer, batch, beta):
    right_step(policy, reference, optimizer, batch, beta)
    with torch.no_grad():
        return _loss(policy, reference, batch, beta).item()


def _in_mode(policy_training: bool | None, reference_training: bool | None) -> Step:
    """Models are switched to these modes first; None leaves one as it is."""

    def step(policy, reference, optimizer, batch, beta):
        for model, training in ((policy, policy_training), (reference, reference_training)):
            if training is not None:
                model.train(training)
        return right_step(policy, reference, optimizer, batch, beta)

    return step


def _own_reference(policy, reference, optimizer, batch, beta):
    return right_step(policy, policy, optimizer, batch, beta)


def _roles_swapped(policy, reference, optimizer, batch, beta):
    return right_step(reference, policy, optimizer, batch, beta)


def _gradients_in_the_reference(policy, reference, optimizer, batch, beta):
    def of(model):
        return [sequence_log_probs(model(batch[side]), batch[side], batch[f"{side}_mask"]) for side in SIDES]

    (a, b), (c, d) = of(policy), of(reference)
    loss = -F.logsigmoid(beta * ((a - b) - (c - d))).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def _clipped(clip: Callable) -> Step:
    def step(policy, reference, optimizer, batch, beta):
        loss = _loss(policy, reference, batch, beta)
        optimizer.zero_grad()
        loss.backward()
        clip(policy.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return step


def _by_hand(policy, reference, optimizer, batch, beta):
    loss = _loss(policy, reference, batch, beta)
    policy.zero_grad()
    loss.backward()
    torch.optim.SGD(policy.parameters(), lr=optimizer.param_groups[0]["lr"]).step()
    return loss.item()


def _one_mask(side: str) -> Step:
    """One side's mask for both, cut or filled with zeros to the other's length."""

    def step(policy, reference, optimizer, batch, beta):
        masks = {}
        for other in SIDES:
            length = batch[other].shape[1]
            mask = batch[f"{side}_mask"][:, :length]
            masks[f"{other}_mask"] = F.pad(mask, (0, length - mask.shape[1]))
        return right_step(policy, reference, optimizer, {**batch, **masks}, beta)

    return step


STEP_MISTAKES: dict[str, Step | list[Step]] = {
    "The gradients left over from before were added in. `backward()` adds to them, so clear them before it.": _zero_after,
    "The weights did not move: `optimizer.step()` is missing, or finds no gradients.": _no_step,
    "There were two optimizer steps on the same gradients. Take exactly one.": _two_steps,
    "There were two whole steps. Take exactly one.": _two_whole_steps,
    "This is the loss after the step. Keep the value from before it.": _loss_after,
    "The policy was switched to another mode. Leave it in the mode it is in.": [
        _in_mode(False, None),
        _in_mode(True, None),
    ],
    "The reference was switched to another mode. Leave it in the mode it is in.": [
        _in_mode(None, True),
        _in_mode(None, False),
    ],
    "Both models were switched to another mode. Leave them in the mode they are in.": [
        _in_mode(True, False),
        _in_mode(False, False),
    ],
    "The policy was taken as its own reference: every margin is 0, and the loss is ln 2.": _own_reference,
    "Policy and reference are swapped.": _roles_swapped,
    "A gradient reached the reference: call it under `torch.no_grad()`, or detach its numbers.": _gradients_in_the_reference,
    "The gradients were clipped. This exercise asks for a plain step.": [
        _clipped(torch.nn.utils.clip_grad_norm_),
        _clipped(torch.nn.utils.clip_grad_value_),
    ],
    "The step was taken by hand, or by a new optimizer. The one that is given has a state: call its `step()`.": _by_hand,
    "The two texts are swapped: this pushes the rejected one up.": _loss_with(
        lambda a, b, c, d, beta: dpo_loss(b, a, d, c, beta)
    ),
    "The reference is not used. It is the change against the reference that counts.": _loss_with(
        lambda a, b, c, d, beta: dpo_loss(a, b, 0 * c, 0 * d, beta)
    ),
    "beta is missing.": _loss_with(lambda a, b, c, d, beta: dpo_loss(a, b, c, d, 1.0)),
    "beta is a constant here. Use the one that is passed in.": [
        _loss_with(lambda a, b, c, d, beta, k=k: dpo_loss(a, b, c, d, k)) for k in (0.1, 0.5)
    ],
    "This sums over the batch. The loss is the mean.": _loss_with(
        lambda a, b, c, d, beta: dpo_loss(a, b, c, d, beta) * len(a)
    ),
    "The sign is wrong, so the step goes uphill: a loss is minimised.": _loss_with(
        lambda a, b, c, d, beta: -dpo_loss(a, b, c, d, beta)
    ),
    "Each text's log-probability is its mean over tokens here. It is the sum.": _scored_by(
        scored_with(reduce=lambda x, m: (x * m).sum(1) / m.sum(1))
    ),
    "The mask is not used: prompt and padding count too.": _scored_by(
        scored_with(reduce=lambda x, m: x.sum(1))
    ),
    "The mask is not shifted along with the tokens.": _scored_by(scored_with(mask_shift=0)),
    "One side's mask was used for both.": [_one_mask("preferred"), _one_mask("rejected")],
    "No gradient reaches the preferred texts: something detached them.": _loss_with(
        lambda a, b, c, d, beta: dpo_loss(a.detach(), b, c, d, beta)
    ),
    "No gradient reaches the rejected texts: something detached them.": _loss_with(
        lambda a, b, c, d, beta: dpo_loss(a, b.detach(), c, d, beta)
    ),
}
