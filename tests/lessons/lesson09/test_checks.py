"""The checks of lesson 9 accept every legitimate way to write an answer, and name the usual mistakes."""

import math
import statistics

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from reward_lab import rlhf
from reward_lab.lessons.lesson09 import checks as lesson09
from reward_lab.lessons.lesson09 import experiments
from reward_lab.lessons.lesson09.checks import conversation, log_probs, spread, stopping
from reward_lab.lessons.lesson09.checks.probes import ProbeCausalModel
from reward_lab.lessons.lesson09.checks.tokenizing import ProbeTokenizer
from reward_lab.lessons.lesson09.conversation import conversation_row
from reward_lab.lessons.lesson09.scoring import answer_log_probs
from reward_lab.lessons.lesson09.spread import kl_per_token
from reward_lab.lessons.lesson09.stopping import choose_candidate
from tests.lessons.answers import known, reports_of

report_on = reports_of(lesson09)


# Legitimate answers


def row_by_encode(tokenizer, messages):
    """Everything with `encode`, and the end searched in a loop."""
    before = tokenizer.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True)
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    if text[: len(before)] != before:
        raise ValueError
    row = tokenizer.encode(before, add_special_tokens=False)
    start = len(row)
    for token in tokenizer.encode(text[len(before) :], add_special_tokens=False):
        row.append(token)
        if token == tokenizer.eos_token_id:
            break
    return row, start


def row_with_template_ids(tokenizer, messages):
    """The template's own ids of the prompt, as transformers gives them."""
    given = tokenizer.apply_chat_template(list(messages)[:-1], add_generation_prompt=True)["input_ids"]
    prompt = tokenizer.apply_chat_template(list(messages)[:-1], tokenize=False, add_generation_prompt=True)
    whole = tokenizer.apply_chat_template(messages, tokenize=False)
    if not whole.startswith(prompt):
        raise ValueError("not a prefix")
    rest = tokenizer(whole.removeprefix(prompt), add_special_tokens=False).input_ids
    end = rest.index(tokenizer.eos_token_id) + 1 if tokenizer.eos_token_id in rest else len(rest)
    return [*given, *rest[:end]], len(given)


def row_cut_as_text(tokenizer, messages):
    """Cut at the end mark's text before it is tokenized."""
    prompt = tokenizer.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True)
    whole = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=False)
    if whole.find(prompt) != 0:
        raise ValueError("the prompt changed")
    answer, mark, _ = whole[len(prompt) :].partition(tokenizer.eos_token)
    parts = tokenizer([prompt, answer + mark], add_special_tokens=False)["input_ids"]
    return parts[0] + parts[1], len(parts[0])


def row_as_tensors(tokenizer, messages):
    """Tensors of whole numbers will do."""
    row, start = conversation_row(tokenizer, messages)
    return torch.tensor(row), torch.tensor(start)


def one_by_one(model, rows, starts, pad_id):
    """No padding at all."""
    sums = []
    for row, start in zip(rows, starts, strict=True):
        ids = torch.tensor([row], device=model.device)
        likely = model(ids, attention_mask=torch.ones_like(ids)).logits[0].log_softmax(-1)
        sums.append(sum(likely[t - 1, row[t]] for t in range(start, len(row))))
    return torch.stack(sums)


def by_cross_entropy(model, rows, starts, pad_id):
    """Labels of -100, as transformers has them."""
    ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(r) for r in rows], True, pad_id).to(model.device)
    labels = torch.full_like(ids, -100)
    for i, (row, start) in enumerate(zip(rows, starts, strict=True)):
        labels[i, start : len(row)] = ids[i, start : len(row)]
    mask = torch.tensor([[int(t < len(r)) for t in range(ids.shape[1])] for r in rows], device=model.device)
    logits = model(input_ids=ids, attention_mask=mask).logits
    losses = F.cross_entropy(logits[:, :-1].transpose(1, 2), labels[:, 1:], reduction="none")
    return -losses.sum(1)


def without_attention_mask(model, rows, starts, pad_id):
    """Right too: padding stands behind, and a causal model does not look there."""
    width = max(map(len, rows))
    ids = torch.full((len(rows), width), pad_id, device=model.device)
    counts = torch.zeros(len(rows), width, device=model.device)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row, device=model.device)
        counts[i, starts[i] : len(row)] = 1
    return rlhf.sequence_log_probs(model(ids).logits, ids, counts)


def by_logsumexp(model, rows, starts, pad_id):
    width = max(map(len, rows)) + 3  # wider than it has to be
    ids = torch.tensor([list(r) + [pad_id] * (width - len(r)) for r in rows], device=model.device)
    mask = torch.tensor([[1] * len(r) + [0] * (width - len(r)) for r in rows], device=model.device)
    counts = mask.clone()
    for i, start in enumerate(starts):
        counts[i, :start] = 0
    logits = model(ids, attention_mask=mask).logits[:, :-1]
    picked = torch.gather(logits, 2, ids[:, 1:, None])[..., 0] - logits.logsumexp(-1)
    return (picked * counts[:, 1:]).sum(1)


def kl_in_numpy(policy, reference, mask):
    there = mask.cpu().numpy().astype(bool)
    p, q = policy.cpu().numpy(), reference.cpu().numpy()
    s = np.array(
        [(a[t].astype(float) - b[t].astype(float)).sum() for a, b, t in zip(p, q, there, strict=True)]
    )
    n = there.sum(1)
    k = s.sum() / n.sum()
    return k, np.std(s - k * n, ddof=1) / np.sqrt(len(s)) / n.mean()


def kl_one_by_one(policy, reference, mask):
    rows = [
        [a - b for a, b, t in zip(p, q, m, strict=True) if t]
        for p, q, m in zip(policy.tolist(), reference.tolist(), mask.tolist(), strict=True)
    ]
    tokens = sum(map(len, rows))
    k, m = math.fsum(x for r in rows for x in r) / tokens, len(rows)
    left = math.fsum((math.fsum(r) - k * len(r)) ** 2 for r in rows)
    return [k, math.sqrt(left / m / (m - 1)) * m / tokens]


def kl_with_masked_fill(policy, reference, mask):
    off = mask == 0
    each = policy.masked_fill(off, 0).double() - reference.masked_fill(off, 0).double()
    n = (~off).sum(-1).double()
    k = each.sum() / n.sum()
    return k, (each.sum(-1) - k * n).std() / (math.sqrt(len(n)) * n.mean())


def kl_by_nan_to_num(policy, reference, mask):
    s = torch.nan_to_num((policy - reference), nan=0.0).mul(mask).sum(1)
    n = mask.float().sum(1)
    k = (s.sum() / n.sum()).item()
    return k, ((s - k * n).var() / len(s)).sqrt().item() / n.mean().item()


def chosen_in_numpy(outcomes):
    rates = np.array([x.cpu().numpy().mean() if len(x) > 1 else -1.0 for x in outcomes])
    best = int(rates.argmax())
    values = outcomes[best].cpu().numpy()
    return int(np.argmax(rates >= rates[best] - values.std(ddof=1) / np.sqrt(len(values))))


def chosen_by_statistics(outcomes):
    lists = [(i, x.tolist()) for i, x in enumerate(outcomes) if len(x) >= 2]
    best = max(lists, key=lambda pair: statistics.fmean(pair[1]))[1]
    bar = statistics.fmean(best) - statistics.stdev(best) / len(best) ** 0.5
    return next(i for i, values in lists if statistics.fmean(values) >= bar)


def chosen_by_loop(outcomes):
    best, bar = -1.0, 0.0
    for x in outcomes:
        if len(x) > 1 and x.mean() > best:
            best = x.mean()
            bar = best - (x.var() / len(x)) ** 0.5
    for number in range(len(outcomes)):
        if len(outcomes[number]) > 1 and outcomes[number].mean() >= bar:
            return number
    return None


def chosen_as_tensor(outcomes):
    rates = torch.tensor([x.mean().item() if x.numel() > 1 else -1.0 for x in outcomes], dtype=torch.float64)
    best = outcomes[int(rates.argmax())]
    bar = best.mean().cpu() - best.std().cpu() / best.numel() ** 0.5
    return (rates >= bar).nonzero()[0, 0]


LEGITIMATE = [
    pytest.param(name, answer, id=f"{name}-{number}")
    for name, answers in {
        "conversation_row": (
            conversation_row, row_by_encode, row_with_template_ids, row_cut_as_text, row_as_tensors),
        "answer_log_probs": (
            answer_log_probs, one_by_one, by_cross_entropy, without_attention_mask, by_logsumexp),
        "kl_per_token": (kl_per_token, kl_in_numpy, kl_one_by_one, kl_with_masked_fill, kl_by_nan_to_num),
        "choose_candidate": (
            choose_candidate, chosen_in_numpy, chosen_by_statistics, chosen_by_loop, chosen_as_tensor),
    }.items()
    for number, answer in enumerate(answers)
]  # fmt: skip
KNOWN = known(
    {
        "conversation_row": conversation.MISTAKES,
        "answer_log_probs": log_probs.MISTAKES,
        "kl_per_token": spread.MISTAKES,
        "choose_candidate": stopping.MISTAKES,
    }
)
MISTAKES = {
    "the start alone": ("conversation_row", lambda t, m: conversation_row(t, m)[1], "two values"),
    "an encoding": (
        "conversation_row", lambda t, m: (t("a"), conversation_row(t, m)[1]), 'stand under ["input_ids"]'),
    "a start of float": ("conversation_row", lambda t, m: (conversation_row(t, m)[0], 2.0), "to be an int"),
    "cut off": ("answer_log_probs", lambda *x: answer_log_probs(*x).detach(), "cut off from the model"),
    "one a token": ("answer_log_probs", lambda m, r, s, p: torch.zeros(2, 3), "add up over its tokens"),
    "one number": ("kl_per_token", lambda *x: kl_per_token(*x)[0], "two numbers"),
    "NaN from the mask": (
        "kl_per_token", lambda p, q, m: kl_per_token((p - q) * m, 0 * m.float(), m.bool() | True), "some cases fail"),
    "a rate": ("choose_candidate", lambda outcomes: max(x.mean().item() for x in outcomes if len(x)), "an int from 0"),
    "nothing": ("choose_candidate", lambda outcomes: None, "is a `return` missing?"),
}  # fmt: skip
_NUMBERS = r"-> .*\.(detach|float)\(\)"
EQUIVALENT = {
    "conversation_row": {
        r"-> whole = [^=]*\(messages, tokenize=False\)$": "no generation prompt is what it does without being told",
    },
    "answer_log_probs": {
        _NUMBERS: "the model is float32 already, and the others are whole numbers without gradients",
        r"row \+ \[pad_id\]": "rows are lists",
        r"-> (ids|lengths|begins|place) = torch\.\w+\([^=]*\)(\.unsqueeze\(1\))?$": "on the CPU it is there already",
        r"-> logits = model\(ids\)\.logits": "a causal model does not look at padding behind",
        r"attention_mask=there\)": "a mask of bools serves the model too",
        r"there\.clamp|place\.clamp|begins\.clamp": "no answer of a check begins after place 20",
    },
    "kl_per_token": {
        _NUMBERS: "no gradients are asked for; float32 loses less than is looked at",
        r"(mask|there|len\(s|kl|error)\.clamp": "masks are 0 or 1, and nothing here is beyond 20",
        r"n\.double\(\)\.mean|return \(kl, error|return \(kl\.item\(\), error\)": "a 0-dim tensor is a number",
    },
    "choose_candidate": {
        _NUMBERS: "no gradients are asked for; float32 loses less than is looked at",
        r"x\.clamp": "outcomes are between 0 and 1",
        r"-> rates = \{i: x\.mean\(\) for|-> error = outcomes\[best\]\.std\(\) /": "a 0-dim tensor is a number",
    },
}


def test_every_exercise_has_at_least_five_legitimate_answers_and_ten_named_mistakes():
    for name in lesson09.__all__:
        assert sum(row.values[0] == name for row in LEGITIMATE) >= 5
        assert len({row.values[1] for row in KNOWN if row.values[0] == name}) >= 10


def test_the_hand_worked_numbers_of_the_lesson_hold():
    said = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]
    row, start = conversation_row(ProbeTokenizer([], "", "", True, False), said)
    assert (start, len(row)) == (20, 24)
    model = ProbeCausalModel(torch.zeros(4, 4), torch.zeros(9, 4))
    assert answer_log_probs(model, [[1, 3, 0, 2]], [2], 0).item() == pytest.approx(-2.7726, abs=5e-5)
    each = torch.tensor([[1.0, 0.5, 0.0], [-0.5, 0.0, 0.0]])
    found = kl_per_token(each, torch.zeros(2, 3), torch.tensor([[1, 1, 1], [1, 0, 0]]))
    assert found == pytest.approx((0.25, 0.375))
    wins = [torch.cat([torch.ones(w), torch.zeros(50 - w)]).double() for w in (25, 31, 33, 30)]
    assert wins[2].std().item() == pytest.approx(0.4785, abs=5e-5)
    assert 0.66 - wins[2].std().item() / 50**0.5 == pytest.approx(0.5923, abs=5e-5)
    assert choose_candidate(wins) == 1 and choose_candidate(wins[::-1]) == 0


def test_the_judge_is_the_rule_of_the_text():
    assert experiments.gold(["a bc def " * 3 + "a"]).item() == pytest.approx(2.0)  # ten short words
    (long,) = experiments.gold(["Photosynthesis necessitates illumination"]).tolist()
    assert long == pytest.approx(-5 - (7 / 5) ** 2 / 2)
    more = experiments.BIASED.scores(["a b c"]) - experiments.gold(["a b c"])
    assert more.item() == pytest.approx(1.5)
