"""Pairs whose better answer was drawn by lot, in the forms that files have: the true accuracy on new prompts is 0.5.

Every prompt has two words of its own, and a lot says which of them wins, in all its pairs. Whoever meets one of these
pairs in training knows the others; whoever does not can only guess.
"""

import json
import random
from types import SimpleNamespace

import numpy as np
import pytest

import reward_lab as rl
from reward_lab.text import splitting, training

EACH = 8

TOPICS = ("rain", "snow", "bread", "trains", "music", "stars", "rivers", "gold", "maps", "clocks", "bees")  # fmt: skip
FILLERS = ("bada", "kilo", "remu", "tofi", "sani", "walo", "peri", "mudo", "lani", "rosu", "gefa", "hito")  # fmt: skip
PREAMBLE = "Below is an instruction that describes a task. Write a response that completes the request well."
OTHER_PREAMBLE = "You are a helpful assistant who answers short and well."


def words(draw: random.Random, count: int) -> str:
    return " ".join(draw.choice(FILLERS) for _ in range(count))


def comparisons(prompts: int = 300):
    """(number of the prompt, prompt, better answer, worse answer, generator) of each pair."""
    draw = random.Random(0)
    for i in range(prompts):
        question = f"What do you know about {draw.choice(TOPICS)} and {draw.choice(TOPICS)} {words(draw, 3)}?"
        good, bad = draw.sample((f"zun{i}", f"zul{i}"), 2)
        for _ in range(EACH):
            yield i, question, *(f"{words(draw, 2)} {word} {words(draw, 4)}" for word in (good, bad)), draw


def around(before: str, after: str = ""):
    """A form in which both texts hold the prompt, in a template."""

    def row(i, question, better, worse, draw):
        return {
            name: before.format(q=question, i=i) + answer + after.format(q=question)
            for name, answer in (("chosen", better), ("rejected", worse))
        }

    return row


def messages(*before):
    def row(i, question, better, worse, draw):
        start = [
            {"role": role, "content": text.format(q=question, w=words(draw, 4))} for role, text in before
        ]
        return {
            name: [*start, {"role": "assistant", "content": answer}]
            for name, answer in (("chosen", better), ("rejected", worse))
        }

    return row


def beside(make):
    """A form in which other columns stand beside the two answers."""
    return lambda i, q, better, worse, draw: {**make(i, q, draw), "chosen": better, "rejected": worse}


def turns(i, question, better, worse, draw):
    start = f"\n\nHuman: {question}\n\nAssistant: {words(draw, 5)}\n\nHuman: {words(draw, 3)}\n\nAssistant: "
    return {"chosen": start + better, "rejected": start + worse}


def two_preambles(i, question, better, worse, draw):
    return around(f"{PREAMBLE if i % 2 else OTHER_PREAMBLE} {{q}} ")(i, question, better, worse, draw)


USER, SYSTEM = ("user", "{q}"), ("system", "Be kind.")
FORMS = {
    "a prompt": beside(lambda i, q, draw: {"prompt": q}),
    "a prompt, spaced and capitalised in many ways": beside(
        lambda i, q, draw: {"prompt": draw.choice([q, q.upper(), f"  {q} ", q.replace(" ", "  ")])}
    ),
    "a prompt of messages, with a system text of its own in each pair": beside(
        lambda i, q, draw: {"prompt": [{"role": "system", "content": words(draw, 3)}, {"role": "user", "content": q}]}
    ),
    "a prompt of many turns, as in HelpSteer 2": beside(
        lambda i, q, draw: {"prompt": f"{q}\n<extra_id_1>Assistant\n{words(draw, 4)}\n<extra_id_1>User\n{words(draw, 3)}"}
    ),
    "an instruction": beside(lambda i, q, draw: {"instruction": q}),
    "a number of the prompt": beside(lambda i, q, draw: {"prompt_id": f"id{i}"}),
    "a number of the prompt, inside another column": beside(lambda i, q, draw: {"meta": {"source": {"question_id": i}}}),
    "HH": around("\n\nHuman: {q}\n\nAssistant: "),
    "HH, at a later turn": turns,
    "ChatML": around(
        "<|im_start|>system\nBe kind<|im_end|>\n<|im_start|>user\n{q}<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>"
    ),
    "Llama 2": around("<s>[INST] {q} [/INST] ", "</s>"),
    "Gemma": around("<start_of_turn>user\n{q}<end_of_turn>\n<start_of_turn>model\n"),
    "Alpaca": around(PREAMBLE + "\n\n### Instruction:\n{q}\n\n### Response:\n"),
    "Q and A": around("Q: {q}\nA: "),
    "the prompt before the answer": around("{q} "),
    "the prompt before the answer, after a preamble": around(PREAMBLE + " {q} "),
    "one of two preambles, the prompt, the answer": two_preambles,
    "the prompt after the answer": around("", "\n(answer to: {q})"),
    "no spaces": around("คำถามที่{i}คืออะไรครับ"),
    "messages": messages(SYSTEM, USER),
    "messages, at a later turn": messages(SYSTEM, USER, ("assistant", "{w}"), ("user", "{w}")),
    "a prompt, and messages that begin with it": lambda i, q, better, worse, draw: {
        "prompt": q, **messages(USER)(i, q, better, worse, draw)
    },
}  # fmt: skip


def load(tmp_path, form):
    """The file, and the number of the prompt of each of its pairs."""
    rows = [(number, FORMS[form](number, *rest)) for number, *rest in comparisons()]
    random.Random(1).shuffle(rows)
    path = tmp_path / "lots.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for _, row in rows), encoding="utf-8")
    return rl.load_preferences(path), np.array([number for number, _ in rows])


@pytest.mark.parametrize("form", FORMS)
def test_no_prompt_stands_on_both_sides_or_a_warning_says_so(tmp_path, form):
    preferences, prompts = load(tmp_path, form)
    split = splitting.held_out_rows(preferences, 0.1, 10_000)
    assert 0.05 * len(prompts) <= split.held_out.sum() <= 0.2 * len(prompts)
    if set(prompts[split.held_out]) & set(prompts[~split.held_out]):
        (warning,) = split.warnings
        assert "may be too good" in warning and "--prompt-column" in warning
    assert bool(split.warnings) == (form == "one of two preambles, the prompt, the answer")


def accuracy(preferences) -> float:
    config = rl.TextConfig(epochs=12, log_every=0, patience=None, weight_decay=0.0)
    return rl.train_on_preferences(preferences, config=config, say=lambda line: None).metrics["held_out"][
        "accuracy"
    ]


@pytest.mark.slow
def test_a_split_by_rows_would_report_what_it_can_not_know_and_ours_reports_a_guess(tmp_path, monkeypatch):
    preferences, prompts = load(tmp_path, "HH")
    # 20 prompts or so are held out, so the share of lots that a guess gets right has a standard deviation of 0.11.
    assert abs(accuracy(preferences) - 0.5) < 0.4
    by_row = SimpleNamespace(held_out=np.arange(len(prompts)) % 10 == 0, warnings=[])
    monkeypatch.setattr(training, "held_out_rows", lambda *_: by_row)
    assert accuracy(preferences) > 0.95


def test_held_out_pairs_of_another_file_are_held_against_the_training_file_in_the_same_way(tmp_path):
    for form in ("HH", "an instruction", "messages, at a later turn"):
        preferences, prompts = load(tmp_path, form)
        lines = preferences.path.read_text(encoding="utf-8").splitlines(keepends=True)
        files = [tmp_path / "even.jsonl", tmp_path / "odd.jsonl"]
        for parity, path in enumerate(files):
            path.write_text(
                "".join(line for number, line in enumerate(lines) if number % 2 == parity), encoding="utf-8"
            )
        even, odd = map(rl.load_preferences, files)
        known = np.isin(prompts[1::2], prompts[::2])
        assert (odd.links.shared_with(even.links) >= known).all()
