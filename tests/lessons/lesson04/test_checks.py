"""The checks of lesson 4 accept every legitimate way to write an answer, and name the usual mistakes."""

import copy
import statistics

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reward_lab import language
from reward_lab.lessons.lesson04 import checks as lesson04
from reward_lab.lessons.lesson04.checks.efficiency import RESULT_MISTAKES
from reward_lab.lessons.lesson04.checks.language import LOSS_MISTAKES
from reward_lab.lessons.lesson04.checks.pool import POOL_MISTAKES
from reward_lab.lessons.lesson04.checks.reward import POOLINGS, Batch
from tests.lessons.answers import known, reports_of

LESSON = "04_pretrained_backbone"

report_on = reports_of(lesson04)


# Legitimate answers


def pool_row_by_row(hidden, attention_mask):
    return torch.stack([row[mask.nonzero()[-1, 0]] for row, mask in zip(hidden, attention_mask, strict=True)])


def pool_by_flipping(hidden, attention_mask):
    last = attention_mask.shape[1] - 1 - attention_mask.flip(1).argmax(dim=1)
    index = last.view(-1, 1, 1).expand(-1, 1, hidden.shape[-1])
    return hidden.gather(1, index).squeeze(1)


def pool_by_the_side_of_the_padding(hidden, attention_mask):
    if attention_mask[:, -1].all():
        return hidden[:, -1]
    return hidden[torch.arange(hidden.shape[0], device=hidden.device), attention_mask.sum(dim=1) - 1]


def pool_by_one_hot(hidden, attention_mask):
    last = (attention_mask.cumsum(dim=1) * attention_mask).argmax(dim=1)
    return torch.einsum("bt,btd->bd", F.one_hot(last, hidden.shape[1]).to(hidden.dtype), hidden)


def pool_by_take_along_dim(hidden, attention_mask):
    last = torch.where(attention_mask.bool(), torch.arange(hidden.shape[1], device=hidden.device), -1).amax(
        dim=1
    )
    return torch.take_along_dim(hidden, last[:, None, None], dim=1)[:, 0]


def pool_by_masked_choice(hidden, attention_mask):
    following = F.pad(attention_mask, (0, 1))[:, 1:]
    return hidden[(attention_mask == 1) & (following == 0)]


def pool_by_sorting(hidden, attention_mask):
    order = attention_mask.argsort(dim=1, stable=True)  # padding first, real tokens in their order
    return hidden[torch.arange(len(hidden), device=hidden.device), order[:, -1]]


POOLS = [
    pool_row_by_row, pool_by_flipping, pool_by_the_side_of_the_padding, pool_by_take_along_dim,
    pool_by_masked_choice, pool_by_sorting, language.last_token_pool
]  # fmt: skip


def loss_with_ignored_targets(logits, token_ids, attention_mask):
    targets = token_ids[:, 1:].masked_fill(attention_mask[:, 1:] == 0, -100)
    return F.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]), targets.reshape(-1))


def loss_with_gather(logits, token_ids, attention_mask):
    log_probs = logits[:, :-1].log_softmax(dim=-1).gather(2, token_ids[:, 1:, None])[..., 0]
    return -(log_probs * attention_mask[:, 1:]).sum() / attention_mask[:, 1:].sum()


def loss_with_logsumexp(logits, token_ids, attention_mask):
    logits = logits[:, :-1]
    chosen = logits.gather(2, token_ids[:, 1:].unsqueeze(-1)).squeeze(-1)
    costs = torch.logsumexp(logits, dim=-1) - chosen
    return costs[attention_mask[:, 1:].bool()].mean()


def loss_text_by_text(logits, token_ids, attention_mask):
    total, count = 0.0, 0
    for row, ids, mask in zip(logits, token_ids, attention_mask, strict=True):
        n = int(mask.sum())
        total = total + F.cross_entropy(row[: n - 1], ids[1:n], reduction="sum")
        count += n - 1
    return total / count


def loss_in_float64(logits, token_ids, attention_mask):
    costs = F.cross_entropy(logits.double()[:, :-1].transpose(1, 2), token_ids[:, 1:], reduction="none")
    return (costs * attention_mask[:, 1:]).sum().div(attention_mask[:, 1:].sum()).float()


def loss_with_nll(logits, token_ids, attention_mask):
    real = attention_mask[:, 1:] == 1
    return F.nll_loss(F.log_softmax(logits[:, :-1], dim=2)[real], token_ids[:, 1:][real])


def loss_with_weights(logits, token_ids, attention_mask):
    costs = F.cross_entropy(logits[:, :-1].flatten(0, 1), token_ids[:, 1:].flatten(), reduction="none")
    weights = attention_mask[:, 1:].flatten().to(costs.dtype)
    return torch.dot(costs, weights / weights.sum())


def loss_with_categorical(logits, token_ids, attention_mask):
    log_probs = torch.distributions.Categorical(logits=logits[:, :-1]).log_prob(token_ids[:, 1:])
    return -log_probs.masked_select(attention_mask[:, 1:].bool()).mean()


LOSSES = [
    loss_with_nll, loss_with_weights, loss_with_categorical,
    loss_with_ignored_targets, loss_with_gather, loss_with_logsumexp, loss_text_by_text, loss_in_float64,
    language.next_token_loss,
]  # fmt: skip


class Right(nn.Module):
    """Right but for what a subclass changes."""

    def __init__(self, backbone, freeze):
        super().__init__()
        self.backbone = backbone
        self.reward_head = self.make_head(backbone.hidden_dim)
        self.freeze(freeze)

    def make_head(self, dim):
        return nn.Linear(dim, 1)

    def freeze(self, freeze):
        for parameter in self.backbone.parameters():
            parameter.requires_grad = not freeze

    def pool(self, token_ids, attention_mask):
        return language.last_token_pool(self.backbone(token_ids, attention_mask), attention_mask)

    def forward(self, token_ids, attention_mask):
        return self.reward_head(self.pool(token_ids, attention_mask)).squeeze(-1)


class NoBias(Right):
    def make_head(self, dim):
        return nn.Linear(dim, 1, bias=False)


class StartsFromZeros(Right):
    def make_head(self, dim):
        head = nn.Linear(dim, 1)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        return head


class FreezesInForward(Right):
    def freeze(self, freeze):
        self.frozen = freeze

    def pool(self, token_ids, attention_mask):
        with torch.set_grad_enabled(not self.frozen):
            return super().pool(token_ids, attention_mask)


class DetachesWhenFrozen(FreezesInForward):
    def pool(self, token_ids, attention_mask):
        pooled = Right.pool(self, token_ids, attention_mask)
        return pooled.detach() if self.frozen else pooled


class OwnWeights(Right):
    def make_head(self, dim):
        self.weight, self.bias = nn.Parameter(torch.randn(dim) * 0.02), nn.Parameter(torch.zeros(()))

    def forward(self, token_ids, attention_mask):
        return (self.pool(token_ids, attention_mask) * self.weight).sum(dim=-1) + self.bias


class ScoresEveryToken(Right):
    def forward(self, token_ids, attention_mask):
        scores = self.reward_head(self.backbone(token_ids, attention_mask))  # (batch, seq, 1)
        return language.last_token_pool(scores, attention_mask)[:, 0]


class FreezesInPlace(Right):
    def freeze(self, freeze):
        if freeze:
            self.backbone.requires_grad_(False).eval()


class LastLayerOfASequential(Right):
    def make_head(self, dim):
        return nn.Sequential(nn.Linear(dim, 1), nn.Flatten(0))

    def forward(self, token_ids, attention_mask):
        return self.reward_head(self.pool(token_ids, attention_mask))


class MatrixHead(Right):
    def make_head(self, dim):
        self.w = nn.Parameter(torch.randn(dim, 1))

    def forward(self, token_ids, attention_mask):
        return (self.pool(token_ids, attention_mask) @ self.w).flatten()


MODULES = [
    FreezesInPlace, LastLayerOfASequential, MatrixHead,
    Right, NoBias, StartsFromZeros, FreezesInForward, DetachesWhenFrozen, OwnWeights, ScoresEveryToken,
    language.RewardFromBackbone,
]  # fmt: skip


def efficiency_with_numpy(sizes, train_fn, seeds):
    table = np.array([[train_fn(size, seed) for seed in seeds] for size in sizes])
    return {
        size: {"mean": row.mean(), "std": row.std(ddof=1) if len(row) > 1 else float("nan")}
        for size, row in zip(sizes, table, strict=True)
    }


def efficiency_with_torch(sizes, train_fn, seeds):
    result = {}
    for size in sizes:
        runs = torch.tensor([train_fn(n_pairs=size, seed=seed) for seed in seeds], dtype=torch.float64)
        result[size] = {"mean": runs.mean(), "std": runs.std(), "runs": runs}
    return result


def efficiency_seed_by_seed(sizes, train_fn, seeds):
    runs = {size: [] for size in sizes}
    for seed in seeds:
        for size in reversed(sizes):
            runs[size].append(train_fn(size, seed))
    return {
        size: dict(mean=statistics.mean(a), std=statistics.stdev(a) if len(a) > 1 else np.nan)
        for size, a in runs.items()
    }


def efficiency_by_formula(sizes, train_fn, seeds):
    result = {}
    for size in sizes:
        runs = [train_fn(size, seed) for seed in seeds]
        mean, n = sum(runs) / len(runs), len(runs)
        variance = sum((x - mean) ** 2 for x in runs) / (n - 1) if n > 1 else float("nan")
        result[size] = {"mean": mean, "std": variance**0.5}
    return result


def efficiency_in_float32(sizes, train_fn, seeds):
    runs = np.array([[train_fn(n, k) for k in seeds] for n in sizes], dtype=np.float32)
    return {
        n: {"std": np.std(a, ddof=1), "mean": np.mean(a), "n": len(a)}
        for n, a in zip(sizes, runs, strict=True)
    }


def efficiency_by_comprehension(sizes, train_fn, seeds):
    runs = {(n, k): train_fn(n, k) for k in seeds for n in sizes}
    table = {n: torch.tensor([runs[n, k] for k in seeds], dtype=torch.float64) for n in sizes}
    return {n: {"mean": a.mean().item(), "std": a.var(correction=1).sqrt().item()} for n, a in table.items()}


EFFICIENCIES = [
    efficiency_by_formula,
    efficiency_in_float32,
    efficiency_by_comprehension,
    efficiency_with_numpy,
    efficiency_with_torch,
    efficiency_seed_by_seed,
    language.data_efficiency,
]
LEGITIMATE = [
    pytest.param(name, answer, id=f"{name}-{answer.__name__}")
    for name, answers in {
        "last_token_pool": POOLS,
        "next_token_loss": LOSSES,
        "RewardFromBackbone": MODULES,
        "data_efficiency": EFFICIENCIES,
    }.items()
    for answer in answers
]


def test_an_empty_forward_is_not_yet_too():
    class Stub(nn.Module):
        def __init__(self, backbone, freeze):
            super().__init__()

        def forward(self, token_ids, attention_mask):
            raise NotImplementedError

    assert report_on("RewardFromBackbone", Stub).not_yet


# Mistakes that the checks know by name


def head_that_reads(pooling):
    def pool(self, token_ids, attention_mask):
        return pooling(self.backbone, Batch(token_ids, attention_mask))

    return type("Wrong", (Right,), {"pool": pool})


KNOWN = known(
    {
        "last_token_pool": POOL_MISTAKES,
        "next_token_loss": LOSS_MISTAKES,
        "data_efficiency": RESULT_MISTAKES,
        "RewardFromBackbone": {said: head_that_reads(pooling) for said, pooling in POOLINGS.items()},
    }
)
NUM_SEEDS = 5


# Mistakes written as students write them: (exercise, answer, what the report must say)


def module(**changes):
    return type("Wrong", (Right,), changes)


def copies(self, freeze):
    self.backbone = copy.deepcopy(self.backbone)
    Right.freeze(self, freeze)


def hides(self, freeze):
    Right.freeze(self, freeze)
    parts = [self.backbone]
    del self.backbone
    object.__setattr__(self, "hidden_part", parts)


def without_squeeze(self, token_ids, attention_mask):
    return self.reward_head(self.pool(token_ids, attention_mask))


def with_full_squeeze(self, token_ids, attention_mask):
    return without_squeeze(self, token_ids, attention_mask).squeeze()


def through_a_sigmoid(self, token_ids, attention_mask):
    return torch.sigmoid(Right.forward(self, token_ids, attention_mask))


def freezes_all(self, freeze):
    if freeze:
        self.requires_grad_(False)


def freezes_half(self, freeze):
    next(self.backbone.parameters()).requires_grad_(not freeze)


def nan_for_padding(hidden, attention_mask):
    return (hidden / attention_mask.unsqueeze(-1))[:, -1]


def changes_logits(logits, token_ids, attention_mask):
    with torch.no_grad():
        logits[attention_mask == 0] = 0.0
    return language.next_token_loss(logits, token_ids, attention_mask)


def trains_twice(sizes, train_fn, seeds):
    return {
        size: {
            "mean": statistics.mean(train_fn(size, seed) for seed in seeds),
            "std": statistics.stdev([train_fn(size, seed) for seed in seeds]) if len(seeds) > 1 else np.nan,
        }
        for size in sizes
    }


def pads_with_a_bias(self, dim):
    head = nn.Linear(dim, 1)
    self.fixed, self.shift = head.weight.detach().clone(), nn.Parameter(torch.zeros(1))
    return lambda vectors: vectors @ self.fixed.T + self.shift


def stops_gradients_by_hooks(self, freeze):
    if freeze:
        for parameter in self.backbone.parameters():
            parameter.register_hook(torch.zeros_like)


def centred(self, token_ids, attention_mask):
    rewards = Right.forward(self, token_ids, attention_mask)
    return rewards - rewards.mean()


def with_dropout(self, token_ids, attention_mask):
    return self.reward_head(F.dropout(self.pool(token_ids, attention_mask), 0.3)).squeeze(-1)


def rounded(sizes, train_fn, seeds):
    rows = language.data_efficiency(sizes, train_fn, seeds)
    return {n: {key: round(value, 4) for key, value in row.items()} for n, row in rows.items()}


def loss_with_an_epsilon(logits, token_ids, attention_mask):
    chosen = logits[:, :-1].softmax(dim=-1).gather(2, token_ids[:, 1:, None])[..., 0]
    return -(chosen + 1e-12).log()[attention_mask[:, 1:].bool()].mean()


MISTAKES = {
    "pool: a product with one-hot vectors": ("last_token_pool", pool_by_one_hot, "Padding leaks"),
    "pool: cut off, and marked": (
        "last_token_pool", lambda h, m: language.last_token_pool(h, m).detach().requires_grad_(), "gradients flow back"),
    "loss: another epsilon": ("next_token_loss", loss_with_an_epsilon, "stops growing"),
    "loss: clamped logits": (
        "next_token_loss",
        lambda lg, i, m: language.next_token_loss(lg.clamp(-50, 50), i, m), "stops growing"),
    "reward: weights that are no parameter": (
        "RewardFromBackbone", module(make_head=pads_with_a_bias), "All of the head trains"),
    "reward: two layers": (
        "RewardFromBackbone",
        module(make_head=lambda self, dim: nn.Sequential(nn.Linear(dim, dim), nn.Linear(dim, 1))), "no second layer"),
    "reward: gradients set to 0": ("RewardFromBackbone", module(freeze=stops_gradients_by_hooks), "weight decay"),
    "reward: centred": ("RewardFromBackbone", module(forward=centred), "over the batch"),
    "reward: dropout": ("RewardFromBackbone", module(forward=with_dropout), "such as dropout"),
    "efficiency: rounded": ("data_efficiency", rounded, "are rounded"),
    "pool: nothing returned": ("last_token_pool", lambda h, m: None, "is a `return` missing?"),
    "pool: one too many dimensions": (
        "last_token_pool", lambda h, m: language.last_token_pool(h, m).unsqueeze(1), "Drop the dimension"),
    "pool: every token": ("last_token_pool", lambda h, m: h, "One vector per text"),
    "pool: detached": ("last_token_pool", lambda h, m: language.last_token_pool(h, m).detach(), "gradients flow back"),
    "pool: another dtype": ("last_token_pool", lambda h, m: language.last_token_pool(h, m).half(), "Keep the dtype"),
    "pool: NaN": ("last_token_pool", nan_for_padding, "another vector"),
    "pool: vectors that are not zero": (
        "last_token_pool", lambda h, m: language.last_token_pool(h, (h != 0).any(-1)), "another vector"),
    "pool: changes its input": (
        "last_token_pool", lambda h, m: language.last_token_pool(h, m.mul_(2)), "argument 2 changed"),
    "loss: a float": ("next_token_loss", lambda lg, i, m: language.next_token_loss(lg, i, m).item(), "without .item()"),
    "loss: detached": (
        "next_token_loss", lambda lg, i, m: language.next_token_loss(lg, i, m).detach(), "gradients flow from"),
    "loss: one cost a place": (
        "next_token_loss",
        lambda lg, i, m: F.cross_entropy(lg[:, :-1].transpose(1, 2), i[:, 1:], reduction="none"),
        "Reduce over all real targets"),
    "loss: NaN": ("next_token_loss", lambda lg, i, m: lg.sum() * float("nan"), "got nan"),
    "loss: changes its input": ("next_token_loss", changes_logits, "argument 1 changed"),
    "loss: hard-coded": ("next_token_loss", lambda lg, i, m: lg.sum() * 0 + 1.0, "some cases fail"),
    "loss: right value, wrong gradient": (
        "next_token_loss",
        lambda lg, i, m: language.next_token_loss(lg, i, m).detach() + lg.sum() - lg.sum().detach(),
        "gradient"),
    "reward: (batch, 1)": ("RewardFromBackbone", module(forward=without_squeeze), ".squeeze(-1)"),
    "reward: squeeze of everything": (
        "RewardFromBackbone", module(forward=with_full_squeeze), "drops the batch dimension too"),
    "reward: sigmoid": ("RewardFromBackbone", module(forward=through_a_sigmoid), "with nothing after it"),
    "reward: freeze ignored": (
        "RewardFromBackbone", module(freeze=lambda self, freeze: None), "switch off `requires_grad`"),
    "reward: eval() in place of freezing": (
        "RewardFromBackbone",
        module(freeze=lambda self, freeze: self.backbone.eval() if freeze else None),
        "`eval()` does not"),
    "reward: always frozen": (
        "RewardFromBackbone", module(freeze=lambda self, freeze: Right.freeze(self, True)), "though `freeze` is False"),
    "reward: freeze the wrong way round": (
        "RewardFromBackbone", module(freeze=lambda self, freeze: Right.freeze(self, not freeze)), "some cases fail"),
    "reward: head frozen too": ("RewardFromBackbone", module(freeze=freezes_all), "Freeze `self.backbone` only"),
    "reward: half frozen": ("RewardFromBackbone", module(freeze=freezes_half), "Part of the backbone is frozen"),
    "reward: a copy": ("RewardFromBackbone", module(freeze=copies), "A copy of the backbone was trained"),
    "reward: backbone not registered": (
        "RewardFromBackbone",
        module(
            freeze=hides,
            pool=lambda self, i, m: language.last_token_pool(self.hidden_part[0](i, m), m)),
        "only so does `parameters()` find it"),
    "reward: no module": ("RewardFromBackbone", lambda backbone, freeze: None, "TypeError"),
    "reward: mask not passed": (
        "RewardFromBackbone", module(pool=lambda self, i, m: self.backbone(i)[:, -1]), "TypeError"),
    "reward: the same for all": (
        "RewardFromBackbone", module(forward=lambda self, i, m: self.reward_head.bias.expand(len(i))), "the same reward"),
    "efficiency: a list": ("data_efficiency", lambda s, f, seeds: [f(s[0], seeds[0])], "a dict with the keys"),
    "efficiency: text keys": (
        "data_efficiency",
        lambda s, f, seeds: {str(k): v for k, v in language.data_efficiency(s, f, seeds).items()},
        "whole numbers"),
    "efficiency: no std": (
        "data_efficiency",
        lambda s, f, seeds: {n: {"mean": np.mean([f(n, k) for k in seeds])} for n in s},
        "`mean` and `std`"),
    "efficiency: arguments swapped": (
        "data_efficiency", lambda s, f, seeds: language.data_efficiency(s, lambda n, k: f(k, n), seeds), "not asked for"),
    "efficiency: trains twice": ("data_efficiency", trains_twice, "keep its accuracy"),
    "efficiency: 0 for one seed": (
        "data_efficiency",
        lambda s, f, seeds: {
            n: {"mean": row["mean"], "std": np.nan_to_num(row["std"])}
            for n, row in language.data_efficiency(s, f, seeds).items()},
        "return NaN"),
    "efficiency: hard-coded": (
        "data_efficiency", lambda s, f, seeds: {n: {"mean": 0.9, "std": 0.01} for n in s}, "some cases fail"),
}  # fmt: skip


def test_half_right_answers_get_part_of_the_points():
    only_right_padding = POOL_MISTAKES[
        next(said for said in POOL_MISTAKES if said.startswith("The number of"))
    ]
    assert 0 < report_on("last_token_pool", only_right_padding, "secret").score < 2
    ignored = module(freeze=lambda self, freeze: None)
    assert report_on("RewardFromBackbone", ignored, "secret").score == 2.25
    population = RESULT_MISTAKES[next(iter(RESULT_MISTAKES))]
    assert report_on("data_efficiency", population, "secret").score == 0


def test_the_hand_worked_numbers_of_the_lesson_hold():
    logits = torch.tensor([[[0.0, 1.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 5.0]]])
    costs = -torch.log_softmax(logits, dim=-1)
    assert costs[0, 0, 1].item() == pytest.approx(0.5514, abs=5e-5)
    assert costs[0, 1, 0].item() == pytest.approx(0.2395, abs=5e-5)
    loss = language.next_token_loss(logits, torch.tensor([[2, 1, 0]]), torch.ones(1, 3))
    assert loss.item() == pytest.approx(0.3955, abs=5e-5)
    row = language.data_efficiency([50], lambda n, seed: [0.80, 0.90, 0.85][seed], [0, 1, 2])[50]
    assert row["mean"] == pytest.approx(0.85) and row["std"] == pytest.approx(0.05)


# Mutants of the lesson's own answers that are right all the same

EQUIVALENT = {
    "next_token_loss": {
        r"(attention_mask|real|token_ids)\.(detach|float|clamp)": "whole numbers without a gradient",
        r"logits\.float\(\)": "float32 is precise enough",
    },
}
