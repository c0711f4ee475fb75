"""Lesson 8 with five seeds for every curve, and other settings of DPO than the lesson's. About two minutes on one core."""

from collections.abc import Callable, Sequence
from functools import partial

import torch

from reward_lab import rlhf
from reward_lab.lessons.lesson08 import experiments

SEEDS = range(5)
SETTINGS = {
    "as in the lesson": (0.5, 0.0),
    "smoothing 0.1": (0.5, 0.1),
    "beta 0.75": (0.75, 0.0),
    "beta 1": (1.0, 0.0),
    "beta 0.75, smoothing 0.1": (0.75, 0.1),
}
"""What the same 4,000 pairs are trained with: name -> beta and smoothing. J is always that at experiments.BETA."""


def run() -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    known = rlhf.Known.of(rlhf.help_desk())
    limits = experiments.Limits.of(known)
    print(f"\nLesson 8, DPO: J* {limits.value:.3f}, KL {limits.kl:.2f}, gold {limits.gold:.2f}")
    print("51,200 fresh pairs: share of the way to J* (mean, lowest, highest), KL, gold")
    for texts in experiments.SOURCES:
        runs = [experiments.fresh_run(known, texts, seed) for seed in SEEDS]
        _line(
            texts,
            [limits.share(h.value[-1]) for h in runs],
            [h.kl[-1] for h in runs],
            [h.gold[-1] for h in runs],
        )
    told = [experiments.told_run(known, seed) for seed in SEEDS]
    _line(
        "PPO, told the gold reward",
        [limits.share(h.value[-1]) for h in told],
        [h.kl[-1] for h in told],
        [h.gold[-1] for h in told],
    )
    print("IPO on 51,200 pairs of the reference: KL, gold; exact and trained")
    for tau in (0.5, 0.1):
        best = experiments.ipo_optimum(known, tau)
        exact = rlhf.kl_divergence(best.log(), known.log_reference), (best * known.gold).sum().item()
        runs = [experiments.ipo_run(known, tau, seed) for seed in SEEDS]
        _line(
            f"tau {tau}: {exact[0]:.2f}, {exact[1]:.2f}", [h.kl[-1] for h in runs], [h.gold[-1] for h in runs]
        )
    print("the colleague's loss, 10 epochs on 4,000 pairs: KL, J, gold, held-out accuracy")
    hers = experiments.step_from_words(experiments.colleagues_loss)
    runs = [experiments.small_run(known, seed, step=hers)[1] for seed in SEEDS]
    _line("", *([getattr(h, part)[-1] for h in runs] for part in ("kl", "value", "gold", "accuracy")))
    print(f"other settings, 4,000 pairs: J at {experiments.BETA} a nat after its best epoch, and after 10")
    for name, (beta, smoothing) in SETTINGS.items():
        values = [_values(known, seed, beta, partial(rlhf.dpo_loss, smoothing=smoothing)) for seed in SEEDS]
        means = [sum(column) / len(SEEDS) for column in zip(*values, strict=True)]
        best = max(range(len(means)), key=means.__getitem__)
        print(f"  {name:28s} {means[best]:6.2f} (epoch {best})  {means[-1]:6.2f}", flush=True)
    print("one page: learnt, gold, KL, J")
    pages = [experiments.ways(known, seed) for seed in SEEDS]
    for name in pages[0]:
        _line(
            name,
            *([getattr(page[name], part) for page in pages] for part in ("learnt", "gold", "kl", "value")),
        )


def _line(name: str, *parts: Sequence[float]) -> None:
    """Mean, lowest and highest of each."""
    texts = [f"{sum(x) / len(x):6.3f} ({min(x):.3f} to {max(x):.3f})" for x in parts]
    print(f"  {name:28s}", "  ".join(texts), flush=True)


def _values(known: rlhf.Known, seed: int, beta: float, loss_fn: Callable) -> list[float]:
    """J after each epoch, at the lesson's price, of a run that is trained at another one."""
    config = experiments.small_config(seed, experiments.EPOCHS, beta)
    source = rlhf.fixed_pairs(experiments.preferences(known.world, seed), experiments.SMALL_BATCH, seed)
    _, h = rlhf.train_dpo(known.world, source, config, partial(rlhf.preference_step, loss_fn))
    return [gold - experiments.BETA * kl for gold, kl in zip(h.gold, h.kl, strict=True)]
