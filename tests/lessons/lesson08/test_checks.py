"""The checks of lesson 8 accept every legitimate way to write an answer, and name the usual mistakes."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from reward_lab import rlhf
from reward_lab.lessons.lesson08 import checks as lesson08
from reward_lab.lessons.lesson08.checks.dpo import DPO_MISTAKES
from reward_lab.lessons.lesson08.checks.implicit import REWARD_MISTAKES
from reward_lab.lessons.lesson08.checks.ipo import IPO_MISTAKES
from reward_lab.lessons.lesson08.checks.mended import MENDED_MISTAKES
from reward_lab.lessons.lesson08.checks.step_mistakes import STEP_MISTAKES
from reward_lab.lessons.lesson08.checks.texts import TEXT_MISTAKES
from tests.lessons.answers import known, reports_of

report_on = reports_of(lesson08)
NUM_SEEDS = 4


# Legitimate answers


def reward_in_numpy(policy, reference, beta):
    p, q = policy.cpu().numpy(), reference.cpu().numpy()
    reward = beta * np.log(p) - beta * np.log(q)
    return torch.from_numpy(reward - np.dot(q, reward)).to(policy.device)


def reward_one_by_one(policy, reference, beta):
    logs = [math.log(p) - math.log(q) for p, q in zip(policy.tolist(), reference.tolist(), strict=True)]
    mean = math.fsum(q * x for q, x in zip(reference.tolist(), logs, strict=True))
    return torch.tensor([beta * (x - mean) for x in logs], dtype=torch.float64, device=policy.device)


def texts_one_by_one(logits, token_ids, mask):
    """Python loops over texts and places."""
    sums = []
    for row, ids, counts in zip(logits, token_ids, mask, strict=True):
        total = row.sum() * 0
        for place in range(1, len(ids)):
            if counts[place]:
                total = total + row[place - 1].log_softmax(-1)[ids[place]]
        sums.append(total)
    return torch.stack(sums)


def texts_by_cross_entropy(logits, token_ids, mask):
    """As Hugging Face's models do it: labels of -100 are left out."""
    labels = token_ids[:, 1:].masked_fill(mask[:, 1:] == 0, -100)
    losses = F.cross_entropy(logits[:, :-1].transpose(1, 2), labels, reduction="none", ignore_index=-100)
    return -losses.sum(dim=-1)


def texts_by_logsumexp(logits, token_ids, mask):
    """As TRL's `selective_log_softmax` does it: the picked logit minus the log of the sum."""
    labels = token_ids[:, 1:].clone()
    keep = mask[:, 1:] != 0
    labels[~keep] = 0
    picked = torch.gather(logits[:, :-1], 2, labels[..., None])[..., 0]
    per_token = picked - torch.logsumexp(logits[:, :-1], dim=-1)
    return (per_token * keep).sum(-1)


def texts_by_one_hot(logits, token_ids, mask):
    vocab = logits.shape[-1]
    keep = mask[:, 1:].to(logits.dtype)
    hot = F.one_hot(token_ids[:, 1:].clamp(0, vocab - 1), vocab).to(logits.dtype)
    return torch.einsum("bsv,bsv,bs->b", logits.log_softmax(2)[:, :-1], hot, keep)


def texts_with_where(logits, token_ids, mask):
    counts = mask.bool()
    counts = torch.cat([torch.zeros_like(counts[:, :1]), counts[:, 1:]], dim=1)
    targets = torch.where(counts, token_ids, 0)
    log_probs = F.log_softmax(logits, dim=-1).roll(1, dims=1)
    batch, place = torch.meshgrid(
        *(torch.arange(n, device=logits.device) for n in counts.shape), indexing="ij"
    )
    picked = log_probs[batch, place, targets]
    return torch.where(counts, picked, torch.zeros_like(picked)).sum(dim=1)


def dpo_by_softplus(pc, pr, rc, rr, beta, smoothing=0.0):
    """With softplus, log-ratio by log-ratio."""
    h = (pc - rc.detach()) - (pr - rr.detach())
    return ((1 - smoothing) * F.softplus(-beta * h) + smoothing * F.softplus(beta * h)).mean()


def dpo_by_cross_entropy(pc, pr, rc, rr, beta, smoothing=0.0):
    """As a classifier's loss: the label is 1 - smoothing."""
    with torch.no_grad():
        shift = rc - rr
    x = beta * (pc - pr - shift)
    return F.binary_cross_entropy_with_logits(x, torch.full_like(x, 1 - smoothing))


def dpo_one_by_one(pc, pr, rc, rr, beta, smoothing=0.0):
    losses = []
    for a, b, c, d in zip(pc, pr, rc.tolist(), rr.tolist(), strict=True):
        x = beta * ((a - c) - (b - d))
        losses.append(-F.logsigmoid(x) + smoothing * x)  # log sigmoid(-x) = log sigmoid(x) - x
    return torch.stack(losses).mean()


def dpo_by_logaddexp(pc, pr, rc, rr, beta, smoothing=0.0):
    chosen, rejected = beta * (pc - rc.detach()), beta * (pr - rr.detach())
    both = torch.logaddexp(chosen, rejected)
    return -((1 - smoothing) * (chosen - both) + smoothing * (rejected - both)).sum() / len(pc)


def dpo_by_softmax(pc, pr, rc, rr, beta, smoothing=0.0):
    scores = torch.stack([pc - rc.detach(), pr - rr.detach()], dim=-1) * beta
    labels = torch.zeros(len(pc), dtype=torch.int64, device=pc.device)
    both = scores.log_softmax(-1)
    return (1 - smoothing) * F.nll_loss(both, labels) + smoothing * F.nll_loss(both, 1 - labels)


def ipo_by_mse(pc, pr, rc, rr, tau):
    h = (pc - rc.detach()) - (pr - rr.detach())
    return F.mse_loss(h, torch.full_like(h, 0.5 / tau))


def ipo_one_by_one(pc, pr, rc, rr, tau):
    rows = zip(pc, pr, rc.tolist(), rr.tolist(), strict=True)
    return sum((a - b - (c - d) - 1 / (2 * tau)) ** 2 for a, b, c, d in rows) / len(pc)


def ipo_by_norm(pc, pr, rc, rr, tau):
    goal = (rc - rr).detach() + 1 / (2 * tau)
    return torch.linalg.vector_norm(pc - pr - goal) ** 2 / pc.numel()


def ipo_multiplied_out(pc, pr, rc, rr, tau):
    h = (pc - pr) - (rc - rr).detach()
    return (h * h - h / tau).mean() + 1 / (4 * tau * tau)


def step_with_own_parts(policy, reference, optimizer, batch, beta):
    """Nothing of the package: cross-entropy and softplus."""

    def asked(model, side):
        return texts_by_cross_entropy(model(batch[side]), batch[side], batch[side + "_mask"])

    with torch.inference_mode():
        c, d = asked(reference, "preferred").clone(), asked(reference, "rejected").clone()
    c, d = c.tolist(), d.tolist()
    a, b = asked(policy, "preferred"), asked(policy, "rejected")
    loss = F.softplus(-beta * ((a - b) - (a.new_tensor(c) - a.new_tensor(d)))).mean()
    optimizer.zero_grad(set_to_none=False)
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def step_with_one_forward(policy, reference, optimizer, batch, beta):
    """Both sides in one batch, padded, as TRL's trainers do."""
    seq = max(batch["preferred"].shape[1], batch["rejected"].shape[1])
    ids, mask = (
        torch.cat([F.pad(batch[s + end], (0, seq - batch[s].shape[1])) for s in ("preferred", "rejected")])
        for end in ("", "_mask")
    )
    a, b = rlhf.sequence_log_probs(policy(ids), ids, mask).chunk(2)
    with torch.no_grad():
        c, d = rlhf.sequence_log_probs(reference(ids), ids, mask).chunk(2)
    loss = rlhf.dpo_loss(a, b, c, d, beta)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def step_that_detaches(policy, reference, optimizer, batch, beta):
    """The reference is asked with gradients recorded; they are cut off afterwards."""
    a, b, c, d = (
        rlhf.sequence_log_probs(model(batch[side]), batch[side], batch[f"{side}_mask"])
        for model in (policy, reference)
        for side in ("preferred", "rejected")
    )
    loss = rlhf.dpo_loss(a, b, c.detach(), d.detach(), beta)
    policy.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def step_by_grad(policy, reference, optimizer, batch, beta):
    """torch.autograd.grad, and the gradients put in by hand."""
    with torch.no_grad():
        c, d = (
            texts_by_logsumexp(reference(batch[s]), batch[s], batch[s + "_mask"])
            for s in ("preferred", "rejected")
        )
    a, b = (
        texts_by_logsumexp(policy(batch[s]), batch[s], batch[s + "_mask"]) for s in ("preferred", "rejected")
    )
    loss = dpo_by_logaddexp(a, b, c, d, beta)
    parameters = list(policy.parameters())
    for parameter, gradient in zip(
        parameters, torch.autograd.grad(loss, parameters, allow_unused=True), strict=True
    ):
        parameter.grad = gradient
    optimizer.step()
    return loss.item()


def step_half_by_half(policy, reference, optimizer, batch, beta):
    """Gradients of both halves of the batch accumulated, weighted with their sizes."""
    optimizer.zero_grad()
    n, total = len(batch["preferred"]), 0.0
    for rows in torch.arange(n).chunk(2):
        part = {key: value[rows.to(value.device)] for key, value in batch.items()}
        sides = [(part[s], part[s + "_mask"]) for s in ("preferred", "rejected")]
        with torch.no_grad():
            c, d = (rlhf.sequence_log_probs(reference(ids), ids, m) for ids, m in sides)
        a, b = (rlhf.sequence_log_probs(policy(ids), ids, m) for ids, m in sides)
        loss = rlhf.dpo_loss(a, b, c, d, beta) * len(rows) / n
        loss.backward()
        total += loss.item()
    optimizer.step()
    return total


def mended_one_by_one(policy_words, reference_words, mask, beta):
    losses = []
    for pair in range(policy_words.shape[1]):
        ratios = [
            sum(
                policy_words[side, pair, t] - reference_words[side, pair, t].item()
                for t in range(mask.shape[2])
                if mask[side, pair, t]
            )
            for side in (0, 1)
        ]
        losses.append(-F.logsigmoid(beta * (ratios[0] - ratios[1])))
    return torch.stack(losses).mean()


def mended_from_the_mean(policy_words, reference_words, mask, beta):
    """Each text's mean, times its own length."""
    length = mask.sum(-1)
    policy, reference = (
        (w * mask).sum(-1) / length * length for w in (policy_words, reference_words.detach())
    )
    return rlhf.dpo_loss(*policy, *reference, beta)


def mended_by_ratios(policy_words, reference_words, mask, beta):
    ratio = ((policy_words - reference_words.detach()) * mask).sum(dim=2)
    return F.softplus(-beta * (ratio[0] - ratio[1])).mean()


def mended_by_einsum(policy_words, reference_words, mask, beta):
    sign = torch.tensor([1.0, -1.0], dtype=mask.dtype, device=mask.device)
    h = torch.einsum("sbt,sbt,s->b", policy_words - reference_words.detach(), mask, sign)
    return -F.logsigmoid(beta * h).mean()


def mended_with_where(policy_words, reference_words, mask, beta):
    (a, b), (c, d) = (
        torch.where(mask.bool(), w, 0).sum(-1).unbind() for w in (policy_words, reference_words)
    )
    return dpo_by_softmax(a, b, c, d, beta)


LEGITIMATE = [
    pytest.param("implicit_reward", rlhf.implicit_reward, id="reward-package"),
    pytest.param("implicit_reward", reward_in_numpy, id="reward-numpy"),
    pytest.param("implicit_reward", reward_one_by_one, id="reward-one-by-one"),
    pytest.param(
        "implicit_reward",
        lambda p, q, b: b * ((p / q).log() - torch.dot(q, (p / q).log())),
        id="reward-log-of-ratio",
    ),
    pytest.param(
        "implicit_reward",
        lambda p, q, b: b * (p.log() - q.log()) + b * torch.sum(q * (q.log() - p.log())),
        id="reward-plus-kl",
    ),
    pytest.param("sequence_log_probs", rlhf.sequence_log_probs, id="texts-package"),
    pytest.param("sequence_log_probs", texts_one_by_one, id="texts-one-by-one"),
    pytest.param("sequence_log_probs", texts_by_cross_entropy, id="texts-cross-entropy"),
    pytest.param("sequence_log_probs", texts_by_logsumexp, id="texts-logsumexp"),
    pytest.param("sequence_log_probs", texts_by_one_hot, id="texts-one-hot"),
    pytest.param("sequence_log_probs", texts_with_where, id="texts-where"),
    pytest.param("dpo_loss", rlhf.dpo_loss, id="dpo-package"),
    pytest.param("dpo_loss", dpo_by_softplus, id="dpo-softplus"),
    pytest.param("dpo_loss", dpo_by_cross_entropy, id="dpo-cross-entropy"),
    pytest.param("dpo_loss", dpo_one_by_one, id="dpo-one-by-one"),
    pytest.param("dpo_loss", dpo_by_logaddexp, id="dpo-logaddexp"),
    pytest.param("dpo_loss", dpo_by_softmax, id="dpo-softmax"),
    pytest.param("ipo_loss", rlhf.ipo_loss, id="ipo-package"),
    pytest.param("ipo_loss", ipo_by_mse, id="ipo-mse"),
    pytest.param("ipo_loss", ipo_one_by_one, id="ipo-one-by-one"),
    pytest.param("ipo_loss", ipo_by_norm, id="ipo-norm"),
    pytest.param("ipo_loss", ipo_multiplied_out, id="ipo-multiplied-out"),
    pytest.param("dpo_step", rlhf.dpo_step, id="step-package"),
    pytest.param("dpo_step", step_with_own_parts, id="step-own-parts"),
    pytest.param("dpo_step", step_with_one_forward, id="step-one-forward"),
    pytest.param("dpo_step", step_that_detaches, id="step-detaches"),
    pytest.param("dpo_step", step_by_grad, id="step-by-grad"),
    pytest.param("dpo_step", step_half_by_half, id="step-half-by-half"),
    pytest.param("mended_loss", mended_one_by_one, id="mended-one-by-one"),
    pytest.param("mended_loss", mended_from_the_mean, id="mended-mean-times-length"),
    pytest.param("mended_loss", mended_by_ratios, id="mended-ratios"),
    pytest.param("mended_loss", mended_by_einsum, id="mended-einsum"),
    pytest.param("mended_loss", mended_with_where, id="mended-where"),
]

KNOWN = known(
    {
        "implicit_reward": REWARD_MISTAKES,
        "sequence_log_probs": TEXT_MISTAKES,
        "dpo_loss": DPO_MISTAKES,
        "ipo_loss": IPO_MISTAKES,
        "dpo_step": STEP_MISTAKES,
        "mended_loss": MENDED_MISTAKES,
    }
)


# As students write them


def texts_gathering_minus_100(logits, token_ids, mask):
    picked = logits.log_softmax(-1)[:, :-1].gather(-1, token_ids[:, 1:, None])[..., 0]
    return (picked * mask[:, 1:]).sum(1)


def texts_filling_in_place(logits, token_ids, mask):
    token_ids[mask == 0] = 0
    return rlhf.sequence_log_probs(logits, token_ids, mask)


def step_without_item(policy, reference, optimizer, batch, beta):
    rlhf.dpo_step(policy, reference, optimizer, batch, beta)


def step_on_the_first_text(policy, reference, optimizer, batch, beta):
    return rlhf.dpo_step(policy, reference, optimizer, {key: x[:1] for key, x in batch.items()}, beta)


def step_that_trains_the_reference(policy, reference, optimizer, batch, beta):
    loss = rlhf.dpo_step(policy, reference, optimizer, batch, beta)
    reference.load_state_dict(policy.state_dict())
    return loss


def step_that_freezes_the_reference(policy, reference, optimizer, batch, beta):
    loss = rlhf.dpo_step(policy, reference, optimizer, batch, beta)
    reference.zero_grad()
    return loss


def step_with_weight_decay(policy, reference, optimizer, batch, beta):
    optimizer.param_groups[0]["weight_decay"] = 0.1
    return rlhf.dpo_step(policy, reference, optimizer, batch, beta)


def step_written_into_the_batch(policy, reference, optimizer, batch, beta):
    batch["preferred"][batch["preferred_mask"] == 0] = 0
    return rlhf.dpo_step(policy, reference, optimizer, batch, beta)


def dpo_naive(pc, pr, rc, rr, beta, smoothing=0.0):
    return torch.log(1 + torch.exp(-beta * ((pc - pr) - (rc - rr).detach()))).mean()


def dpo_clamped(pc, pr, rc, rr, beta, smoothing=0.0):
    x = (beta * ((pc - pr) - (rc - rr).detach())).clamp(-20, 20)
    return (-(1 - smoothing) * F.logsigmoid(x) - smoothing * F.logsigmoid(-x)).mean()


MISTAKES = {
    "reward: nothing returned": ("implicit_reward", lambda p, q, b: None, "is a `return` missing?"),
    "reward: one number": ("implicit_reward", lambda p, q, b: rlhf.implicit_reward(p, q, b).sum(), "of shape (3,)"),
    "reward: half precision in between": (
        "implicit_reward", lambda p, q, b: rlhf.implicit_reward(p.half(), q.half(), b).double(), "some cases fail"),
    "reward: softmax undone": (
        "implicit_reward", lambda p, q, b: b * (p.log_softmax(0) - q.log_softmax(0)), "expected the reward"),
    "reward: in place": (
        "implicit_reward", lambda p, q, b: p.log_().sub_(q.log()).mul_(b), "writes into one of its inputs"),
    "texts: nothing returned": ("sequence_log_probs", lambda x, t, m: None, "is a `return` missing?"),
    "texts: -100 looked up": ("sequence_log_probs", texts_gathering_minus_100, "index -100"),
    "texts: in place": ("sequence_log_probs", texts_filling_in_place, "writes into one of its inputs"),
    "texts: one a token": (
        "sequence_log_probs",
        lambda x, t, m: x.log_softmax(-1)[:, :-1].gather(-1, t[:, 1:, None].clamp(min=0))[..., 0],
        "One number a text is asked for"),
    "texts: no gradient": (
        "sequence_log_probs", lambda x, t, m: rlhf.sequence_log_probs(x.detach(), t, m), "Something detached it"),
    "texts: float masks alone": (
        "sequence_log_probs",
        lambda x, t, m: (x.log_softmax(-1)[:, :-1].gather(-1, t[:, 1:, None].clamp(min=0))[..., 0] * m[:, :-1]).sum(1),
        "The mask is not shifted"),
    "dpo: nothing returned": ("dpo_loss", lambda *x: None, "is a `return` missing?"),
    "dpo: one a pair": (
        "dpo_loss", lambda a, b, c, d, beta, s=0.0: F.softplus(-beta * (a - b - c + d)), "take the mean over the pairs"),
    "dpo: item": ("dpo_loss", lambda *x: rlhf.dpo_loss(*x).item(), "return the tensor, without .item()"),
    "dpo: no smoothing": ("dpo_loss", lambda a, b, c, d, beta: rlhf.dpo_loss(a, b, c, d, beta), "TypeError"),
    "dpo: overflow": ("dpo_loss", dpo_naive, "got inf"),
    "dpo: margins clamped": ("dpo_loss", dpo_clamped, "levels off"),
    "ipo: nothing returned": ("ipo_loss", lambda *x: None, "is a `return` missing?"),
    "ipo: one a pair": (
        "ipo_loss", lambda a, b, c, d, tau: (a - b - c + d - 0.5 / tau) ** 2, "take the mean over the pairs"),
    "ipo: item": ("ipo_loss", lambda *x: rlhf.ipo_loss(*x).item(), "return the tensor, without .item()"),
    "step: nothing returned": ("dpo_step", step_without_item, "is a `return` missing?"),
    "step: one pair of the batch": ("dpo_step", step_on_the_first_text, "some cases fail"),
    "step: the reference follows": ("dpo_step", step_that_trains_the_reference, "The reference was changed"),
    "step: the reference's gradients cleared": (
        "dpo_step", step_that_freezes_the_reference, "A gradient reached the reference"),
    "step: weight decay": ("dpo_step", step_with_weight_decay, "The loss is right"),
    "step: in place": ("dpo_step", step_written_into_the_batch, "writes into one of its inputs"),
    "mended: nothing returned": ("mended_loss", lambda *x: None, "is a `return` missing?"),
    "mended: one a pair": (
        "mended_loss", lambda p, r, m, beta: F.softplus(beta * ((p - r) * m).sum(-1).diff(dim=0)[0]), "over the pairs"),
    "mended: item": ("mended_loss", lambda *x: mended_by_ratios(*x).item(), "return the tensor, without .item()"),
    "mended: hard-coded": (
        "mended_loss", lambda p, r, m, beta: 0 * p.sum() + 0.1269, "some cases fail"),
}  # fmt: skip

_NUMBERS = r"\.(detach|float)\(\)"
EQUIVALENT = {
    "implicit_reward": {
        r"-> .*(policy|reference|reward)"
        + _NUMBERS: "no gradients are asked for; float32 loses less than is looked at",
        r"-> .*(policy|reference)\.clamp": "probabilities are between 0 and 1",
    },
    "sequence_log_probs": {
        r"-> .*(mask|counts|targets|token_ids)" + _NUMBERS: "these are whole numbers, without gradients",
        r"-> .*(logits|log_probs|picked)\.float": "float32 loses less than is looked at",
        r"-> .*mask\.clamp": "a mask is 0 or 1",
        r"masked_fill\(~counts, 1\)": "what is picked there is masked afterwards",
        r"-> log_probs = logits\[:, :\]": "gather leaves out what it has no target for",
    },
    "dpo_loss": {
        r"-> .*reference(_preferred|_rejected)?" + _NUMBERS: "the reference is detached in any case",
        r"-> .*(policy_preferred|policy_rejected|h|won|lost)\.float": "float32 loses less than is looked at",
    },
    "ipo_loss": {
        r"-> .*reference(_preferred|_rejected)?" + _NUMBERS: "the reference is detached in any case",
        r"-> .*(policy_preferred|policy_rejected|h)\.float": "float32 loses less than is looked at",
    },
    "dpo_step": {
        r"-> with torch.enable_grad": "the loss detaches the reference in any case",
        r"-> .*(policy|model|reference|loss)" + _NUMBERS: "all is float32, and one number is returned",
        r"-> .*(ids|mask)" + _NUMBERS: "these are whole numbers, without gradients",
        r"-> .*mask\.clamp": "a mask is 0 or 1",
    },
    "mended_loss": {
        r"-> .*(policy_words|reference_words|policy|mask)\.float": "float32 loses less than is looked at",
        r"-> .*(reference_words|reference|mask)" + _NUMBERS: "the loss detaches the reference in any case",
        r"-> .*mask\.clamp": "a mask is 0 or 1",
    },
}


def test_every_exercise_has_at_least_five_legitimate_answers_and_ten_named_mistakes():
    for name in lesson08.__all__:
        assert sum(row.values[0] == name for row in LEGITIMATE) >= 5
        assert len({row.values[1] for row in KNOWN if row.values[0] == name}) >= 10


def test_half_right_answers_get_part_of_the_points():
    by_case = {
        "implicit_reward": (
            REWARD_MISTAKES[next(m for m in REWARD_MISTAKES if "A small number inside" in m)][-1],
            0.75,
        ),
        "sequence_log_probs": (texts_gathering_minus_100, 1.5),
        "dpo_loss": (dpo_naive, 0.5),
        "dpo_step": (
            STEP_MISTAKES[next(m for m in STEP_MISTAKES if "left over from before were added" in m)],
            1.5,
        ),
        "mended_loss": (MENDED_MISTAKES[next(m for m in MENDED_MISTAKES if "mean times 6" in m)][0], 0.5),
        "ipo_loss": (
            IPO_MISTAKES[
                "Gradients flow into the reference's log-probabilities. They are numbers here: detach them."
            ],
            0.75,
        ),
    }
    for name, (answer, points) in by_case.items():
        report = report_on(name, answer, "secret")
        assert report.score == points, str(report)


def test_the_hand_worked_numbers_of_the_lesson_hold():
    reference = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    best = rlhf.kl_optimal_policy(torch.arange(3.0, dtype=torch.float64), reference, 1.0)
    assert best.tolist() == pytest.approx([0.1790, 0.2919, 0.5291], abs=5e-5)
    logs = (best / reference).log()
    assert (best / reference).tolist() == pytest.approx([0.358, 0.973, 2.645], abs=5e-4)
    assert logs.tolist() == pytest.approx([-1.027, -0.027, 0.973], abs=5e-4)
    assert (reference * logs).sum().item() == pytest.approx(-0.327, abs=5e-4)
    assert rlhf.implicit_reward(best, reference, 1.0).tolist() == pytest.approx([-0.7, 0.3, 1.3], abs=1e-9)
    ids, mask = torch.tensor([[1, 3, 0]]), torch.tensor([[0, 1, 1]])
    tilted = 2.0 * F.one_hot(torch.tensor([[3, 0, 2]]), 4).float()
    found = [rlhf.sequence_log_probs(x, ids, mask).item() for x in (torch.zeros(1, 3, 4), tilted)]
    assert found == pytest.approx([-2.7726, -0.6815], abs=5e-5)
    pairs = torch.tensor([[-5.0, -9.0], [-7.0, -10.0], [-6.0, -8.0], [-6.5, -8.5]])
    first, second = pairs[:, :1], pairs[:, 1:]
    assert rlhf.dpo_loss(*first, 0.4).item() == pytest.approx(0.4375, abs=5e-5)
    assert rlhf.dpo_loss(*first, 0.4, 0.1).item() == pytest.approx(0.4975, abs=5e-5)
    assert rlhf.dpo_loss(*second, 0.4).item() == pytest.approx(0.5981, abs=5e-5)
    assert rlhf.dpo_loss(*pairs, 0.4).item() == pytest.approx(0.5178, abs=5e-5)
    assert [rlhf.ipo_loss(*x, 0.4).item() for x in (first, second, pairs)] == pytest.approx(
        [0.0625, 0.5625, 0.3125], abs=1e-6
    )
    policy = torch.tensor([[[-1.0, -2.0, -1.0]], [[-2.0, -2.0, 0.0]]])
    behind = torch.tensor([[[-2.0, -2.0, -3.0]], [[-1.0, -2.0, 0.0]]])
    counts = torch.tensor([[[1.0, 1.0, 1.0]], [[1.0, 1.0, 0.0]]])
    assert mended_by_ratios(policy, behind, counts, 0.5).item() == pytest.approx(0.1269, abs=5e-5)
    from reward_lab.lessons.lesson08.experiments import colleagues_loss

    assert colleagues_loss(policy, behind, counts, 0.5).item() == pytest.approx(0.3869, abs=5e-5)


def test_the_quiz_is_right():
    """A first loss is ln 2 for DPO and 1 for IPO at tau 0.5; so is every loss of DPO with beta 0."""
    same = [torch.tensor([-3.0, -4.0]), torch.tensor([-5.0, -6.0])] * 2
    assert rlhf.dpo_loss(*same, 0.7).item() == pytest.approx(math.log(2))
    assert rlhf.ipo_loss(*same, 0.5).item() == pytest.approx(1.0)
    assert rlhf.dpo_loss(*torch.randn(4, 5), 0.0).item() == pytest.approx(math.log(2))
    assert math.log(0.8 / 0.2) / 0.5 == pytest.approx(2.773, abs=5e-4)
    assert pytest.approx(0.6) == (2 * 0.8 - 1) / (2 * 0.5)
