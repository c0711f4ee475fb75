"""The checks of lesson 1 accept every legitimate way to write an answer, and name the usual mistakes."""

import copy
import logging
import random
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import Dataset

import reward_lab as rl
from reward_lab.lessons.lesson01 import checks as lesson01
from reward_lab.lessons.lesson01.checks.accuracy import ACCURACY_MISTAKES
from reward_lab.lessons.lesson01.checks.dataset import RANKING_MISTAKES
from reward_lab.lessons.lesson01.checks.held_out import REPORT_MISTAKES
from reward_lab.lessons.lesson01.checks.step import STEP_MISTAKES
from tests.lessons.answers import known, reports_of

report_on = reports_of(lesson01)


# Legitimate answers


def accuracy_with_python_loop(reward_preferred, reward_rejected):
    right = 0
    for p, r in zip(reward_preferred.tolist(), reward_rejected.tolist(), strict=True):
        if p > r:
            right += 1
    return right / len(reward_preferred)


def accuracy_that_makes_noise(reward_preferred, reward_rejected):
    warnings.warn("careful", stacklevel=1)
    logging.getLogger().error("an error that is none")
    print("margin", (reward_preferred - reward_rejected).mean())
    plt.figure()
    plt.close()
    return (reward_preferred > reward_rejected).double().mean()


ACCURACIES = {
    "sign": lambda p, r: (torch.sign(p - r) == 1).double().mean(),
    "count_nonzero": lambda p, r: torch.count_nonzero(p > r) / len(p),
    "one minus the others": lambda p, r: 1 - (p <= r).double().mean().item(),
    "argmax": lambda p, r: (torch.stack([r, p]).argmax(0) == 1).sum().item() / p.numel(),
    "item": lambda p, r: (p > r).float().mean().item(),
    "0-dim tensor": lambda p, r: (p > r).double().mean(),
    "0-dim float32 tensor": lambda p, r: (p > r).float().mean(),
    "numpy scalar": lambda p, r: np.mean(p.cpu().numpy() > r.cpu().numpy()),
    "numpy float32": lambda p, r: np.float32(np.mean(p.cpu().numpy() > r.cpu().numpy())),
    "sum over len": lambda p, r: (p > r).sum().item() / len(p),
    "margin": lambda p, r: ((p - r) > 0).sum() / p.numel(),
    "torch.where": lambda p, r: torch.where(p > r, 1.0, 0.0).mean().item(),
    "heaviside": lambda p, r: torch.gt(p, r).to(torch.float64).mean().item(),
    "loop": accuracy_with_python_loop,
    "noise": accuracy_that_makes_noise,
    "the package's": rl.preference_accuracy,
}


class DrawsTwicePerItem(Dataset):
    def __init__(self, num_pairs, seq_len, vocab_size):
        self.num_pairs, self.seq_len, self.vocab_size = num_pairs, seq_len, vocab_size

    def draw(self):
        return torch.randint(0, self.vocab_size, (self.seq_len,))

    def quality(self, tokens):
        return tokens.float().mean()

    def __len__(self):
        return self.num_pairs

    def __getitem__(self, idx):
        a, b = self.draw(), self.draw()
        if self.quality(a) < self.quality(b):
            a, b = b, a
        return {"preferred": a, "rejected": b}


class DrawsAllAtOnce(Dataset):
    def __init__(self, num_pairs, seq_len, vocab_size):
        a = torch.randint(vocab_size, (num_pairs, seq_len))
        b = torch.randint(vocab_size, (num_pairs, seq_len))
        swap = (a.float().mean(1) < b.float().mean(1)).unsqueeze(1)
        self.preferred, self.rejected = torch.where(swap, b, a), torch.where(swap, a, b)

    def __len__(self):
        return len(self.preferred)

    def __getitem__(self, idx):
        return {"preferred": self.preferred[idx], "rejected": self.rejected[idx]}


class DrawsFromItsIndex(DrawsTwicePerItem):
    def __getitem__(self, idx):
        generator = torch.Generator().manual_seed(1000 + idx)
        a, b = torch.randint(0, self.vocab_size, (2, self.seq_len), generator=generator)
        worse, better = sorted((a, b), key=lambda tokens: tokens.sum().item())
        return {"preferred": better, "rejected": worse, "idx": idx}


class DrawsWithNumpy(DrawsTwicePerItem):
    def draw(self):
        return torch.from_numpy(np.random.randint(0, self.vocab_size, self.seq_len))


class DrawsWithRandom(DrawsTwicePerItem):
    def draw(self):
        return torch.tensor([random.randrange(self.vocab_size) for _ in range(self.seq_len)])


class TiesTheOtherWay(DrawsTwicePerItem):
    def __getitem__(self, idx):
        a, b = self.draw(), self.draw()
        better, worse = (a, b) if a.sum() > b.sum() else (b, a)
        return {"rejected": worse, "preferred": better}


class KeepsItems(DrawsTwicePerItem):
    """Draws a pair when it is first asked for, and remembers it."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.items = {}

    def __getitem__(self, idx):
        if idx not in self.items:
            self.items[idx] = super().__getitem__(idx)
        return self.items[idx]


class SortsByTheSum(DrawsTwicePerItem):
    def __getitem__(self, idx):
        both = torch.randint(self.vocab_size, (2, self.seq_len))
        order = both.sum(dim=1).argsort(descending=True)
        return dict(zip(("preferred", "rejected"), both[order], strict=True))


class ListOfDicts(DrawsTwicePerItem):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.all = [DrawsTwicePerItem.__getitem__(self, idx) for idx in range(self.num_pairs)]

    def __len__(self):
        return len(self.all)

    def __getitem__(self, idx):
        return self.all[idx]


DATASETS = {
    kind.__name__: kind
    for kind in (
        DrawsTwicePerItem, DrawsAllAtOnce, DrawsFromItsIndex, DrawsWithNumpy, DrawsWithRandom, TiesTheOtherWay,
        KeepsItems, SortsByTheSum, ListOfDicts, rl.SyntheticPreferenceDataset,
    )
}  # fmt: skip


def step_with_loss(loss_of):
    def training_step(model, optimizer, preferred, rejected):
        optimizer.zero_grad()
        loss = loss_of(model(preferred), model(rejected))
        loss.backward()
        optimizer.step()
        return loss.item()

    return training_step


def step_in_one_forward(model, optimizer, preferred, rejected):
    rewards = model(torch.cat([preferred, rejected]))
    p, r = rewards[: len(preferred)], rewards[len(preferred) :]
    loss = -F.logsigmoid(p - r).mean()
    model.zero_grad(set_to_none=False)
    loss.backward()
    optimizer.step()
    return loss.detach()


def step_with_autograd_grad(model, optimizer, preferred, rejected):
    loss = -F.logsigmoid(model(preferred) - model(rejected)).mean()
    parameters = list(model.parameters())
    for p, g in zip(parameters, torch.autograd.grad(loss, parameters, allow_unused=True), strict=True):
        p.grad = g
    optimizer.step()
    return float(loss)


def step_that_zeroes_on_both_sides(model, optimizer, preferred, rejected):
    model.train()
    optimizer.zero_grad()
    loss = rl.bradley_terry_loss(model(preferred), model(rejected))
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return np.float64(loss.item())


def step_that_drops_gradients(model, optimizer, preferred, rejected):
    for parameter in model.parameters():
        parameter.grad = None
    margin = model(preferred) - model(rejected)
    loss = torch.nn.BCEWithLogitsLoss()(margin, torch.ones_like(margin))
    loss.backward()
    optimizer.step()
    return loss.item()


def step_with_a_closure(model, optimizer, preferred, rejected):
    def closure():
        optimizer.zero_grad()
        loss = -F.logsigmoid(model(preferred) - model(rejected)).mean()
        loss.backward()
        return loss

    return optimizer.step(closure).item()


STEPS = {
    "BCEWithLogitsLoss": step_that_drops_gradients,
    "closure": step_with_a_closure,
    "log_softmax": step_with_loss(lambda p, r: -torch.stack([p, r]).log_softmax(0)[0].mean()),
    "logsigmoid": step_with_loss(lambda p, r: -F.logsigmoid(p - r).mean()),
    "softplus": step_with_loss(lambda p, r: F.softplus(r - p).mean()),
    "cross entropy": step_with_loss(
        lambda p, r: F.binary_cross_entropy_with_logits(p - r, torch.ones_like(p))
    ),
    "two-class cross entropy": step_with_loss(
        lambda p, r: F.cross_entropy(torch.stack([p, r], 1), torch.zeros(len(p), dtype=torch.long, device=p.device))
    ),
    "logaddexp": step_with_loss(lambda p, r: torch.logaddexp(torch.zeros_like(p), r - p).sum() / len(p)),
    "one forward": step_in_one_forward,
    "autograd.grad": step_with_autograd_grad,
    "zeroed before and after": step_that_zeroes_on_both_sides,
    "the package's": rl.training_step,
}  # fmt: skip


def report_in_batches(model, train_pairs, held_out_pairs):
    was_training = model.training
    model.eval()
    accuracies = []
    with torch.inference_mode():
        for preferred, rejected in (train_pairs, held_out_pairs):
            right = sum(
                (model(p) > model(r)).sum().item()
                for p, r in zip(preferred.split(50), rejected.split(50), strict=True)
            )
            accuracies.append(right / len(preferred))
    model.train(was_training)
    return {
        "train_accuracy": accuracies[0],
        "held_out_accuracy": accuracies[1],
        "gap": accuracies[0] - accuracies[1],
    }


@torch.no_grad()
def report_on_a_copy(model, train_pairs, held_out_pairs):
    judge = copy.deepcopy(model).eval()
    train, held_out = ((judge(p) > judge(r)).float().mean() for p, r in (train_pairs, held_out_pairs))
    return {
        "held_out_accuracy": held_out,
        "train_accuracy": train,
        "gap": train - held_out,
        "extra": "ignored",
    }


def report_row_by_row(model, train_pairs, held_out_pairs):
    mode = model.training
    try:
        model.train(False)
        with torch.no_grad():
            shares = [
                np.mean([model(p[None]).item() > model(r[None]).item() for p, r in zip(*pairs, strict=True)])
                for pairs in (train_pairs, held_out_pairs)
            ]
    finally:
        model.train(mode)
    return dict(train_accuracy=shares[0], held_out_accuracy=shares[1], gap=shares[0] - shares[1])


def report_with_modes_of_every_module(model, train_pairs, held_out_pairs):
    modes = {module: module.training for module in model.modules()}
    model.eval()
    with torch.set_grad_enabled(False):
        a = (model(train_pairs[0]) - model(train_pairs[1]) > 0).double().mean().item()
        b = (model(held_out_pairs[0]) - model(held_out_pairs[1]) > 0).double().mean().item()
    for module, mode in modes.items():
        module.training = mode
    return {"train_accuracy": a, "held_out_accuracy": b, "gap": a - b}


def report_with_a_helper(model, train_pairs, held_out_pairs):
    def accuracy(pairs):
        with torch.no_grad():
            return rl.preference_accuracy(*(model(tokens) for tokens in pairs))

    training = model.training
    model.eval()
    report = {"train_accuracy": accuracy(train_pairs), "held_out_accuracy": accuracy(held_out_pairs)}
    if training:
        model.train()
    return {**report, "gap": report["train_accuracy"] - report["held_out_accuracy"]}


def report_in_one_forward(model, train_pairs, held_out_pairs):
    mode = model.training
    with torch.no_grad():
        rewards = model.eval()(torch.cat([*train_pairs, *held_out_pairs]))
    model.train(mode)
    n, m = len(train_pairs[0]), len(held_out_pairs[0])
    a, b, c, d = rewards.split([n, n, m, m])
    train, held_out = (a > b).sum().item() / n, np.mean((c > d).tolist())
    return {"gap": train - held_out, "train_accuracy": train, "held_out_accuracy": held_out}


def report_on_lists(model, train_pairs, held_out_pairs):
    was = model.training
    model.eval()
    numbers = {}
    for name, (p, r) in (("train", train_pairs), ("held_out", held_out_pairs)):
        with torch.inference_mode():
            right = [a > b for a, b in zip(model(p).tolist(), model(r).tolist(), strict=True)]
        numbers[f"{name}_accuracy"] = right.count(True) / len(right)
    model.train(was)
    return {**numbers, "gap": numbers["train_accuracy"] - numbers["held_out_accuracy"]}


REPORTS = {
    function.__name__: function
    for function in (
        report_in_batches, report_on_a_copy, report_row_by_row, report_with_modes_of_every_module, rl.held_out_report,
        report_with_a_helper, report_in_one_forward, report_on_lists,
    )
}  # fmt: skip
LEGITIMATE = [
    pytest.param(name, answer, id=f"{name}-{how}")
    for name, answers in {
        "preference_accuracy": ACCURACIES,
        "SyntheticPreferenceDataset": DATASETS,
        "training_step": STEPS,
        "held_out_report": REPORTS,
    }.items()
    for how, answer in answers.items()
]


# Mistakes that the checks know by name


def ranking(quality):
    """A data set that ranks its pairs by another quality."""
    return type("Wrong", (DrawsTwicePerItem,), {"quality": lambda self, tokens: quality(tokens[None])})


KNOWN = known(
    {
        "preference_accuracy": ACCURACY_MISTAKES,
        "training_step": STEP_MISTAKES,
        "held_out_report": REPORT_MISTAKES,
        "SyntheticPreferenceDataset": {said: ranking(quality) for said, quality in RANKING_MISTAKES.items()},
    }
)


# Mistakes written as students write them: (exercise, answer, what the report must say)


def items(**changes):
    """A data set that is right but for the methods given."""
    return type("Wrong", (DrawsTwicePerItem,), changes)


def swapped(self, idx):
    item = DrawsTwicePerItem.__getitem__(self, idx)
    return {"preferred": item["rejected"], "rejected": item["preferred"]}


def item_with(change):
    return items(__getitem__=lambda self, idx: change(self, DrawsTwicePerItem.__getitem__(self, idx)))


class Fixed(DrawsTwicePerItem):
    def __getitem__(self, idx):
        torch.manual_seed(42)
        return super().__getitem__(idx)


class SortedTokens(DrawsTwicePerItem):
    def draw(self):
        return super().draw().sort().values


class CopyThatIsShuffled(DrawsTwicePerItem):
    def __getitem__(self, idx):
        a = self.draw()
        return {"preferred": a, "rejected": a[torch.randperm(self.seq_len)]}


class NeverTied(DrawsTwicePerItem):
    def __getitem__(self, idx):
        item = super().__getitem__(idx)
        while item["preferred"].sum() == item["rejected"].sum():
            item = super().__getitem__(idx)
        return item


def changes_its_input(p, r):
    p -= r
    return (p > 0).double().mean().item()


def agrees_with_everything():
    always = {name: lambda self, *others: True for name in ("__eq__", "__lt__", "__gt__", "__le__", "__ge__")}
    return type("Yes", (), {**always, "__float__": lambda self: 1.0, "__hash__": None})()


class Sly(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return torch.tensor(True)


def leaves_eval_mode(model, train_pairs, held_out_pairs):
    report = rl.held_out_report(model, train_pairs, held_out_pairs)
    model.eval()
    return report


def leaves_training_mode(model, train_pairs, held_out_pairs):
    report = rl.held_out_report(model, train_pairs, held_out_pairs)
    model.train()
    return report


def leaves_gradients(model, train_pairs, held_out_pairs):
    report = rl.held_out_report(model, train_pairs, held_out_pairs)
    (model(train_pairs[0]) - model(train_pairs[1])).mean().backward()
    return report


def freezes(model, train_pairs, held_out_pairs):
    for parameter in model.parameters():
        parameter.requires_grad = False
    return rl.held_out_report(model, train_pairs, held_out_pairs)


def trains(model, train_pairs, held_out_pairs):
    report = rl.held_out_report(model, train_pairs, held_out_pairs)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1)
    return report


def report_with(**changes):
    return lambda model, train, held_out: {**rl.held_out_report(model, train, held_out), **changes}


def step_changing(change):
    def training_step(model, optimizer, preferred, rejected):
        return change(rl.training_step(model, optimizer, preferred, rejected))

    return training_step


def clamped_step(model, optimizer, preferred, rejected):
    return step_with_loss(lambda p, r: -F.logsigmoid((p - r).clamp(-20, 20)).mean())(
        model, optimizer, preferred, rejected
    )


def own_optimizer(model, optimizer, preferred, rejected):
    return rl.training_step(model, torch.optim.Adam(model.parameters()), preferred, rejected)


class OneChain(DrawsTwicePerItem):
    """Each pair shares a sequence with the next."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.all = torch.randint(self.vocab_size, (self.num_pairs + 1, self.seq_len))

    def __getitem__(self, idx):
        a, b = self.all[idx], self.all[idx + 1]
        return {"preferred": a, "rejected": b} if a.sum() >= b.sum() else {"preferred": b, "rejected": a}


class HandsOutOnce(DrawsTwicePerItem):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.left = {idx: DrawsTwicePerItem.__getitem__(self, idx) for idx in range(self.num_pairs)}

    def __getitem__(self, idx):
        return self.left.pop(idx)


def kinked_step(model, optimizer, preferred, rejected):
    return step_with_loss(lambda p, r: (torch.relu(r - p) + torch.log1p(torch.exp(-(r - p).abs()))).mean())(
        model, optimizer, preferred, rejected
    )


def step_by_hand(model, optimizer, preferred, rejected):
    loss = rl.bradley_terry_loss(model(preferred), model(rejected))
    model.zero_grad()
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter -= optimizer.param_groups[0]["lr"] * parameter.grad
    return loss.item()


MISTAKES = {
    "accuracy: in float32": (
        "preference_accuracy", lambda p, r: (p.float() > r.float()).double().mean(), "cut to float32"),
    "accuracy: a margin of 1e-12": (
        "preference_accuracy", lambda p, r: (p > r + 1e-12).double().mean(), "close calls"),
    "accuracy: without ties": (
        "preference_accuracy", lambda p, r: (p > r)[p != r].double().mean().nan_to_num(), "leaves ties out"),
    "data: one chain": ("SyntheticPreferenceDataset", OneChain, "more than one pair"),
    "data: handed out once": ("SyntheticPreferenceDataset", HandsOutOnce, "KeyError"),
    "step: a kink": ("training_step", kinked_step, "have a kink there"),
    "step: by hand": ("training_step", step_by_hand, "The one that is given has a state"),
    "step: clamped at 88": (
        "training_step", step_with_loss(lambda p, r: -F.logsigmoid((p - r).clamp(-88, 88)).mean()), "were clamped"),
    "step: 1e-10 inside": (
        "training_step", step_with_loss(lambda p, r: -torch.log((p - r).sigmoid() + 1e-10).mean()), "levels off"),
    "report: rounded": (
        "held_out_report",
        lambda m, t, h: {key: round(number, 3) for key, number in rl.held_out_report(m, t, h).items()},
        "rounded"),
    "accuracy: nothing returned": ("preference_accuracy", lambda p, r: None, "is a `return` missing?"),
    "accuracy: one number a pair": ("preference_accuracy", lambda p, r: (p > r).float(), "reduce over the pairs"),
    "accuracy: a bool": ("preference_accuracy", lambda p, r: bool((p > r).all()), "bool"),
    "accuracy: NaN": ("preference_accuracy", lambda p, r: float("nan"), "got nan"),
    "accuracy: infinity": ("preference_accuracy", lambda p, r: float("inf"), "got inf"),
    "accuracy: text": ("preference_accuracy", lambda p, r: "0.75", "the str"),
    "accuracy: a list": ("preference_accuracy", lambda p, r: [0.75], "a list of 1"),
    "accuracy: requires_grad": (
        "preference_accuracy", lambda p, r: (p > r).float().mean().requires_grad_(True), ".item()"),
    "accuracy: an object that always agrees": (
        "preference_accuracy", lambda p, r: agrees_with_everything(), "an object of type"),
    "accuracy: a tensor subclass": (
        "preference_accuracy", lambda p, r: torch.tensor(0.75).as_subclass(Sly), "an object of type"),
    "accuracy: hard-coded": ("preference_accuracy", lambda p, r: 0.75, "some cases fail"),
    "accuracy: random": ("preference_accuracy", lambda p, r: random.random(), "some cases fail"),
    "accuracy: changes its input": ("preference_accuracy", changes_its_input, "argument 1 changed"),
    "accuracy: raises": ("preference_accuracy", lambda p, r: p.foo, "AttributeError"),
    "accuracy: exits": ("preference_accuracy", lambda p, r: exit(), "SystemExit"),
    "accuracy: arguments missing": ("preference_accuracy", lambda p: 0.5, "TypeError"),
    "accuracy: none of it callable": ("preference_accuracy", 3, "TypeError"),
    "data: swapped": ("SyntheticPreferenceDataset", items(__getitem__=swapped), "The two are swapped"),
    "data: random order": (
        "SyntheticPreferenceDataset",
        items(__getitem__=lambda self, idx: {"preferred": self.draw(), "rejected": self.draw()}),
        "left to chance"),
    "data: chosen": (
        "SyntheticPreferenceDataset",
        item_with(lambda self, item: {"chosen": item["preferred"], "rejected": item["rejected"]}),
        "`preferred` and `rejected`"),
    "data: a tuple": (
        "SyntheticPreferenceDataset", item_with(lambda self, item: tuple(item.values())), "return a dict"),
    "data: floats": (
        "SyntheticPreferenceDataset", items(draw=lambda self: DrawsTwicePerItem.draw(self).float()), "whole numbers"),
    "data: int32": (
        "SyntheticPreferenceDataset", items(draw=lambda self: DrawsTwicePerItem.draw(self).int()), "int64"),
    "data: a batch dimension": (
        "SyntheticPreferenceDataset",
        items(draw=lambda self: torch.randint(0, self.vocab_size, (1, self.seq_len))),
        "batch dimension"),
    "data: length ignored": (
        "SyntheticPreferenceDataset", items(draw=lambda self: torch.randint(0, self.vocab_size, (20,))), "seq_len"),
    "data: one id too many": (
        "SyntheticPreferenceDataset",
        items(draw=lambda self: torch.randint(0, self.vocab_size + 1, (self.seq_len,))),
        "vocab_size - 1"),
    "data: one id too few": (
        "SyntheticPreferenceDataset",
        items(draw=lambda self: torch.randint(0, self.vocab_size - 1, (self.seq_len,))),
        "The upper end"),
    "data: from 1": (
        "SyntheticPreferenceDataset",
        items(draw=lambda self: torch.randint(1, self.vocab_size, (self.seq_len,))),
        "Token ids start at 0"),
    "data: half the vocabulary": (
        "SyntheticPreferenceDataset",
        items(draw=lambda self: torch.randint(0, min(self.vocab_size, 500), (self.seq_len,))),
        "vocab_size"),
    "data: length off by one": (
        "SyntheticPreferenceDataset", items(__len__=lambda self: self.num_pairs - 1), "num_pairs"),
    "data: same pair always": ("SyntheticPreferenceDataset", Fixed, "the same pair"),
    "data: sorted tokens": ("SyntheticPreferenceDataset", SortedTokens, "do not sort"),
    "data: a shuffled copy": ("SyntheticPreferenceDataset", CopyThatIsShuffled, "made from `preferred`"),
    "data: ties thrown away": ("SyntheticPreferenceDataset", NeverTied, "do not filter"),
    "data: not a class": ("SyntheticPreferenceDataset", lambda n, s, v: None, "TypeError"),
    "step: nothing returned": ("training_step", step_changing(lambda loss: None), "is a `return` missing?"),
    "step: graph returned": (
        "training_step", step_changing(lambda loss: torch.tensor(loss, requires_grad=True)), ".item()"),
    "step: NaN": ("training_step", step_changing(lambda loss: float("nan")), "The step is right"),
    "step: twice the loss": ("training_step", step_changing(lambda loss: 2 * loss), "The step is right"),
    "step: sigmoid, then log": (
        "training_step", step_with_loss(lambda p, r: -(p - r).sigmoid().log().mean()), "Sigmoid first and log second"),
    "step: exp overflows": (
        "training_step", step_with_loss(lambda p, r: (1 + (r - p).exp()).log().mean()), "or exp of the margin"),
    "step: clamped margins": ("training_step", clamped_step, "margins of -200"),
    "step: another optimizer": ("training_step", own_optimizer, "The loss is right"),
    "step: hard-coded": ("training_step", lambda m, o, p, r: 0.693, "weights that moved differently"),
    "step: eval mode": (
        "training_step",
        lambda m, o, p, r: (m.eval(), rl.training_step(m, o, p, r))[1],
        "evaluation mode"),
    "report: eval mode left": ("held_out_report", leaves_eval_mode, "as it was"),
    "report: training mode left": ("held_out_report", leaves_training_mode, "as it was"),
    "report: gradients left": ("held_out_report", leaves_gradients, "backward()"),
    "report: requires_grad off": ("held_out_report", freezes, "`requires_grad` switched off"),
    "report: weights changed": ("held_out_report", trains, "must not train"),
    "report: NaN gap": ("held_out_report", report_with(gap=float("nan")), "gap nan"),
    "report: gap missing": (
        "held_out_report", lambda m, t, h: {"train_accuracy": 1.0, "held_out_accuracy": 1.0}, "a dict with"),
    "report: a tuple": (
        "held_out_report", lambda m, t, h: tuple(rl.held_out_report(m, t, h).values()), "a tuple of 3"),
    "report: text": ("held_out_report", report_with(gap="0.1"), "`gap` as a number"),
    "report: tensor of pairs": (
        "held_out_report", report_with(train_accuracy=torch.ones(4)), "`train_accuracy` as a number"),
    "report: hard-coded": (
        "held_out_report", lambda m, t, h: {"train_accuracy": 1.0, "held_out_accuracy": 0.67, "gap": 0.33}, "gap"),
}  # fmt: skip


# Mutants of the lesson's own answers that are right all the same: what was changed -> why it does not matter
EQUIVALENT = {
    "preference_accuracy": {
        r"mean\(\)$": "a 0-dim tensor counts as a number",
        r"-> return \(reward_preferred > reward_rejected\)\.double": "the mean is a number in either precision",
        r"\.detach\(\)": "no gradient is asked for",
    },
    "training_step": {
        r"model\.float\(\)": "the model is in float32 already",
        r"(preferred|rejected)\.detach\(\)": "token ids carry no gradient",
        r"loss\.(float|detach)\(\)": "the loss is in float32, and only its number is returned",
    },
}


def test_half_right_answers_get_part_of_the_points():
    by_case = {
        "preference_accuracy": (lambda p, r: (p >= r).double().mean().item(), 1.0),
        "training_step": (STEP_MISTAKES[next(iter(STEP_MISTAKES))], 2.5),
        "held_out_report": (leaves_eval_mode, 1.5),
    }
    for name, (answer, points) in by_case.items():
        assert report_on(name, answer, "secret").score == points


def test_the_hand_worked_numbers_of_the_lesson_hold():
    preferred, rejected = torch.tensor([3.0, 1.5, 4.0, 2.0]), torch.tensor([1.0, 2.0, 0.5, 1.8])
    assert rl.preference_accuracy(preferred, rejected) == 0.75
    weight = torch.nn.Parameter(torch.tensor(2.0))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    loss = -F.logsigmoid(weight - 0.0)
    loss.backward()
    optimizer.step()
    assert loss.item() == pytest.approx(0.1269, abs=5e-5) and weight.item() == pytest.approx(2.0596, abs=5e-5)
