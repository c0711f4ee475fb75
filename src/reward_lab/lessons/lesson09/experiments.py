"""The experiments of lesson 9: a pool of real answers, reward models, best-of-n, DPO with LoRA, a biased judge."""

import contextlib
import importlib.util
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from reward_lab import statistics
from reward_lab.language import ecosystem
from reward_lab.lessons.starting import attempt as attempt
from reward_lab.progress import duration

from .answers import Pool, Sizes, asked, draw_pool, load_model
from .answers import find_model as find_model
from .answers import load_tokenizer as load_tokenizer
from .answers import prompt_ids as prompt_ids
from .answers import what_it_needs as what_it_needs
from .judge import BIAS, Judge, expected_accuracy, word_counts
from .judge import gold as gold
from .judge import words as words
from .policies import DPORun as DPORun
from .policies import measured, of_the_reference
from .rewards import Curve, Fitted, best_of_n_curve, fit_judged, held_out_pairs, powers, training_pairs

PEOPLE, BIASED = Judge(), Judge(BIAS)
ALIKE = 1
"""The mend: only answers whose lengths differ by so many words at most are judged against each other."""
EACH = 8
"""Judged pairs of each training prompt."""


def _say(line: str) -> None:
    print(line, flush=True)


def answers(source: str, device: str, seed: int) -> Pool:
    """The pool of answers: a minute or two of one core, seconds on a GPU. Says how far it is."""
    start, sizes = time.perf_counter(), Sizes.on(device)
    pool = draw_pool(source, device, sizes, seed, _say)
    tokens = int(pool.drawn.mask.sum())
    _say(f"{len(pool.texts)} answers, {tokens:,} tokens, in {duration(time.perf_counter() - start)}")
    return pool


def reward_models(pool: Pool, judge: Judge, seeds: Sequence[int], **settings: object) -> list[Fitted]:
    """A reward model for each seed of the judge's hesitations, all on the same answers. `settings`: see fit_judged."""
    return [fit_judged(pool, judge, seed, **settings) for seed in seeds]


def lora_reward_model(source: str, device: str, pool: Pool, seed: int) -> Fitted:
    """A reward model that trains the language model too, on the pairs of `reward_models`. Seconds on a GPU."""
    start = time.perf_counter()
    first, second = training_pairs(pool, EACH, seed)
    pairs = PEOPLE.prefer(PEOPLE.scores(pool.texts), first, second, seed)
    with _quietly() as say:
        from . import lora_reward  # TRL takes seconds to import, and is not there everywhere

        reward = lora_reward.train(source, device, pool, pairs, seed)
        say(f"LoRA: {len(first)} judged pairs, {duration(time.perf_counter() - start)}")
    return Fitted(reward, torch.zeros(0), len(first))


def accuracies(pool: Pool, fitted: Sequence[Fitted], judge: Judge = PEOPLE) -> list[float]:
    """Expected accuracy of each reward on all held-out pairs, by this judge's judgements."""
    scores, (first, second) = judge.scores(pool.texts), held_out_pairs(pool)
    return [expected_accuracy(one.reward, scores, first, second) for one in fitted]


def best_accuracy(pool: Pool, judge: Judge = PEOPLE) -> float:
    """What the judge's own scores get: nobody gets more, as the judge hesitates."""
    scores = judge.scores(pool.texts)
    return expected_accuracy(scores, scores, *held_out_pairs(pool))


def curves(pool: Pool, fitted: Sequence[Fitted]) -> list[Curve]:
    """Best-of-n by each reward."""
    return [best_of_n_curve(pool, one.reward) for one in fitted]


def limit_curve(pool: Pool) -> Curve:
    """Best-of-n by the gold score itself: no reward model gives more."""
    return best_of_n_curve(pool, gold(pool.texts))


def pays_for_length(pool: Pool, fitted: Sequence[Fitted]) -> list[float]:
    """Correlation of each reward with the number of words, over the held-out prompts' answers."""
    length = word_counts(pool.texts[pool.trained_on :])
    return [
        torch.corrcoef(torch.stack([one.reward[pool.trained_on :], length]))[0, 1].item() for one in fitted
    ]


def dpo_run(source: str, device: str, pool: Pool, reward: Fitted, seed: int) -> DPORun:
    """DPO with LoRA on the readers' pairs, measured at the start, perhaps along the way, and at the end."""
    start, sizes = time.perf_counter(), Sizes.on(device)
    scores = PEOPLE.scores(pool.texts)
    pairs = PEOPLE.prefer(scores, *training_pairs(pool, EACH, seed), seed)
    along = [of_the_reference(pool, reward, seed)]

    def each(model, step: int) -> None:
        if step in at:
            along.append(measured(model, source, reward, pool, sizes, step, seed))
        seconds = time.perf_counter() - start
        say(f"step {step} of {sizes.steps}, {duration(seconds * (sizes.steps - step) / step)} to go")

    with _quietly() as say:
        from . import with_trl  # TRL takes seconds to import, and is not there everywhere

        at = [sizes.steps * k // sizes.measured for k in range(1, sizes.measured + 1)]
        log = with_trl.train(source, device, pool, pairs, sizes.steps, seed, each)
    return DPORun(along, log, len(pairs[0]))


def fresh_judgements(pool: Pool, reward: Fitted, budget: int, seed: int) -> tuple[list[int], list[Tensor]]:
    """A budget of fresh judgements spent on best-of-n for several n, each answer against one draw of the reference.

    Returns:
        Each n, and for each the outcomes of its comparisons: 1 won, 0 lost.
    """
    ns = powers(pool)
    return ns, [_compared(pool, reward, n, budget // len(ns), PEOPLE, seed + n)[0] for n in ns]


def win_rates(
    pool: Pool, fitted: Sequence[Fitted], judge: Judge, n: int = 16, comparisons: int = 800
) -> list[tuple[float, float]]:
    """Of best-of-n by each reward against the reference: the win rate by this judge, and the length-controlled one."""
    found = []
    for seed, one in enumerate(fitted):
        won, longer = _compared(pool, one, n, comparisons, judge, seed)
        controlled = statistics.length_controlled_win_rate(won.tolist(), longer.tolist())
        found.append((won.mean().item(), controlled))
    return found


def _compared(
    pool: Pool, reward: Fitted, n: int, count: int, judge: Judge, seed: int
) -> tuple[Tensor, Tensor]:
    """Best-of-n against one draw of the reference: outcomes, and by how many words the first is longer."""
    draws, scores, groups = torch.Generator().manual_seed(seed), judge.scores(pool.texts), pool.groups()
    length = word_counts(pool.texts)
    sent, others = [], []
    for number in range(count):
        rows = groups[number % len(groups)]
        some = rows[torch.randperm(len(rows), generator=draws)[:n]]
        sent.append(some[reward.reward[some].argmax()])
        others.append(rows[torch.randint(len(rows), (), generator=draws)])
    first, second = torch.stack(sent), torch.stack(others)
    chance = torch.sigmoid(scores[first] - scores[second])
    won = torch.rand(count, generator=draws, dtype=torch.float64) < chance
    return won.double(), length[first] - length[second]


class Written(NamedTuple):
    """A reader's row of a conversation: where the answer begins, where the model began, and the text of both parts."""

    start: int
    began: int
    given: str
    counted: str


def on_the_real_tokenizer(conversation_row, source: str, pool: Pool) -> Written:
    """A reader's function on the real tokenizer, with the pool's first answer."""
    tokenizer, prompt = load_tokenizer(source), pool.prompts[0]
    answer = {"role": "assistant", "content": pool.texts[0]}
    row, start = conversation_row(tokenizer, [*asked(prompt), answer])
    began = len(prompt_ids(tokenizer, prompt))
    return Written(start, began, tokenizer.decode(row[:start]), tokenizer.decode(row[start:]))


def on_the_real_model(
    answer_log_probs, source: str, device: str, pool: Pool, count: int = 4
) -> tuple[Tensor, Tensor]:
    """A reader's function on the real model, and what was recorded when the same answers were drawn: (count,) each."""
    model, tokenizer = load_model(source, device), load_tokenizer(source)
    numbers = [int(rows[0]) for rows in pool.groups()][:count]
    before = [prompt_ids(tokenizer, pool.prompts[i]) for i in numbers]
    rows = [ids + pool.drawn.rows(i) for ids, i in zip(before, numbers, strict=True)]
    starts = [len(ids) for ids in before]
    with torch.no_grad(), ecosystem.quiet():
        found = answer_log_probs(model, rows, starts, tokenizer.pad_token_id)
    return found.cpu(), pool.drawn.log_probs[numbers].sum(dim=1)


def missing_for_trl() -> list[str]:
    """Which packages that LoRA and DPO need are not installed."""
    return [name for name in ("trl", "peft", "datasets") if importlib.util.find_spec(name) is None]


def real_preferences(data: str, backbone: str, rows: int, by: str | None) -> int:
    """A reward model on public preferences: see hub.train_and_evaluate. It stays in the folder `real_preferences`."""
    from . import hub  # needs `datasets`

    return hub.train_and_evaluate(data, backbone, Path("real_preferences"), rows, by)


@contextlib.contextmanager
def _quietly() -> Iterator:
    """No bars and logs of TRL, no global generator moved; gives a function that prints all the same."""
    out = sys.stdout
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        with ecosystem.quiet():
            yield lambda line: print(line, file=out, flush=True)
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])
