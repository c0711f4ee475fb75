"""What a policy of lesson 9 writes: fresh answers, asked about by the judge, the reward model and the reference."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from reward_lab.language.sampling import score_answers

from .answers import HELD_OUT, Pool, Sizes, as_texts, draw, load_tokenizer, prompt_ids
from .judge import gold, word_counts
from .rewards import Fitted
from .spread import kl_per_token


@dataclass(frozen=True)
class Measured:
    """What a policy writes, after some steps."""

    step: int
    gold: float
    gold_error: float
    learnt: float
    kl: float
    """Sampled KL to the reference, nats per token."""
    kl_error: float
    words: float
    texts: list[str] = field(default_factory=list)
    outcomes: list[float] = field(default_factory=list)
    """Each answer judged once, afresh, against an answer of the reference: 1 where it won."""


@dataclass(frozen=True)
class DPORun:
    """A run of DPO: what was measured on its own answers, and what the trainer logged."""

    along: list[Measured]
    log: list[dict]
    pairs: int


def of_the_reference(pool: Pool, reward: Fitted, seed: int) -> Measured:
    """The same of the reference, from the pool."""
    rows = slice(pool.trained_on, None)
    learnt = reward.reward[rows].mean().item()
    return _asked_about(pool.texts[rows], pool.prompts[rows], pool, 0, learnt, (0.0, 0.0), seed)


def measured(
    adapted, source: str, reward: Fitted, pool: Pool, sizes: Sizes, step: int, seed: int
) -> Measured:
    """Draw fresh answers, and ask the judge, the reward model and the reference about them."""
    tokenizer, policy = load_tokenizer(source), adapted.get_base_model()
    training = adapted.training
    adapted.eval()
    prompts = [prompt for prompt in HELD_OUT for _ in range(sizes.fresh)]
    drawn = draw(policy, tokenizer, prompts, sizes, seed + step)
    with adapted.disable_adapter():
        by_reference = score_answers(policy, [prompt_ids(tokenizer, p) for p in prompts], drawn.tokens)
    adapted.train(training)
    learnt = (by_reference.vectors.double() @ reward.weights).mean().item()
    kl = kl_per_token(drawn.log_probs, by_reference.log_probs, drawn.mask)
    return _asked_about(as_texts(tokenizer, drawn), prompts, pool, step, learnt, kl, seed + step)


def _asked_about(
    texts: list[str], prompts: Sequence[str], pool: Pool, step: int, learnt: float, kl: tuple, seed: int
) -> Measured:
    """What the judge says of answers to these prompts, beside the learnt reward, and the KL with its error."""
    scored = gold(texts)
    return Measured(
        step, scored.mean().item(), scored.std().item() / len(texts) ** 0.5, learnt, *kl,
        word_counts(texts).mean().item(), texts, _judged_afresh(scored, prompts, pool, seed),
    )  # fmt: skip


def _judged_afresh(scored: Tensor, prompts: Sequence[str], pool: Pool, seed: int) -> list[float]:
    """Each answer, by its gold score, against one of the reference's to the same prompt, drawn at random."""
    draw_one, scores = random.Random(seed), gold(pool.texts)
    groups = {pool.prompts[int(rows[0])]: rows.tolist() for rows in pool.groups()}
    opponents = torch.tensor([draw_one.choice(groups[prompt]) for prompt in prompts])
    chance = torch.sigmoid(scored - scores[opponents])
    draws = torch.rand(len(scored), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (draws < chance).double().tolist()
