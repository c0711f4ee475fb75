"""TODO 2: the vector of the last real token."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.naming import named
from reward_lab.checks.subject import Subject
from reward_lab.checks.values import describe
from reward_lab.language.backbone import last_token_pool as right_pool

from .texts import lengths_with_a_full_row, mask_of

last_token_pool = Exercise(
    "last_token_pool",
    first_step="Say in words which place each of the three example rows asks for, and how the mask tells it.",
)


def _at(places: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Pooling that takes the vector at `places(mask)`, one place a row."""
    return lambda hidden, mask: hidden[torch.arange(len(hidden)), places(mask)]


def _mean(hidden: Tensor, mask: Tensor) -> Tensor:
    return (hidden * mask.unsqueeze(-1)).sum(dim=1) / mask.sum(dim=1, keepdim=True)


POOL_MISTAKES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "This is the last place of every row, `hidden[:, -1]`. With padding on the right that place is padding.": _at(
        lambda mask: torch.full((len(mask),), -1)
    ),
    "The number of real tokens minus 1 is the last real place only when padding stands on the right.": _at(
        lambda mask: mask.sum(dim=1) - 1
    ),
    "This is one place too far: the last of n real tokens stands at index n - 1.": _at(
        lambda mask: mask.sum(dim=1).clamp(max=mask.shape[1] - 1)
    ),
    "This is one place too early. A text of n tokens ends at index n - 1.": _at(
        lambda mask: (torch.arange(mask.shape[1]) * mask).argmax(dim=1) - 1
    ),
    "This is the first place of every row.": _at(lambda mask: torch.zeros(len(mask), dtype=torch.int64)),
    "This is the first real token: `argmax` gives the first of equal values. Multiply the mask by the places "
    "first.": _at(lambda mask: mask.argmax(dim=1)),
    "This is the mean of the real tokens. Only the last one is asked for.": _mean,
    "This is the mean of all places, padding among them. Only the last real token is asked for.": lambda h, m: (
        h.mean(dim=1)
    ),
    "This is the maximum over places. The vector of the last real token is asked for.": lambda h, m: h.amax(
        dim=1
    ),
    "The place was found for the first row and used for all. Each row has its own.": _at(
        lambda mask: (torch.arange(mask.shape[1]) * mask).argmax(dim=1)[:1].expand(len(mask))
    ),
}


NAN_LEAKS = (
    "Padding leaks: 0 times NaN, or times infinity, is NaN. Pick the vector by its index, without a product."
)


def _only_nan_is_wrong(got: list[Tensor], batches: Sequence[tuple[Tensor, Tensor]]) -> bool:
    """Whether all is right but where NaN came in place of a number."""
    for value, batch in zip(got, batches, strict=True):
        value, right = value.detach().cpu(), right_pool(*batch).detach()
        known = ~value.isnan()
        if not torch.allclose(value[known], right[known], rtol=1e-5, atol=1e-6):
            return False
    return True


def _gradients_arrive(subject: Subject, hidden: Tensor, mask: Tensor) -> bool:
    """Whether the sum of the result has gradient 1 at each row's last real vector, and 0 elsewhere."""
    hidden = hidden.detach().nan_to_num(posinf=0.0).requires_grad_()
    value = subject.differentiate(hidden, mask).value
    gradients = value[1] if type(value) is tuple and len(value) == 2 else None
    if not gradients or not isinstance(gradients[0], Tensor):
        return False
    (right,) = torch.autograd.grad(right_pool(hidden, mask).sum(), hidden)
    return torch.allclose(gradients[0].detach().cpu().to(right.dtype), right, atol=1e-5)


def _check_pool(subject: Subject, *batches: tuple[Tensor, Tensor]) -> None:
    """Compare the answers on all batches with the right ones, then with the usual wrong ones."""
    got = []
    for hidden, mask in batches:
        value = subject.call(hidden, mask).value
        expected = right_pool(hidden, mask)
        if not isinstance(value, Tensor) or value.shape != expected.shape or value.dtype != expected.dtype:
            likely = None
            if isinstance(value, Tensor) and value.shape == (len(hidden), 1, hidden.shape[2]):
                likely = "Drop the dimension of length 1: one vector per text, (batch, dim)."
            elif isinstance(value, Tensor) and value.shape[:1] == (len(hidden),) and value.dim() == 3:
                likely = "One vector per text is asked for, not one per token."
            elif isinstance(value, Tensor) and value.shape == expected.shape:
                likely = "Keep the dtype of `hidden`."
            raise Mistake(describe(expected.detach()), describe(value), likely)
        got.append(value)

    if any(g.isnan().any() for g in got) and _only_nan_is_wrong(got, batches):
        raise Mistake("the vector of each row's last real token", "NaN", NAN_LEAKS)

    def agree(pool: Callable) -> bool:
        pairs = [(g.detach().cpu(), pool(*batch).detach()) for g, batch in zip(got, batches, strict=True)]
        return all(
            torch.equal(a, b.to(a.dtype)) or torch.allclose(a, b, rtol=1e-5, atol=1e-6, equal_nan=True)
            for a, b in pairs
        )

    if agree(right_pool):
        if not all(value.requires_grad for value in got) or not _gradients_arrive(subject, *batches[-1]):
            raise Mistake(
                "a result through which gradients flow back to `hidden`",
                "one that is cut off from it",
                "Leave out `.detach()`, `torch.no_grad()` and `.tolist()`: training goes through this function.",
            )
        return
    wrong = 0
    for value, batch in zip(got, batches, strict=True):
        wrong += int((value.detach().cpu() != right_pool(*batch).detach()).any(dim=1).sum())
    likely = named(said for said, mistake in POOL_MISTAKES.items() if agree(mistake))
    total = sum(len(hidden) for hidden, _ in batches)
    raise Mistake(
        "the vector of each row's last real token", f"another vector in {wrong} of {total} rows", likely
    )


def _batch(
    draw: torch.Generator, lengths: Tensor, seq: int, side: str, dtype=torch.float32, scale: float = 1.0
):
    hidden = (scale * torch.randn(len(lengths), seq, 5, generator=draw, dtype=dtype)).requires_grad_()
    return hidden, mask_of(lengths, seq, side)


@last_token_pool.case("padding on the right", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    lengths = lengths_with_a_full_row(draw, 9, 7)
    lengths[1:] = lengths[1:].clamp(max=6)  # every row but one is padded
    # Once with the full row first, and once with a padded one.
    _check_pool(subject, _batch(draw, lengths, 7, "right"), _batch(draw, lengths.flip(0), 7, "right"))


@last_token_pool.case("padding on the left", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    lengths = lengths_with_a_full_row(draw, 9, 7)
    lengths[2] = 3
    double = _batch(draw, lengths, 7, "right", torch.float64, scale=100.0)
    _check_pool(subject, _batch(draw, lengths, 7, "left"), double)


@last_token_pool.case("full rows, one text, texts of one token", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    one = torch.ones(3, dtype=torch.int64)
    _check_pool(
        subject,
        _batch(draw, one * 6, 6, "right"),
        _batch(draw, one[:1] * 2, 5, "right"),
        _batch(draw, one, 4, "right"),
        _batch(draw, one, 4, "left"),
        _batch(draw, one, 1, "right"),
    )


@last_token_pool.case("the mask decides, not the vectors", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    lengths = lengths_with_a_full_row(draw, 6, 6, least=2)
    batches = []
    for side in ("right", "left"):
        hidden, mask = _batch(draw, lengths, 6, side)
        with torch.no_grad():
            hidden[2] = 0.0  # a text all of whose vectors are 0, at real tokens too
            hidden[mask == 0] += 100.0  # and loud padding
        batches.append((hidden, mask))
    for noise in (torch.nan, torch.inf):
        hidden, mask = _batch(draw, lengths, 6, "left")
        with torch.no_grad():
            hidden[mask == 0] = noise
        batches.append((hidden, mask))
    _check_pool(subject, *batches, _batch(draw, torch.tensor([40, 3, 25]), 40, "right"))
