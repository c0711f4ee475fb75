"""TODO 1: the loss of next-token prediction."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from reward_lab.checks.exercise import Exercise
from reward_lab.checks.judging import GRADIENT, Outcome, expect_like, levels_off, loss_and_gradients
from reward_lab.checks.subject import Subject
from reward_lab.language.backbone import next_token_loss as right_loss

from .texts import lengths_with_a_full_row, mask_of

next_token_loss = Exercise(
    "next_token_loss",
    first_step="Write under each place of the three-word text the token that it has to predict.",
)

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def _costs(logits: Tensor, token_ids: Tensor) -> Tensor:
    """Cross-entropy at every place: (batch, seq)."""
    return F.cross_entropy(logits.transpose(1, 2), token_ids, reduction="none")


def _mean_over(costs: Tensor, counts: Tensor) -> Tensor:
    return costs[counts.bool()].mean()


def _row_by_row(logits: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
    costs, counts = _costs(logits[:, :-1], ids[:, 1:]), mask[:, 1:]
    return ((costs * counts).sum(dim=1) / counts.sum(dim=1).clamp(min=1)).mean()


def _flattened_then_shifted(logits: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
    costs = F.cross_entropy(logits.flatten(0, 1)[:-1], ids.flatten()[1:], reduction="none")
    return _mean_over(costs, mask.flatten()[1:])


STOPS_GROWING = (
    "A small number inside the log, or a clamp, hides the overflow, but the loss of an unlikely token stops growing there. "
    "Use `F.cross_entropy` or `log_softmax`."
)

LOSS_MISTAKES: dict[str, Loss] = {
    "The shift is missing: each place is asked for its own token, which the model sees. Such a loss falls to 0, "
    "and teaches only copying.": lambda lg, ids, m: _mean_over(_costs(lg, ids), m),
    "The shift is the wrong way round: place t has to predict the token at t + 1.": lambda lg, ids, m: (
        _mean_over(_costs(lg[:, 1:], ids[:, :-1]), m[:, :-1])
    ),
    "Padding counts as a target here. Leave out every target where the mask is 0.": lambda lg, ids, m: _costs(
        lg[:, :-1], ids[:, 1:]
    ).mean(),
    "The mask was not shifted with the targets, so the first padding after each text counts as a target: use "
    "`attention_mask[:, 1:]`.": lambda lg, ids, m: _mean_over(_costs(lg[:, :-1], ids[:, 1:]), m[:, :-1]),
    "The sum over real targets is divided by the number of all targets. Divide by the number of real ones.": (
        lambda lg, ids, m: (_costs(lg[:, :-1], ids[:, 1:]) * m[:, 1:]).mean()
    ),
    "The sum is divided by the number of real tokens. The first token of a text is no target: divide by "
    "`attention_mask[:, 1:].sum()`.": lambda lg, ids, m: (
        (_costs(lg[:, :-1], ids[:, 1:]) * m[:, 1:]).sum() / m.sum()
    ),
    "This is the mean of each text's mean. Short texts then weigh more: take one mean over all real targets.": (
        _row_by_row
    ),
    "This is the sum over targets. The mean is asked for.": lambda lg, ids, m: (
        _costs(lg[:, :-1], ids[:, 1:]) * m[:, 1:]
    ).sum(),
    "The sign is wrong: the loss is minus the log-probability.": lambda lg, ids, m: -right_loss(lg, ids, m),
    "Token id 0 was taken for padding. The mask says what padding is, whatever the id.": lambda lg, ids, m: (
        _mean_over(_costs(lg[:, :-1], ids[:, 1:]), m[:, 1:] * (ids[:, 1:] != 0))
    ),
    "The log is missing: this is minus the mean probability of the targets.": lambda lg, ids, m: _mean_over(
        -torch.exp(-_costs(lg[:, :-1], ids[:, 1:])), m[:, 1:]
    ),
    "The logits went through a softmax before the cross-entropy, which applies one itself.": lambda lg, ids, m: (
        right_loss(lg.softmax(dim=-1), ids, m)
    ),
    "The log is to base 2 here. Nats are asked for, the natural logarithm.": lambda lg, ids, m: (
        right_loss(lg, ids, m) / 0.6931471805599453
    ),
    "Softmax first and log second breaks down: the probability of an unlikely token is 0 in float32. Use "
    "`F.cross_entropy` or `log_softmax`.": lambda lg, ids, m: _mean_over(
        -torch.log(lg[:, :-1].softmax(dim=-1).gather(2, ids[:, 1:].unsqueeze(2)).squeeze(2)), m[:, 1:]
    ),
    "Rows were put end to end before the shift, so the first token of a text counts as the target of the text before it. "
    "Shift first, then flatten.": _flattened_then_shifted,
    "This is the perplexity, exp of the loss. The loss is asked for.": lambda lg, ids, m: right_loss(
        lg, ids, m
    ).exp(),
    STOPS_GROWING: lambda lg, ids, m: _mean_over(
        -torch.log(lg[:, :-1].softmax(dim=-1).gather(2, ids[:, 1:].unsqueeze(2)).squeeze(2) + 1e-8), m[:, 1:]
    ),
    "This averages over the vocabulary as well.": lambda lg, ids, m: right_loss(lg, ids, m) / lg.shape[-1],
}


def _explain(got: Sequence[Outcome], want: Sequence[Outcome]) -> str | None:
    """A loss that is right until it gets large, whatever the constant; or a gradient where there is none."""
    if levels_off(got, want):
        return STOPS_GROWING
    part = f"{GRADIENT}`logits`"
    if any((x[part][y[part] == 0] != 0).any() for x, y in zip(got, want, strict=True)):
        return "Logits at padding get a gradient, or those of the last place, which predict nothing."
    return None


def _check_loss(subject: Subject, *batches: tuple[Tensor, Tensor, Tensor]) -> None:
    """Compare values and gradients of all batches, as (logits, token_ids, attention_mask)."""
    read = loss_and_gradients(
        ("logits", "token_ids", "attention_mask"), "Reduce over all real targets: one number is asked for."
    )
    calls = [(logits.requires_grad_(), token_ids, mask) for logits, token_ids, mask in batches]
    expect_like(subject, right_loss, LOSS_MISTAKES, calls, read, "differentiate", explain=_explain)


def _draw(draw: torch.Generator, n: int, seq: int, vocab_size: int, least: int = 2, scale: float = 2.0):
    lengths = lengths_with_a_full_row(draw, n, seq, least) if n > 1 else torch.tensor([seq])
    token_ids = torch.randint(vocab_size, (n, seq), generator=draw)
    return torch.randn(n, seq, vocab_size, generator=draw) * scale, token_ids, mask_of(lengths, seq, "right")


@next_token_loss.case("a text by hand, and full rows", points=0.75)
def _(subject: Subject, draw: torch.Generator) -> None:
    logits = torch.tensor([[[0.0, 1.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 5.0]]])
    by_hand = (logits, torch.tensor([[2, 1, 0]]), torch.ones(1, 3, dtype=torch.int64))
    logits, token_ids, mask = _draw(draw, 5, 7, 6)
    _check_loss(subject, by_hand, (logits, token_ids, torch.ones_like(mask)))


@next_token_loss.case("padding is no target, every real target counts once", points=0.75)
def _(subject: Subject, draw: torch.Generator) -> None:
    logits, token_ids, mask = _draw(draw, 6, 8, 5)
    token_ids[mask == 0] = 0
    token_ids[0, ::3], token_ids[0, 1::3] = 1, 0  # id 0 is a real token too
    _check_loss(subject, (logits, token_ids, mask))


@next_token_loss.case("texts of one token, and whatever stands at padding", points=0.75)
def _(subject: Subject, draw: torch.Generator) -> None:
    logits, token_ids, mask = _draw(draw, 7, 6, 5, least=1)
    logits[mask == 0] *= 50.0
    _check_loss(subject, (logits, token_ids, mask), _draw(draw, 1, 2, 9), _draw(draw, 3, 12, 60))


@next_token_loss.case("logits of -200 and +200", points=0.75)
def _(subject: Subject, draw: torch.Generator) -> None:
    logits, token_ids, mask = _draw(draw, 4, 6, 5)
    unlikely = F.one_hot(token_ids[:, 1:].roll(1, dims=0), 5).float()
    logits[:, :-1] = 400.0 * unlikely - 200.0
    # At least one real target is as unlikely as can be.
    token_ids[0, 1] = (token_ids[1, 1] + 1) % 5
    logits[0, 0] = torch.where(torch.arange(5) == token_ids[0, 1], -200.0, 200.0)
    # A tame batch beside it: a mistake that shows there too has another name.
    _check_loss(subject, (logits, token_ids, mask), _draw(draw, 4, 6, 5))
