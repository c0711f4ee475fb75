"""The experiments of lesson 8: DPO in exact arithmetic and on drawn pairs, a colleague's loss, three ways on one page."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reward_lab import rlhf
from reward_lab.lessons.starting import attempt as attempt
from reward_lab.metrics import Pairs
from reward_lab.rlhf import DPOConfig, DPOHistory, Known, World, train_dpo
from reward_lab.rlhf.dpo import dpo_loss, dpo_step, ipo_loss, preference_step
from reward_lab.rlhf.dpo_training import Step

BETA = 0.5
"""The price of a nat, in the whole lesson."""
BATCH, NUM_PAIRS, SMALL_BATCH, BEST_OF = 256, 4000, 100, 32
FRESH = DPOConfig(beta=BETA)
"""Fresh pairs in every batch: 200 steps, 51,200 judgements."""
SHORT, EPOCHS = 3, 10
SOURCES = {
    "the policy's own texts": rlhf.policy_pairs,
    "the reference's texts": rlhf.reference_pairs,
    "uniform texts": rlhf.uniform_pairs,
}
"""Where the texts of a pair come from -> the source."""


@dataclass(frozen=True)
class Limits:
    """What the best policy for the gold reward is worth at a price, all of it exact."""

    policy: Tensor
    value: float
    kl: float
    gold: float
    start: float
    """J of the reference: its gold reward."""
    road: tuple[list[float], list[float]]
    """KL and gold of the best policy at many prices: no policy has more gold at that KL."""

    @classmethod
    def of(cls, known: Known, beta: float = BETA) -> "Limits":
        """Count everything once."""
        best = rlhf.kl_optimal_policy(known.gold, known.reference, beta)
        return cls(
            best,
            rlhf.optimal_value(known.gold, known.log_reference, beta),
            rlhf.kl_divergence(best.log(), known.log_reference),
            (best * known.gold).sum().item(),
            rlhf.expectation(known.log_reference, known.gold),
            _road(known),
        )

    def share(self, value: float) -> float:
        """How much of the way from the reference to the best policy this J stands."""
        return (value - self.start) / (self.value - self.start)


def _road(known: Known) -> tuple[list[float], list[float]]:
    prices = torch.logspace(1.5, -0.6, 25, dtype=torch.float64).tolist()
    policies = [rlhf.kl_optimal_policy(known.gold, known.reference, price) for price in prices]
    kls = [rlhf.kl_divergence(policy.log(), known.log_reference) for policy in policies]
    return kls, [(policy * known.gold).sum().item() for policy in policies]


def short(world: World, length: int = 3) -> World:
    """The same language and the same wishes, with shorter texts."""
    return dataclasses.replace(world, length=length)


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


WordsLoss = Callable[[Tensor, Tensor, Tensor, float], Tensor]
"""(policy_words, reference_words, mask, beta) -> loss, as `mended_loss`."""


def colleagues_loss(policy_words: Tensor, reference_words: Tensor, mask: Tensor, beta: float) -> Tensor:
    """A colleague's version of mended_loss. Section 9 of lesson 8 asks what is wrong with it."""

    def score(words: Tensor) -> Tensor:
        return (words * mask).sum(dim=-1) / mask.sum(dim=-1)  # (2, batch)

    policy, reference = score(policy_words), score(reference_words)
    return dpo_loss(policy[0], policy[1], reference[0], reference[1], beta)


def step_from_words(loss_fn: WordsLoss) -> Step:
    """A training step around a loss of the log-probabilities of single words. Both sides must be equally long."""

    def words_of(model: nn.Module, batch: rlhf.dpo.Batch) -> Tensor:
        sides = [(model(batch[side])[:, :-1], batch[side][:, 1:]) for side in ("preferred", "rejected")]
        return torch.stack([x.log_softmax(-1).gather(-1, t.unsqueeze(-1)).squeeze(-1) for x, t in sides])

    def step(policy, reference, optimizer, batch, beta):
        mask = torch.stack([batch["preferred_mask"], batch["rejected_mask"]])[:, :, 1:].float()
        with torch.no_grad():
            reference_words = words_of(reference, batch)
        loss = loss_fn(words_of(policy, batch), reference_words, mask, beta)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


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
