"""The experiments of lesson 8: DPO in exact arithmetic and on drawn pairs, a colleague's loss, three ways on one page."""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from reward_lab import rlhf
from reward_lab.language import ecosystem
from reward_lab.lessons.starting import attempt as attempt
from reward_lab.metrics import Pairs
from reward_lab.rlhf import DPOConfig, DPOHistory, Known, World, train_dpo
from reward_lab.rlhf.dpo import dpo_step, ipo_loss, preference_step
from reward_lab.rlhf.dpo_training import Step

from .colleague import colleagues_loss as colleagues_loss
from .colleague import step_from_words as step_from_words
from .limits import BETA
from .limits import Limits as Limits
from .limits import short as short

BATCH, NUM_PAIRS, SMALL_BATCH, BEST_OF = 256, 4000, 100, 32
FRESH = DPOConfig(beta=BETA, measure_every=25)
"""Fresh pairs in every batch: 200 steps, 51,200 judgements."""
SHORT, EPOCHS = 3, 10
SOURCES = {
    "the policy's own texts": rlhf.policy_pairs,
    "the reference's texts": rlhf.reference_pairs,
    "uniform texts": rlhf.uniform_pairs,
}
"""Where the texts of a pair come from -> the source."""


def population(known: Known, steps: Sequence[int], learning_rate: float = 0.3) -> list[Tensor]:
    """Minimise DPO's expected loss over all judged pairs of the reference: nothing is sampled, each text has a free logit.

    Args:
        known: a world of few texts, as all pairs are counted: (size, size) numbers in each step.
        steps: numbers of Adam steps after which the policy is kept, ascending.

    Returns:
        The policies, (size,) float64 probabilities each.
    """
    logits = known.log_reference.clone().requires_grad_()
    wins = torch.sigmoid(known.gold.unsqueeze(1) - known.gold)
    weights = (
        2 * known.reference.unsqueeze(1) * known.reference * wins
    )  # P(the pair, and the first of it preferred)
    optimizer, kept = torch.optim.Adam([logits], lr=learning_rate), []
    for step in range(1, steps[-1] + 1):
        log_ratio = logits.log_softmax(dim=0) - known.log_reference
        loss = -(weights * F.logsigmoid(BETA * (log_ratio.unsqueeze(1) - log_ratio))).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step in steps:
            kept.append(torch.softmax(logits.detach(), dim=0))
    return kept


def ipo_optimum(known: Known, tau: float) -> Tensor:
    """The policy at which IPO's expected loss on pairs of the reference is least (Azar et al., 2023): (size,) float64.

    It is the best policy at the price tau for another reward: the probability of beating a text of the reference.
    """
    return rlhf.kl_optimal_policy(rlhf.beats_reference(known), known.reference, tau)


def fresh_run(known: Known, texts: str, seed: int, step: Step = dpo_step) -> DPOHistory:
    """DPO on 51,200 pairs, each judged once and seen once. `texts`: one of SOURCES."""
    source = SOURCES[texts](known.world, BATCH, seed)
    config = dataclasses.replace(FRESH, seed=seed)
    return train_dpo(known.world, source, config, step, device=known.gold.device)[1]


def told_run(known: Known, seed: int) -> rlhf.RLHistory:
    """PPO that is told the gold reward of each text that it writes: 20,480 of them."""
    config = rlhf.RLConfig(beta=BETA, seed=seed, measure_every=8, log_every=0)
    return rlhf.train_ppo(known.world, known.gold, config)[1]


def ipo_run(known: Known, tau: float, seed: int) -> DPOHistory:
    """IPO on 51,200 pairs of the reference."""
    config = dataclasses.replace(FRESH, seed=seed, beta=tau)
    source = rlhf.reference_pairs(known.world, BATCH, seed)
    step = partial(preference_step, ipo_loss)
    return train_dpo(known.world, source, config, step, device=known.gold.device)[1]


def preferences(world: World, seed: int, count: int = NUM_PAIRS) -> Pairs:
    """Pairs of texts of the reference, each judged once. Seeds below a million are for training."""
    return world.sample_preferences(count, torch.Generator().manual_seed(seed))


def small_config(seed: int, epochs: int, beta: float = BETA) -> DPOConfig:
    """How 4,000 pairs are trained on: batches of 100, measured after each epoch."""
    per_epoch = NUM_PAIRS // SMALL_BATCH
    return DPOConfig(beta, epochs * per_epoch, 3e-3, seed, measure_every=per_epoch)


def small_run(
    known: Known, seed: int, epochs: int = EPOCHS, step: Step = dpo_step
) -> tuple[rlhf.Policy, DPOHistory]:
    """DPO on the same 4,000 pairs for some epochs, with 2,000 pairs held out."""
    pairs, held_out = preferences(known.world, seed), preferences(known.world, 1_000_000 + seed, 2000)
    source = rlhf.fixed_pairs(pairs, SMALL_BATCH, seed)
    return train_dpo(known.world, source, small_config(seed, epochs), step, held_out, known.gold.device)


def trl_run(known: Known, seed: int) -> tuple[Tensor, list[dict]]:
    """The run of `small_run` over SHORT epochs by TRL's DPOTrainer: log-probability of every text, and what TRL logged."""
    with ecosystem.quiet():
        from . import with_trl  # TRL takes seconds to import, and is not there everywhere

        config, device = small_config(seed, SHORT), known.gold.device.type
        policy, log = with_trl.train(known.world, preferences(known.world, seed), config, SMALL_BATCH, device)
    return policy.all_log_probs().detach(), log


def hub_run(name: str, known: Known, seed: int, steps: int) -> list[dict]:
    """A model of the hub trained by TRL on the same pairs, which are plain words: what TRL logged."""
    with ecosystem.quiet():
        from . import with_trl

        pairs = preferences(known.world, seed)
        return with_trl.train_hub_model(name, known.world, pairs, steps, known.gold.device.type)


@dataclass(frozen=True)
class Way:
    """What one way made of 4,000 judgements, and what it cost. Rewards, KL and J are exact."""

    learnt: float
    """Mean of the reward that it believes in, shifted to 0 under the reference."""
    gold: float
    kl: float
    value: float
    """J = gold - BETA * KL."""
    seconds: float
    """Processor time of all its training."""
    written: int
    """Texts that the policy wrote while it was trained."""
    per_answer: int
    """Texts that have to be written for each answer that is sent."""


def ways(known: Known, seed: int) -> dict[str, Way]:
    """Best-of-n, PPO and DPO from the same 4,000 judgements, at the price BETA."""
    pairs, device = preferences(known.world, seed), known.gold.device
    start = time.process_time()
    held_out = preferences(known.world, 1_000_000 + seed, 1000)
    reward, _ = rlhf.fit_rewards(known.world, pairs, held_out, seed, device=device)
    fitting = time.process_time() - start
    best = rlhf.best_of_n(known.reference, reward, BEST_OF)
    found = {f"best of {BEST_OF}": way(known, best, reward, fitting, per_answer=BEST_OF)}
    start = time.process_time()
    config = rlhf.RLConfig(beta=BETA, seed=seed, measure_every=80, log_every=0)
    policy, history = rlhf.train_ppo(known.world, reward, config)
    seconds = fitting + time.process_time() - start
    found["PPO"] = way(known, probabilities(policy), reward, seconds, history.texts[-1])
    policy, history = small_run(known, seed, SHORT)
    found[f"DPO, {SHORT} epochs"] = way_of_dpo(known, policy, history)
    return found


def probabilities(policy: rlhf.Policy) -> Tensor:
    """Probability of every text: (size,) float64."""
    return policy.all_log_probs().detach().double().exp()


def way_of_dpo(known: Known, policy: rlhf.Policy, history: DPOHistory) -> Way:
    """A run of DPO. The reward that it believes in is the one behind its policy."""
    found = probabilities(policy)
    return way(known, found, rlhf.implicit_reward(found, known.reference, BETA), history.seconds)


def way(
    known: Known, policy: Tensor, believed: Tensor, seconds: float, written: int = 0, per_answer: int = 1
) -> Way:
    """The exact worth of a policy, (size,) probabilities, beside what its reward says and what it cost."""
    kl = rlhf.kl_divergence(policy.log(), known.log_reference)
    learnt, gold = ((policy * reward).sum().item() for reward in (believed, known.gold))
    return Way(learnt, gold, kl, gold - BETA * kl, seconds, written, per_answer)
