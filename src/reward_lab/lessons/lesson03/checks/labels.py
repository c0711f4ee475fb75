"""TODO 1: labels from people who disagree and sometimes click the wrong button."""

import math
from collections import Counter
from collections.abc import Callable

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.naming import named
from reward_lab.checks.probes import Probe
from reward_lab.checks.statistics import surprising
from reward_lab.checks.subject import Subject
from reward_lab.checks.values import describe

from . import probes  # noqa: F401  the recipe of a generator

noisy_labels = Exercise(
    "noisy_labels",
    first_step="Begin with the preferences alone, at flip rate 0: how does one draw True with probability p?",
)

Law = Callable[[float, float], float]
"""(p, flip_rate) -> probability of the label True."""


def _law(p: float, e: float) -> float:
    return p * (1 - e) + (1 - p) * e


LABEL_MISTAKES: dict[str, Law] = {
    "Every label looks like its opposite: a comparison is the wrong way round. `torch.rand(...) < p` is true with "
    "probability p.": lambda p, e: 1 - _law(p, e),
    "The labels are never flipped.": lambda p, e: p,
    "The same random numbers decide the preference and the flip. Draw new ones for the flip.": lambda p, e: (
        abs(p - e)
    ),
    "A flip turns a label into its opposite. Here it replaces the label by a coin toss.": (
        lambda p, e: p * (1 - e) + e / 2
    ),
    "The preference is random too: it is True with probability p, not whenever p is above 0.5.": (
        lambda p, e: _law(float(p > 0.5), e)
    ),
    "The preference is random too: it is True with probability p, not whenever p is 0.5 or more.": (
        lambda p, e: _law(float(p >= 0.5), e)
    ),
    "Only True is flipped to False here. Flip both ways.": lambda p, e: p * (1 - e),
    "Only False is flipped to True here. Flip both ways.": lambda p, e: p + (1 - p) * e,
    "The flip decides alone: p is not used.": lambda p, e: e,
    "p is not used: the preference seems to be a fair coin.": lambda p, e: 0.5,
    "The label is flipped twice as often as it should be.": lambda p, e: _law(p, min(1.0, 2 * e)),
}


def _draw(subject: Subject, p: Tensor, flip_rate: float, generator: Probe) -> tuple[Tensor, dict]:
    """The labels on the CPU, their form checked, and the generator's state afterwards."""
    reply = subject.call(p, flip_rate, generator)
    labels = reply.value
    if not isinstance(labels, Tensor) or labels.dtype != torch.bool or labels.shape != p.shape:
        likely = None
        if isinstance(labels, Tensor) and labels.shape == p.shape:
            likely = "Comparisons such as `torch.rand(...) < p` give bool; so does `.bool()`."
        elif isinstance(labels, Tensor):
            likely = "Draw with `p.shape`, whatever it is."
        raise Mistake(f"a bool tensor of shape {tuple(p.shape)}", describe(labels), likely)
    state = reply.arguments[2]
    if state["seed"] != generator.data["seed"]:
        raise Mistake(
            "the generator to be used as it comes",
            "one that was seeded anew",
            "Do not call `manual_seed` or `seed`: two calls would give the same labels.",
        )
    return labels.cpu(), state


def _generator(draw: torch.Generator, drawn: int = 0) -> Probe:
    seed = torch.randint(2**31, (), generator=draw).item()
    return Probe("generator", {"seed": seed, "drawn": drawn})


@noisy_labels.case("shape and dtype, and the cases without chance", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    for shape, dtype in (
        ((30,), torch.float32),
        ((3, 4), torch.float64),
        ((), torch.float32),
        ((0,), torch.float32),
    ):
        p = torch.rand(shape, generator=draw).round().to(dtype)  # zeros and ones
        for flip_rate in (0.0, 1.0):
            labels, _ = _draw(subject, p, flip_rate, _generator(draw))
            if not torch.equal(labels, p.bool() ^ bool(flip_rate)):
                raise Mistake(
                    f"certain labels where p is 0 or 1 and flip_rate {flip_rate:g}",
                    "some that are the opposite",
                    "At flip_rate 0 a label is True where p is 1; at flip_rate 1 it is True where p is 0.",
                )


@noisy_labels.case("how often a label is True", points=0.75)
def _(subject: Subject, draw: torch.Generator) -> None:
    values, repeats = (0.0, 0.1, 0.3, 0.5, 0.8, 1.0), 4000
    seen: dict[tuple[float, float], Counter] = {}
    p = torch.tensor(values).repeat_interleave(repeats)
    for flip_rate in (0.3, 0.1):
        labels, _ = _draw(subject, p, flip_rate, _generator(draw))
        for value, part in zip(values, labels.split(repeats), strict=True):
            seen[value, flip_rate] = Counter(part.tolist())
    off = [key for key in seen if not _believable(seen, key, _law)]
    if not off:
        return
    likely = named(
        said for said, law in LABEL_MISTAKES.items() if all(_believable(seen, key, law) for key in seen)
    )
    worst = max(off, key=lambda key: abs(_share(seen[key]) - _law(*key)))
    raise Mistake(
        f"about {_law(*worst):.0%} of labels to be True where p is {worst[0]:g} and flip_rate {worst[1]:g}",
        f"{_share(seen[worst]):.1%}",
        likely,
    )


def _share(counts: Counter) -> float:
    return counts[True] / counts.total()


def _believable(seen: dict, key: tuple[float, float], law: Law) -> bool:
    probability = law(*key)
    return surprising(seen[key], {True: probability, False: 1 - probability}) is None


@noisy_labels.case("every label is drawn on its own", points=0.25)
def _(subject: Subject, draw: torch.Generator) -> None:
    # Fair coins: certain preferences flipped half of the time, then uncertain ones that are never flipped.
    for p, flip_rate, what in ((1.0, 0.5, "flip"), (0.5, 0.0, "preference")):
        labels, _ = _draw(subject, torch.full((300, 2), p), flip_rate, _generator(draw))
        for pairs, where in (
            (labels, "row"),
            (labels.flatten()[1:-1].view(-1, 2), "column"),
            (labels.T, "half"),
        ):
            sides = pairs.reshape(2, -1).T if where == "half" else pairs
            counts = Counter(map(tuple, sides.tolist()))
            outcomes = [(a, b) for a in (True, False) for b in (True, False)]
            if surprising(counts, dict.fromkeys(outcomes, 0.25)) is not None:
                raise Mistake(
                    f"each {what} to be independent of the others",
                    "labels that agree or differ far too often",
                    "Draw one random number for each element of p: `torch.rand(p.shape, ...)`.",
                )
    _check_numbers_vary(subject, draw)


def _check_global_generator(subject: Subject, draw: torch.Generator) -> None:
    _, state = _draw(subject, torch.full((20,), 0.5), 0.2, _generator(draw))
    if state["reseeded"]:
        raise Mistake(
            "the global generator to be left alone",
            "one that was seeded anew",
            "Whoever calls this function loses their own random numbers to `torch.manual_seed`. Draw from `generator` only.",
        )


def _check_numbers_vary(subject: Subject, draw: torch.Generator) -> None:
    """Of ten elements, drawn again and again, how many come out True has a binomial law. It is no fixed number."""
    n, calls = 10, 30
    for p, flip_rate, what in ((1.0, 0.3, "flips"), (0.4, 0.0, "preferences")):
        chance = _law(p, flip_rate)
        drawn = [_draw(subject, torch.full((n,), p), flip_rate, _generator(draw))[0] for _ in range(calls)]
        if all(torch.equal(labels, drawn[0]) for labels in drawn):
            continue  # nothing came from the generator, which is the next case's to say
        counts = Counter(int(labels.sum()) for labels in drawn)
        law = {k: math.comb(n, k) * chance**k * (1 - chance) ** (n - k) for k in range(n + 1)}
        if surprising(counts, law) is not None:
            raise Mistake(
                f"the number of {what} among {n} labels to differ from call to call, as chance has it",
                f"{counts.most_common(1)[0][0]} labels True in {counts.most_common(1)[0][1]} of {calls} calls",
                "Each element is decided by a random number of its own. Do not flip a fixed number of them.",
            )


@noisy_labels.case("all of the randomness comes from the generator", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    _check_global_generator(subject, draw)
    # 200 fair coins agree by chance with probability 2 ** -200. Every call sees the same global generator.
    coins = ((0.5, 0.0, "preference"), (1.0, 0.5, "flip"))
    for p, flip_rate, what in coins:
        probabilities = torch.full((200,), p)
        generator, other = _generator(draw), _generator(draw)
        labels, state = _draw(subject, probabilities, flip_rate, generator)
        if torch.equal(labels, _draw(subject, probabilities, flip_rate, other)[0]):
            raise Mistake(
                "other labels from a generator in another state",
                f"the same ones: the {what} does not come from it",
                "Pass `generator=generator` to every draw. Otherwise the global generator is used.",
            )
        if not torch.equal(labels, _draw(subject, probabilities, flip_rate, generator)[0]):
            raise Mistake(
                "the same labels from a generator in the same state",
                "other ones",
                "Draw with `generator=generator` only.",
            )
        later = Probe("generator", {**generator.data, "drawn": 1000})
        if not state["moved"] or torch.equal(labels, _draw(subject, probabilities, flip_rate, later)[0]):
            raise Mistake(
                "the generator to move on with every draw",
                "one that stays where it was, or is set back",
                "Draw from the generator itself, not from a copy of it or one made from its seed.",
            )
