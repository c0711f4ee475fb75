"""Train a policy on preferences, without a reward model: where pairs come from, and a plain loop with its history."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..metrics import Pairs
from ..trainer import require_at_least_1
from .dpo import Batch, dpo_step, sequence_log_probs
from .policy import CausalPolicy, Policy
from .training import TowardsOptimum
from .worlds import World, expectation, kl_divergence

Step = Callable[[nn.Module, nn.Module, torch.optim.Optimizer, Batch, float], float]
"""As `dpo_step`: (policy, reference, optimizer, batch, beta) -> loss."""
Source = Callable[[Policy], Iterator[Pairs]]
"""Gives batches of judged pairs, without end: preferred and rejected token ids, (batch, length) int64 each, on the CPU."""


@dataclass(frozen=True)
class DPOConfig:
    """How to train."""

    beta: float = 0.5
    """Price of a nat of KL between the policy and the reference."""
    steps: int = 200
    """Optimizer steps, one batch of pairs each."""
    learning_rate: float = 1e-2
    """Adam's step size at the start; it falls to 0 in a straight line."""
    seed: int = 0
    """Fixes the initial weights."""
    measure_every: int = 20
    """Steps between two exact measurements."""

    def __post_init__(self):
        require_at_least_1(self, "steps", "measure_every")


@dataclass
class DPOHistory(TowardsOptimum):
    """Values at some moments of a run; the first is before training. KL, gold and value are exact, by enumeration."""

    judgements: list[int] = field(default_factory=list)
    """Pairs that were trained on by then; a pair that came twice counts twice."""
    loss: list[float] = field(default_factory=list)
    """Mean training loss since the moment before; NaN at the first one."""
    kl: list[float] = field(default_factory=list)
    """KL(policy || reference) in nats."""
    gold: list[float] = field(default_factory=list)
    """Expected true reward, which training never sees."""
    value: list[float] = field(default_factory=list)
    """J = gold - beta * kl: what people would want to be maximised."""
    accuracy: list[float] = field(default_factory=list)
    """Share of held-out pairs whose preferred text has the higher log-ratio; empty without held-out pairs."""
    preferred: list[float] = field(default_factory=list)
    """Mean log-ratio of the preferred texts of held-out pairs, in nats."""
    rejected: list[float] = field(default_factory=list)
    """Mean log-ratio of the rejected ones."""
    seconds: float = 0.0
    """Processor time of the run, measurements included."""


def policy_pairs(world: World, count: int, seed: int) -> Source:
    """Pairs of texts that the policy writes itself, judged as they come: online DPO."""
    judge = torch.Generator().manual_seed(seed)

    def source(policy: Policy) -> Iterator[Pairs]:
        generator = torch.Generator(policy.base_logits.device).manual_seed(seed)
        while True:
            yield world.judged(*policy.sample(2 * count, generator).cpu().chunk(2), judge)

    return source


def reference_pairs(world: World, count: int, seed: int) -> Source:
    """Pairs of texts of the reference, fresh in every batch."""
    draw = torch.Generator().manual_seed(seed)
    return lambda policy: iter(lambda: world.sample_preferences(count, draw), None)


def uniform_pairs(world: World, count: int, seed: int) -> Source:
    """Pairs of texts in which every word is as likely as any other, fresh in every batch."""
    draw = torch.Generator().manual_seed(seed)

    def batch() -> Pairs:
        numbers = torch.randint(world.size, (2 * count,), generator=draw)
        return world.judged(*world.token_ids(numbers).chunk(2), draw)

    return lambda policy: iter(batch, None)


def shuffled_rows(total: int, count: int, seed: int) -> Iterator[Tensor]:
    """Batches of `count` row numbers, without end: all rows in an order, then all rows in another one."""
    draw = torch.Generator().manual_seed(seed)
    while True:
        yield from torch.randperm(total, generator=draw).split(count)


def fixed_pairs(pairs: Pairs, count: int, seed: int) -> Source:
    """The same pairs epoch after epoch, in a new order each time."""
    return lambda policy: (
        (pairs[0][rows], pairs[1][rows]) for rows in shuffled_rows(len(pairs[0]), count, seed)
    )


def train_dpo(
    world: World,
    source: Source,
    config: DPOConfig | None = None,
    step: Step = dpo_step,
    held_out: Pairs | None = None,
    device: torch.device | str = "cpu",
) -> tuple[Policy, DPOHistory]:
    """Improve a policy on judged pairs.

    Args:
        world: the language; the policy starts as a copy of it, and this is the reference.
        source: gives the pairs.
        config: see DPOConfig.
        step: what is done with each batch; the default is right.
        held_out: pairs that are measured, never trained on.
        device: where to train.

    Returns:
        The trained policy and the DPOHistory of the run.
    """
    config = config or DPOConfig()
    with torch.random.fork_rng(devices=[]):  # initial weights are drawn on the CPU, the same on every device
        torch.random.default_generator.manual_seed(config.seed)
        policy, untrained = Policy(world).to(device), Policy(world).to(device)
    model, reference = CausalPolicy(policy), CausalPolicy(untrained.requires_grad_(False))
    optimizer = torch.optim.Adam(policy.parameters(), lr=config.learning_rate, fused=True)
    measure = _Measure(world, config.beta, reference, held_out, device)
    batches, losses, judgements, start = source(policy), [], 0, time.process_time()
    history = DPOHistory()
    measure(history, policy, 0, float("nan"))
    for done in range(1, config.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * (1 - (done - 1) / config.steps)
        pairs = next(batches)
        judgements += len(pairs[0])
        losses.append(step(model, reference, optimizer, as_batch(model, pairs, device), config.beta))
        if done % config.measure_every == 0 or done == config.steps:
            measure(history, policy, judgements, sum(losses) / len(losses))
            losses = []
    history.seconds = time.process_time() - start
    return policy, history


def as_batch(model: CausalPolicy, pairs: Pairs, device: torch.device | str = "cpu") -> Batch:
    """Pairs of texts of a world as `dpo_step` takes them: with the start token, and a mask for all but it."""
    batch = {}
    for side, token_ids in zip(("preferred", "rejected"), pairs, strict=True):
        batch[side], batch[f"{side}_mask"] = model.with_start(token_ids.to(device))
    return batch


class _Measure:
    """Appends to a history what a policy is worth, and how it does on held-out pairs."""

    def __init__(self, world, beta, reference: CausalPolicy, held_out: Pairs | None, device):
        self.beta, self.log_reference = beta, world.reference_log_probs(device)
        self.gold = world.gold(world.sequences(device))
        self.held_out = held_out and as_batch(reference, held_out, device)
        self.reference = self.log_ratios(reference) if held_out else None

    @torch.no_grad()
    def log_ratios(self, model: CausalPolicy) -> Tensor:
        """(2, pairs): log-probabilities of both sides, minus the reference's once these are known."""
        batch = self.held_out
        sides = [
            sequence_log_probs(model(batch[side]), batch[side], batch[f"{side}_mask"])
            for side in ("preferred", "rejected")
        ]
        return torch.stack(sides).double()

    @torch.no_grad()
    def __call__(self, history: DPOHistory, policy: Policy, judgements: int, loss: float) -> None:
        log_probs = policy.all_log_probs()
        history.judgements.append(judgements)
        history.loss.append(loss)
        history.kl.append(kl_divergence(log_probs, self.log_reference))
        history.gold.append(expectation(log_probs, self.gold))
        history.value.append(history.gold[-1] - self.beta * history.kl[-1])
        if self.held_out:
            preferred, rejected = self.log_ratios(CausalPolicy(policy)) - self.reference
            ranked = (preferred > rejected).double() + 0.5 * (preferred == rejected).double()
            history.accuracy.append(ranked.mean().item())
            history.preferred.append(preferred.mean().item())
            history.rejected.append(rejected.mean().item())
