"""Train a policy against a reward: REINFORCE and PPO, two plain loops that return their history."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from ..trainer import require_at_least_1
from .policy import Policy, ValueModel
from .ppo import gae, policy_gradient_loss, ppo_loss
from .worlds import World, expectation, kl_divergence


@dataclass(frozen=True)
class RLConfig:
    """How to train. What only PPO uses stands last."""

    beta: float = 0.5
    """Price of a nat of KL between the policy and the reference."""
    updates: int = 80
    """Batches of texts that the policy writes."""
    batch_size: int = 256
    """Texts in a batch."""
    learning_rate: float = 1e-2
    """Adam's step size at the start; it falls to 0 in a straight line."""
    seed: int = 0
    """Fixes what is drawn. The initial weights are the caller's."""
    measure_every: int = 5
    """Updates between two exact measurements."""
    log_every: int = 50
    """Print a progress line every so many updates; 0 prints nothing."""
    passes: int = 4
    """PPO: optimizer steps on each batch."""
    clip: float = 0.2
    """PPO: how far the ratio of new to old probability counts."""
    gamma: float = 1.0
    """PPO: discount. Texts are short, so 1."""
    lam: float = 0.95
    """PPO: how much the advantages trust the rewards (1) or the critic (0)."""

    def __post_init__(self):
        require_at_least_1(self, "updates", "batch_size", "measure_every", "passes")


class TowardsOptimum:
    """What histories of exact values share. Field: `value`, J at some moments; the first is before training."""

    value: list[float]

    def share_of_way(self, optimum: float) -> float:
        """How much of the way from the first value to the optimum the last value stands: 1 is all of it."""
        return (self.value[-1] - self.value[0]) / (optimum - self.value[0])


@dataclass
class RLHistory(TowardsOptimum):
    """Exact values, by enumeration of all texts, at some moments of a run; the first is before training."""

    texts: list[int] = field(default_factory=list)
    """Texts that the policy had written by then."""
    reward: list[float] = field(default_factory=list)
    """Expected learnt reward."""
    kl: list[float] = field(default_factory=list)
    """KL(policy || reference) in nats."""
    value: list[float] = field(default_factory=list)
    """reward - beta * kl: what is being maximised."""
    gold: list[float] = field(default_factory=list)
    """Expected true reward, which training never sees."""
    seconds: float = 0.0
    """Wall time of the run, measurements included."""


def kl_shaped_rewards(rewards: Tensor, log_probs: Tensor, reference_log_probs: Tensor, beta: float) -> Tensor:
    """Rewards word by word: each word pays its share of the KL penalty, and the last one earns the text's reward.

    Args:
        rewards: (batch,) reward of each text.
        log_probs: (batch, length) under the policy that wrote it.
        reference_log_probs: (batch, length) under the reference.
        beta: price of a nat.

    Returns:
        (batch, length). A row's sum is reward - beta * (log-ratio of the text).
    """
    shaped = -beta * (log_probs - reference_log_probs)
    shaped[:, -1] += rewards
    return shaped


ShapeRewards = Callable[[Tensor, Tensor, Tensor, float], Tensor]


def train_reinforce(
    world: World, rewards: Tensor, config: RLConfig | None = None, baseline: bool = True
) -> tuple[Policy, RLHistory]:
    """Improve a policy by REINFORCE: write a batch, take one step along the policy gradient, and again.

    Each text's reward is its entry of `rewards` minus beta times its log-ratio to the reference. The baseline is the mean
    of the other texts' rewards in the batch, which leaves the gradient's mean exactly right.

    Args:
        world: the language; the policy starts as a copy of it.
        rewards: (world.size,) learnt reward of every text, in dictionary order, on the device to train on. Training uses the
            entries of the texts that the policy writes; measuring uses all.
        config: see RLConfig.
        baseline: False takes 0 in place of the mean.

    Returns:
        The trained policy and the RLHistory of the run.
    """
    run = _Run(world, rewards, config or RLConfig())
    optimizer = torch.optim.Adam(run.policy.parameters(), lr=run.config.learning_rate, fused=True)
    for _ in run.updates(optimizer):
        token_ids = run.write()
        log_probs = run.policy(token_ids).sum(dim=1)  # (batch,)
        with torch.no_grad():
            log_ratio = log_probs - run.reference(token_ids).sum(dim=1)
            penalised = run.score(token_ids) - run.config.beta * log_ratio
            others = (penalised.sum() - penalised) / (len(penalised) - 1) if baseline else 0.0
        _step(optimizer, policy_gradient_loss(log_probs, penalised, others))
    return run.policy, run.history


def train_ppo(
    world: World,
    rewards: Tensor,
    config: RLConfig | None = None,
    shape_rewards: ShapeRewards = kl_shaped_rewards,
) -> tuple[Policy, RLHistory]:
    """Improve a policy by PPO: write a batch, take several clipped steps on it, and again.

    Args:
        world, rewards, config: as for train_reinforce.
        shape_rewards: gives each word its reward; the default is right.

    Returns:
        The trained policy and the RLHistory of the run.
    """
    run = _Run(world, rewards, config or RLConfig())
    policy, config = run.policy, run.config
    optimizer = torch.optim.Adam(
        [*policy.parameters(), *run.critic.parameters()], lr=config.learning_rate, fused=True
    )
    for _ in run.updates(optimizer):
        token_ids = run.write()
        with torch.no_grad():
            old = policy(token_ids)  # (batch, length)
            shaped = shape_rewards(run.score(token_ids), old, run.reference(token_ids), config.beta)
            values = F.pad(
                run.critic(token_ids), (0, 1)
            )  # (batch, length + 1): nothing comes after the last word
        advantages, returns = gae(shaped, values, config.gamma, config.lam)
        # On a common scale, so that one learning rate does for rewards of any size.
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        for _ in range(config.passes):
            critic_loss = F.mse_loss(run.critic(token_ids), returns)
            _step(optimizer, ppo_loss(policy(token_ids), old, advantages, config.clip) + 0.5 * critic_loss)
    return policy, run.history


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


class _Run:
    """What both loops share: the models, the batches, the schedule and the measurements."""

    def __init__(self, world: World, rewards: Tensor, config: RLConfig):
        if rewards.shape != (world.size,):
            raise ValueError(
                f"rewards: expected one for each text of the world, shape ({world.size},), got {tuple(rewards.shape)}"
            )
        self.world, self.config, self.device = world, config, rewards.device
        with torch.random.fork_rng(
            devices=[]
        ):  # initial weights are drawn on the CPU, the same on every device
            torch.random.default_generator.manual_seed(config.seed)
            self.policy = Policy(world).to(self.device)
            self.critic = ValueModel(world).to(self.device)
            # An untrained policy is the reference itself, whatever its other weights.
            self.reference = Policy(world).to(self.device).requires_grad_(False)
        self.generator = torch.Generator(self.device).manual_seed(config.seed)
        self.rewards = rewards.float()
        self.log_reference = world.reference_log_probs(self.device)
        self.gold = world.gold(world.sequences(self.device))
        self.history = RLHistory()

    def write(self) -> Tensor:
        """A batch of texts by the policy as it is now: (batch, length) int64."""
        return self.policy.sample(self.config.batch_size, self.generator)

    def score(self, token_ids: Tensor) -> Tensor:
        """Learnt reward of each text: (batch,) float32."""
        return self.rewards[self.world.numbers(token_ids)]

    def updates(self, optimizer: torch.optim.Optimizer) -> Iterator[int]:
        """Count the updates; lower the learning rate, measure and report between them."""
        start, config = time.perf_counter(), self.config
        self.measure(0)
        for update in range(config.updates):
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * (1 - update / config.updates)
            yield update
            done = update + 1
            if done % config.measure_every == 0 or done == config.updates:
                self.measure(done)
            self.history.seconds = time.perf_counter() - start
            if config.log_every and (done % config.log_every == 0 or done == config.updates):
                print(self.progress_line(), flush=True)

    @torch.no_grad()
    def measure(self, updates: int) -> None:
        """Append the exact values of the policy as it is now."""
        log_probs, history = self.policy.all_log_probs(), self.history
        history.texts.append(updates * self.config.batch_size)
        history.reward.append(expectation(log_probs, self.rewards))
        history.gold.append(expectation(log_probs, self.gold))
        history.kl.append(kl_divergence(log_probs, self.log_reference))
        history.value.append(history.reward[-1] - self.config.beta * history.kl[-1])

    def progress_line(self) -> str:
        h = self.history
        return (
            f"{h.texts[-1]:6d} texts  learnt reward {h.reward[-1]:6.3f}, KL {h.kl[-1]:5.2f}, J {h.value[-1]:6.3f}  |  "
            f"gold {h.gold[-1]:6.3f}  ({h.seconds:.1f} s)"
        )
