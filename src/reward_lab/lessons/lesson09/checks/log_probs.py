"""TODO 2: log-probabilities of answers from a model that is called as those of transformers are."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.judging import Outcome, expect_like, normal, numbers_of
from reward_lab.checks.probes import Probe
from reward_lab.checks.subject import Subject
from reward_lab.lessons.lesson09.scoring import answer_log_probs as right_log_probs
from reward_lab.rlhf.dpo import sequence_log_probs

from . import probes as probes

answer_log_probs = Exercise(
    "answer_log_probs",
    first_step="Write two conversations of different lengths below each other, pad the shorter one, and mark the answers.",
)

Rows = Sequence[Sequence[int]]
LogProbs = Callable[[object, Rows, Sequence[int], int], Tensor]


def scored_with(
    left: bool = False,
    attention: bool = True,
    by_id: bool = False,
    shift: int = 0,
    last: int = 0,
    reduce: Callable[[Tensor, Tensor], Tensor] | None = None,
    everything: bool = False,
) -> LogProbs:
    """The right answer, but for where it pads, what it masks, where an answer begins and ends, how tokens come together."""

    def answer(model, rows: Rows, starts: Sequence[int], pad_id: int) -> Tensor:
        width = max(map(len, rows))
        gaps = [width - len(row) for row in rows]
        front = gaps if left else [0] * len(rows)
        ids, there, counts = [], [], []
        for row, start, gap, before in zip(rows, starts, gaps, front, strict=True):
            after = gap - before
            ids.append([pad_id] * before + list(row) + [pad_id] * after)
            there.append([0] * before + [1] * len(row) + [0] * after)
            first = 0 if everything else max(0, start + shift)
            marks = [int(first <= t < len(row) - last) for t in range(len(row))]
            counts.append([0] * before + marks + [0] * after)
        ids, there, counts = (torch.tensor(x, device=model.device) for x in (ids, there, counts))
        if by_id:
            there, counts = (ids != pad_id).long(), counts * (ids != pad_id)
        logits = model(ids, attention_mask=there).logits if attention else model(ids).logits
        if reduce is None:
            return sequence_log_probs(logits, ids, counts)
        picked = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
        return reduce(picked, counts[:, 1:])

    return answer


def _no_shift(model, rows: Rows, starts: Sequence[int], pad_id: int) -> Tensor:
    """Logits at t about token t."""
    sums = []
    for row, start in zip(rows, starts, strict=True):
        ids = torch.tensor([row], device=model.device)
        likely = model(ids, attention_mask=torch.ones_like(ids)).logits.log_softmax(-1)
        sums.append(likely.gather(-1, ids[..., None])[0, start:, 0].sum())
    return torch.stack(sums)


def _answer_alone(model, rows: Rows, starts: Sequence[int], pad_id: int) -> Tensor:
    """The answers go through the model without their prompts."""
    return right_log_probs(model, [r[s:] for r, s in zip(rows, starts, strict=True)], [0] * len(rows), pad_id)


def _first_start(model, rows: Rows, starts: Sequence[int], pad_id: int) -> Tensor:
    return right_log_probs(model, rows, [starts[0]] * len(rows), pad_id)


MISTAKES: dict[str, LogProbs | list[LogProbs]] = {
    "Padding is told by its id. Here the same id ends every turn, so real tokens are lost. Tell padding by length.": (
        scored_with(by_id=True)
    ),
    "It is padded on the left, and no `position_ids` are given: every token of a shorter row stands at a wrong place.": [
        scored_with(left=True), scored_with(left=True, attention=False)
    ],
    "The first token of the answer is left out: `start` is its place, and the logits at `start - 1` are about it.": (
        scored_with(shift=1)
    ),
    "One token of the prompt counts too: the answer begins at `start`.": scored_with(shift=-1),
    "The last token of the answer is left out.": scored_with(last=1),
    "The prompt counts too. Only tokens from `start` on belong to the answer.": scored_with(everything=True),
    "This is the mean over the tokens. A log-probability is the sum.": scored_with(
        reduce=lambda x, m: (x * m).sum(1) / m.sum(1).clamp(min=1)
    ),
    "The sign is wrong: this is the loss. A log-probability is never above 0.": scored_with(
        reduce=lambda x, m: -(x * m).sum(1)
    ),
    "This is the probability. Its logarithm is asked for.": scored_with(reduce=lambda x, m: (x * m).sum(1).exp()),
    "Padding counts too: the answer ends where its row ends.": scored_with(
        reduce=lambda x, m: (x * (m.cumsum(1) > 0)).sum(1)
    ),
    "Nothing is shifted: the logits at place t are about token t + 1.": _no_shift,
    "The answers are read without their prompts. The whole conversation goes through the model.": _answer_alone,
    "All rows are cut at the first row's start. Each has its own.": _first_start,
    "All answers are added together. One number an answer is asked for.": scored_with(
        reduce=lambda x, m: (x * m).sum().expand(len(x))
    ),
}  # fmt: skip


def _read(value: object, arguments: tuple) -> Outcome:
    found = numbers_of(
        value,
        (len(arguments[1]),),
        "the result",
        "One number an answer is asked for: add up over its tokens.",
    )
    if not value.requires_grad:
        raise Mistake(
            "a result that gradients flow from",
            "a tensor that is cut off from the model",
            "Something detached it: look for .detach(), .item(), torch.tensor(...) or torch.no_grad() around it.",
        )
    return {"the log-probability": found}


def _check(subject: Subject, *calls: tuple) -> None:
    expect_like(subject, right_log_probs, MISTAKES, calls, _read)


def _model(draw: torch.Generator, vocab: int, scale: float = 1.5) -> Probe:
    tables = {"table": normal(draw, vocab, vocab, scale=scale), "places": normal(draw, 40, vocab)}
    return Probe("causal_model", tables)


def _rows(
    draw: torch.Generator, vocab: int, lengths: Sequence[int], end: int | None = None
) -> tuple[list, list]:
    """Conversations of these lengths, and where their answers begin; `end` stands at the end of both turns."""
    rows, starts = [], []
    for length in lengths:
        row = torch.randint(1, vocab, (length,), generator=draw).tolist()
        start = int(torch.randint(2, length - 1, (1,), generator=draw))
        if end is not None:
            row[start - 1] = row[-1] = end
        rows.append(row)
        starts.append(start)
    return rows, starts


@answer_log_probs.case("one conversation", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    flat = Probe("causal_model", {"table": torch.zeros(4, 4), "places": torch.zeros(40, 4)})
    calls = [(flat, [[1, 3, 0, 2]], [2], 0)]
    _check(subject, *calls, *((_model(draw, 9), *_rows(draw, 9, [n]), 0) for n in (6, 11)))


@answer_log_probs.case("conversations of different lengths", points=1.0)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = [(_model(draw, 9), *_rows(draw, 9, lengths), 0) for lengths in ([5, 9, 7, 12], [8, 4])]
    calls.append((_model(draw, 30), *_rows(draw, 30, [33, 24, 28, 8]), 0))
    long = _rows(draw, 9, [6, 12])
    _check(subject, *calls, (_model(draw, 9), long[0], [2, 10], 0), (_model(draw, 9), long[0], [4, 3], 0))


@answer_log_probs.case("a padding token that also ends every turn", points=1.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    calls = [(_model(draw, 11), *_rows(draw, 11, lengths, end=2), 2) for lengths in ([7, 10, 5], [6, 13, 9])]
    _check(subject, *calls, (_model(draw, 6, scale=30.0), *_rows(draw, 6, [8, 6], end=1), 1))
