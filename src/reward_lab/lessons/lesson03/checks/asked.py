"""TODO 5: the colleague's training, mended."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.judging import Outcome
from reward_lab.checks.naming import named, ways
from reward_lab.checks.numbers import as_number
from reward_lab.checks.probes import Probe
from reward_lab.checks.subject import LocalSubject, Reply, Subject
from reward_lab.checks.values import describe, number_text

from . import probes  # noqa: F401  the recipes of model and people

mended_training = Exercise(
    "mended_training",
    first_step="Count how many judgements her program buys, if there are a thousand pairs and two hundred steps.",
    withholds=("reward_lab.lessons.lesson03.colleague.colleagues_training",),
)

Training = Callable[..., list[float]]


def _training(
    labels_of: Callable[[Callable[[], Tensor], int], Callable[[], Tensor]],
    loss_of: Callable[[Tensor], Tensor] = lambda signed: F.softplus(-signed).mean(),
    clear: bool = True,
    extra: int = 0,
    after: bool = False,
) -> Training:
    """A training that goes about one part of it in its own way.

    Args:
        labels_of: from the people and the number of steps to the labels of one step.
        loss_of: of the margins of the labelled texts.
        clear: whether gradients are set to zero before each step.
        extra: this many steps more.
        after: whether the losses are those after each step.
    """

    def training(model, optimizer, first, second, people, steps):  # type: ignore[no-untyped-def]
        labels, losses = labels_of(people, steps), []

        def value(preferred: Tensor) -> Tensor:
            margin = model(first) - model(second)
            return loss_of(torch.where(preferred, margin, -margin))

        for _ in range(steps + extra):
            preferred = labels()
            loss = value(preferred)
            if clear:
                optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append((value(preferred) if after else loss).item())
        return losses

    return training


def _once(people: Callable[[], Tensor], steps: int) -> Callable[[], Tensor]:
    kept = people()
    return lambda: kept


def _fresh(people: Callable[[], Tensor], steps: int) -> Callable[[], Tensor]:
    return people


def _every(period: int) -> Callable:
    """Asks again after so many steps."""

    def labels_of(people: Callable[[], Tensor], steps: int) -> Callable[[], Tensor]:
        state = {"step": 0, "kept": None}

        def labels() -> Tensor:
            if state["step"] % period == 0:
                state["kept"] = people()
            state["step"] += 1
            return state["kept"]

        return labels

    return labels_of


def _majority(people: Callable[[], Tensor], steps: int) -> Callable[[], Tensor]:
    votes = torch.stack([people() for _ in range(steps)]).double().mean(0) > 0.5
    return lambda: votes


def _of_three(people: Callable[[], Tensor], steps: int) -> Callable[[], Tensor]:
    votes = torch.stack([people() for _ in range(3)]).double().mean(0) > 0.5
    return lambda: votes


def _second(people: Callable[[], Tensor], steps: int) -> Callable[[], Tensor]:
    people()
    kept = people()
    return lambda: kept


def _asked_and_not_used(people: Callable[[], Tensor], steps: int) -> Callable[[], Tensor]:
    kept = people()

    def labels() -> Tensor:
        people()
        return kept

    return labels


def _changed(change: Callable[[Tensor], Tensor]) -> Callable:
    def labels_of(people: Callable[[], Tensor], steps: int) -> Callable[[], Tensor]:
        kept = change(people())
        return lambda: kept

    return labels_of


right_training = _training(_once)

TRAINING_MISTAKES: dict[str, Training | list[Training]] = {
    "People are still asked at every step. Real data have one label for a pair: ask once.": _training(_fresh),
    "People are asked again every few steps. Ask once, before the loop.": [
        _training(_every(period)) for period in (2, 3, 4, 5, 10)
    ],
    "The labels are a majority of many judgements. There is one judgement for each pair.": [
        _training(_majority), _training(_of_three)
    ],
    "People are asked twice, and the first judgements are thrown away.": _training(_second),
    "People are asked at every step, and their judgements are thrown away. Judgements cost money: ask once.": _training(
        _asked_and_not_used
    ),
    "People are not asked: every first text seems to be preferred.": _training(
        lambda people, steps: _changed(torch.ones_like)(lambda: torch.ones(1, dtype=torch.bool), steps)
    ),
    "The labels are not used: every first text seems to be preferred.": _training(_changed(torch.ones_like)),
    "The labels are the wrong way round: True says that the first is preferred.": _training(_changed(torch.logical_not)),
    "Gradients of earlier steps are added to each new one: optimizer.zero_grad() is missing.": _training(_once, clear=False),
    "The losses are those after each step. Her program notes the loss before it.": _training(_once, after=True),
    "The loss is a sum over the pairs. It is the mean.": _training(_once, lambda s: F.softplus(-s).sum()),
    "One step too many is made.": _training(_once, extra=1),
    "One step is missing.": _training(_once, extra=-1),
    "The sign of the loss is wrong: the margin of the preferred text is to grow.": _training(
        _once, lambda s: F.softplus(s).mean()
    ),
    "The loss was replaced by a smoothed or a corrected one. Only the labels were wrong.": [
        _training(_once, lambda s, e=e: ((1 - e) * F.softplus(-s) + e * F.softplus(s)).mean()) for e in (0.1, 0.2)
    ],
}  # fmt: skip


def _arguments(draw: torch.Generator, n: int, features: int, steps: int) -> tuple:
    def numbers(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw)

    model = Probe("rewards", {"weights": numbers(features) / 2, "gradient": numbers(features)})
    sgd = Probe("sgd", {"model": 0, "lr": 0.5})
    people = Probe("people", {"labels": torch.rand(3 * steps + 2, n, generator=draw) < 0.5})
    return model, sgd, numbers(n, features), numbers(n, features), people, steps


def _outcome(reply: Reply, steps: int) -> Outcome:
    losses = reply.value
    form = f"a list of {steps} losses"
    if isinstance(losses, Tensor) and losses.dim() == 1:
        losses = losses.tolist()
    if type(losses) not in (list, tuple):
        raise Mistake(form, describe(reply.value))
    numbers = [as_number(loss.detach() if isinstance(loss, Tensor) else loss, form) for loss in losses]
    return {
        "how often people are asked": torch.tensor(float(reply.arguments[4]["asked"])).double(),
        "the number of losses": torch.tensor(float(len(numbers))).double(),
        "the losses": torch.tensor(numbers, dtype=torch.float64),
        "the model's weights": reply.arguments[0]["weights"].detach().cpu().double(),
    }


def _same(got: Outcome, want: Outcome) -> bool:
    return all(
        got[part].shape == want[part].shape
        and torch.allclose(got[part], want[part], rtol=1e-3, atol=1e-4, equal_nan=True)
        for part in want
    )


def _expect(subject: Subject, *calls: tuple) -> None:
    def of(answer: Training) -> list[Outcome | None]:
        replies = [LocalSubject(answer, subject.device).call(*arguments) for arguments in calls]
        return [None if r.failure else _outcome(r, a[-1]) for r, a in zip(replies, calls, strict=True)]

    got = [_outcome(subject.call(*arguments), arguments[-1]) for arguments in calls]
    want = of(right_training)
    off = [n for n, (a, b) in enumerate(zip(got, want, strict=True)) if not _same(a, b)]
    if not off:
        return
    likely = named(
        said
        for said, mistake in ways(TRAINING_MISTAKES)
        if all(b is not None and _same(a, b) for a, b in zip(got, of(mistake), strict=True))
    )
    came, right = got[off[0]], want[off[0]]
    part = next(p for p in right if not _same({p: came[p]}, {p: right[p]}))
    if right[part].dim() == 0:
        raise Mistake(f"{part}: {number_text(right[part].item())}", number_text(came[part].item()), likely)
    raise Mistake(
        f"{part} to end at {number_text(right[part][-1].item())}", number_text(came[part][-1].item()), likely
    )


@mended_training.case("two steps, few pairs", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _expect(subject, _arguments(draw, 6, 2, 2), _arguments(draw, 5, 1, 1))


@mended_training.case("the labels are the same in every step", points=1.0)
def _(subject: Subject, draw: torch.Generator) -> None:
    _expect(subject, _arguments(draw, 40, 4, 12), _arguments(draw, 9, 3, 20))


@mended_training.case("one pair", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _expect(subject, _arguments(draw, 1, 2, 7))
