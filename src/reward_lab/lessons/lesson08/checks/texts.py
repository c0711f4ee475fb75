"""TODO 2: the log-probability of an answer."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.judging import GRADIENT, Outcome, expect_like, normal, numbers_of
from reward_lab.checks.subject import Subject
from reward_lab.rlhf.dpo import sequence_log_probs as right_log_probs

sequence_log_probs = Exercise(
    "sequence_log_probs",
    first_step="Write one text down, and below each token which place's logits were asked about it.",
)

LogProbs = Callable[[Tensor, Tensor, Tensor], Tensor]


def scored_with(
    words: Callable[[Tensor], Tensor] | None = None,
    shift: int = 1,
    mask_shift: int = 1,
    reduce: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> LogProbs:
    """The right answer, but for its log-softmax, its shift of tokens or mask, or how it puts tokens together."""

    def answer(logits: Tensor, token_ids: Tensor, mask: Tensor) -> Tensor:
        seq = token_ids.shape[1]
        counts = mask.bool()[:, mask_shift : seq - 1 + mask_shift]
        targets = token_ids[:, shift : seq - 1 + shift].clamp(min=0)
        log_probs = (words or (lambda x: x.log_softmax(-1)))(logits[:, : seq - 1])
        picked = log_probs.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
        return (reduce or (lambda x, m: (x * m).sum(1)))(picked, counts)

    return answer


def _last_token_dropped(logits: Tensor, token_ids: Tensor, mask: Tensor) -> Tensor:
    return right_log_probs(logits[:, :-1], token_ids[:, :-1], mask[:, :-1])


def _backwards(logits: Tensor, token_ids: Tensor, mask: Tensor) -> Tensor:
    """Logits at t about token t - 1."""
    counts, targets = mask.bool()[:, :-1], token_ids[:, :-1].clamp(min=0)
    picked = logits[:, 1:].log_softmax(-1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    return (picked * counts).sum(1)


def _no_shift(logits: Tensor, token_ids: Tensor, mask: Tensor) -> Tensor:
    picked = logits.log_softmax(-1).gather(-1, token_ids.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    return (picked * mask.bool()).sum(1)


def _over_the_batch(logits: Tensor, token_ids: Tensor, mask: Tensor) -> Tensor:
    return right_log_probs(logits, token_ids, mask).sum().expand(len(logits))


def _softmax_over_places(logits: Tensor) -> Tensor:
    return logits.log_softmax(dim=1)


TEXT_MISTAKES: dict[str, LogProbs | list[LogProbs]] = {
    "This is the mean over the tokens. A text's log-probability is the sum.": scored_with(
        reduce=lambda x, m: (x * m).sum(1) / m.sum(1).clamp(min=1)
    ),
    "This is the mean over all places, padding included. A text's log-probability is the sum.": scored_with(
        reduce=lambda x, m: (x * m).mean(1)
    ),
    "Nothing is shifted: the logits at place t are about token t + 1.": _no_shift,
    "It is shifted the wrong way: the logits at place t are about token t + 1, not t - 1.": _backwards,
    "The mask is not shifted along with the tokens: it, too, starts at token 1.": scored_with(mask_shift=0),
    "The mask is not used: prompt and padding count too.": scored_with(reduce=lambda x, m: x.sum(1)),
    "The mask is turned round: 1 marks the tokens that count.": scored_with(
        reduce=lambda x, m: (x * ~m).sum(1)
    ),
    "Softmax first and log second: an unlikely token has probability 0 in float32, and its log is -infinity. "
    "Use `log_softmax`.": scored_with(words=lambda x: x.softmax(-1).log()),
    "A small number inside the log hides that an unlikely token has probability 0 in float32. Use `log_softmax`.": [
        scored_with(words=lambda x, e=e: (x.softmax(-1) + e).log()) for e in (1e-6, 1e-8, 1e-9, 1e-10, 1e-12)
    ],
    "Probabilities are added up. Their logarithms are asked for.": scored_with(words=lambda x: x.softmax(-1)),
    "These are the logits themselves. They become log-probabilities by `log_softmax`.": scored_with(
        words=lambda x: x
    ),
    "The softmax goes over the places. It goes over the vocabulary, the last dimension.": scored_with(
        words=_softmax_over_places
    ),
    "The last token is dropped.": _last_token_dropped,
    "The sign is wrong: this is the loss of a language model. A log-probability is never above 0.": scored_with(
        reduce=lambda x, m: -(x * m).sum(1)
    ),
    "All texts are added together. One number a text is asked for.": _over_the_batch,
    "This is the probability of the text. Its logarithm is asked for.": scored_with(
        reduce=lambda x, m: (x * m).sum(1).exp()
    ),
    "This is the likelihood of the least likely token. All that count are added up.": scored_with(
        reduce=lambda x, m: (x * m).amin(1)
    ),
    "The logits are detached, so nothing can be learnt from the result.": lambda x, t, m: (
        right_log_probs(x.detach(), t, m) + 0 * x.sum((1, 2))
    ),
}


def _read(value: object, arguments: tuple) -> Outcome:
    logits = arguments[0]
    numbers, gradients = value if type(value) is tuple and len(value) == 2 else (value, None)
    likely = "One number a text is asked for: add up over the tokens."
    outcome = {"the log-probability": numbers_of(numbers, (len(logits),), "the result", likely)}
    if gradients is None:
        raise Mistake(
            "a result that gradients flow from",
            "a tensor that is cut off from `logits`",
            "Something detached it: look for .detach(), .item(), torch.tensor(...) or torch.no_grad() around it.",
        )
    (gradient,) = gradients
    gradient = torch.zeros_like(logits) if gradient is None else gradient
    outcome[f"{GRADIENT}`logits`"] = gradient.detach().cpu().double()
    return outcome


def _check(subject: Subject, *calls: tuple) -> None:
    expect_like(subject, right_log_probs, TEXT_MISTAKES, calls, _read, "differentiate")


def _texts(
    draw: torch.Generator,
    batch: int,
    seq: int,
    vocab: int,
    filler: int | None = None,
    kind: torch.dtype = torch.int64,
    scale: float = 2.0,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor, Tensor]:
    """Texts with prompts and padding of any length. Where the mask is 0 stands `filler`, or any token if it is None."""
    logits = normal(draw, batch, seq, vocab, scale=scale, dtype=dtype).requires_grad_()
    token_ids = torch.randint(vocab, (batch, seq), generator=draw)
    start = torch.randint(1, seq // 2 + 1, (batch, 1), generator=draw)
    end = torch.randint(seq // 2 + 1, seq + 1, (batch, 1), generator=draw)
    end[0] = seq  # at least one text without padding
    places = torch.arange(seq)
    mask = (places >= start) & (places < end)
    if filler is not None:
        token_ids = torch.where(mask, token_ids, filler)
    return logits, token_ids, mask.to(kind)


@sequence_log_probs.case("the three tokens of the lesson", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    ids = torch.tensor([[1, 3, 0]])
    tilted = F.one_hot(torch.tensor([[3, 0, 2]]), 4).float().mul(2.0)
    calls = [(x.requires_grad_(), ids, torch.tensor([[0, 1, 1]])) for x in (torch.zeros(1, 3, 4), tilted)]
    _check(subject, *calls)


@sequence_log_probs.case("random texts, with the gradient of every logit", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(
        subject,
        _texts(draw, 6, 9, 7),
        _texts(draw, 3, 5, 40, kind=torch.bool, dtype=torch.float64),
        _texts(draw, 1, 8, 3, kind=torch.float32),
    )


@sequence_log_probs.case("-100 where the mask is 0, and a first token that never counts", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    logits, token_ids, mask = _texts(draw, 5, 7, 6)
    first = mask.clone()
    first[:2, :2] = 1
    nothing = mask.clone()
    nothing[-1] = 0
    _check(
        subject,
        _texts(draw, 5, 8, 6, filler=-100),
        (logits, token_ids, first),
        (logits, token_ids, nothing),
    )


@sequence_log_probs.case("tokens that are very unlikely", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check(subject, _texts(draw, 6, 9, 7, scale=80.0), _texts(draw, 4, 6, 5, scale=30.0))
