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
from tests.text.test_preferences import written

EACH = 8

SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
TOPICS = tuple(
    f"{a}{b}{c}" for a, b, c in zip(SYLLABLES, SYLLABLES[7:] * 2, SYLLABLES[23:] * 3, strict=False)
)
FILLERS = ("bada", "kilo", "remu", "tofi", "sani", "walo", "peri", "mudo", "lani", "rosu", "gefa", "hito")  # fmt: skip
PREAMBLE = "Below is an instruction that describes a task. Write a response that completes the request well."
OTHER_PREAMBLE = "You are a helpful assistant who answers short and well."


def words(draw: random.Random, count: int) -> str:
    return " ".join(draw.choice(FILLERS) for _ in range(count))


def comparisons(prompts: int = 300):
    """(number of the prompt, prompt, better answer, worse answer, generator) of each pair."""
    draw = random.Random(0)
    for i in range(prompts):
        question = f"What do you know about {' '.join(draw.choices(TOPICS, k=draw.randint(5, 10)))}?"
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


def mistyped(question: str, draw: random.Random, instead: str = "x") -> str:
    """One word has another end, or is not there."""
    parts = question.split()
    place = draw.randrange(len(parts))
    parts[place] = parts[place][:-1] + instead if instead else ""
    return " ".join(parts)


def middle(form: str):
    """A form in which both texts hold the prompt, and no two texts begin or end alike."""

    def row(i, question, better, worse, draw):
        sides = zip(("chosen", "rejected"), (better, worse), strict=True)
        return {name: form.format(q=question, answer=answer, before=words(draw, 3)) for name, answer in sides}

    return row


UNSURE = ("a number with a name that says nothing", "the address of the question", "no prompt")
"""Forms of which a warning says that no prompt was found."""
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
    "a prompt that is numbered": beside(lambda i, q, draw: {"prompt": f"Q{draw.randint(1, 999)}: {q}"}),
    "a prompt after a system text of its own": beside(lambda i, q, draw: {"prompt": f"You are {words(draw, 4)}. {q}"}),
    "a prompt with a date": beside(lambda i, q, draw: {"prompt": f"{q} ({draw.randint(1900, 2100)}-{draw.randint(1, 12)})"}),
    "a prompt, marked up in many ways": beside(
        lambda i, q, draw: {"prompt": draw.choice(["“{}”", "**{}**", "> {}", "<p>{}</p>", "{}??"]).format(q)}
    ),
    "a prompt with a typing error": beside(lambda i, q, draw: {"prompt": mistyped(q, draw)}),
    "a prompt that lacks a word": beside(lambda i, q, draw: {"prompt": mistyped(q, draw, "")}),
    "a prompt, and what was said since": beside(
        lambda i, q, draw: {"prompt": "\n".join([q, *(words(draw, 7) for _ in range(2 * draw.randint(0, 2)))])}
    ),
    "qid": beside(lambda i, q, draw: {"qid": i}),
    "a number with a name that says nothing": beside(lambda i, q, draw: {"题号": f"n{i}", "model": draw.choice("abcdef")}),
    "the address of the question": beside(lambda i, q, draw: {"url": f"https://a.org/{i}", "votes": draw.randint(1, 9)}),
    "the prompt in one of the answers": lambda i, q, better, worse, draw: {
        "chosen": f"Question: {q}\nAnswer: {better}", "rejected": worse
    },
    "the prompt in the middle": middle("{before} You asked: {q} {answer}"),
    "the prompt between the answer and an end": middle("{answer} ({q}) {before}"),
    "the prompt in a page": middle('<div id="{before}"><b>{q}</b><p>{answer}</p></div>'),
    "the prompt before the answer, after a system text of its own": lambda i, q, better, worse, draw: around(
        f"You are {words(draw, 4)}. {{q}} "
    )(i, q, better, worse, draw),
    "no prompt": beside(lambda i, q, draw: {}),
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
    assert bool(split.warnings) == (form in UNSURE)


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


def test_short_answers_that_come_again_are_told(tmp_path):
    """Of 300 names a lot says which is better, so that whoever knows a name from training is right of it."""
    draw = random.Random(0)
    worth = {f"item {number}": draw.random() for number in range(300)}
    for prompt in (lambda n: {}, lambda n: {"prompt": f"{words(draw, 3)} {n}?"}):
        rows = []
        for number in range(1500):
            worse, better = sorted(draw.sample(list(worth), 2), key=worth.__getitem__)
            rows.append(prompt(number) | {"chosen": better, "rejected": worse})
        preferences = rl.load_preferences(written(tmp_path, *rows))
        told = " ".join(splitting.held_out_rows(preferences, 0.1, 10_000).warnings)
        assert "have a short answer that is also in training pairs" in told
