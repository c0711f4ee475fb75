"""Lesson 4's loops: pretrain a language model on stories, then train reward models from it or from nothing."""

import copy
import functools
import time
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reward_lab.language.backbone import RewardFromBackbone, last_token_pool, next_token_loss
from reward_lab.language.grammar import (
    MOODS,
    PAD_ID,
    WORDS,
    draw_corpus,
    draw_stories,
    effects,
    encode,
    story_pairs,
)
from reward_lab.language.transformer import LanguageModel, TinyTransformer
from reward_lab.losses import bradley_terry_loss
from reward_lab.metrics import Pairs, preference_accuracy, score_in_batches

HELD_OUT_SEED = 1_000_000
STEPS = {50: 30, 200: 50, 1000: 100, 10_000: 313}
"""Pairs -> training steps of 32 pairs: one pass over 10,000 pairs, more passes over fewer."""


@dataclass
class PretrainingHistory:
    """Measured every `log_every` steps: on held-out stories, never on those trained on.

    Fields: `steps`; `loss`, next-token loss in nats; `mood_accuracy`, how often the likeliest mood after a story
    without moods in between is the right one, the best possible being 1.0; `seconds` of wall time.
    """

    steps: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    mood_accuracy: list[float] = field(default_factory=list)
    seconds: float = 0.0


class Pretraining:
    """Pretraining of a tiny language model, which can be run in parts.

    Args:
        seed: fixes initial weights, corpus and batches.
        total_steps: length of the learning-rate schedule (up for a tenth, then down along a cosine).
        device: where to train.
        loss_fn: as next_token_loss; another one shows what a mistake does.
        corpus_size: stories in the corpus.
    """

    def __init__(
        self,
        seed: int,
        total_steps: int = 800,
        device: torch.device | str = "cpu",
        loss_fn=next_token_loss,
        corpus_size: int = 20_000,
    ):
        self.generator = torch.Generator().manual_seed(seed)
        self.corpus = draw_corpus(corpus_size, self.generator)
        self.model = new_language_model(seed).to(device)
        self.loss_fn, self.device = loss_fn, device
        self.optimizer, self.schedule = _optimizer(self.model, 5e-3, total_steps)
        self.history = PretrainingHistory()
        self.done = 0

    def run(self, steps: int, log_every: int = 100) -> PretrainingHistory:
        """Take so many steps of 64 stories, and measure and print a line every `log_every`; 0 never does."""
        start = time.perf_counter()
        for _ in range(steps):
            rows = torch.randint(len(self.corpus), (64,), generator=self.generator)
            token_ids = self.corpus[rows].to(self.device)
            mask = token_ids != PAD_ID
            loss = self.loss_fn(self.model(token_ids, mask), token_ids, mask)
            _step(loss, self.optimizer, self.schedule)
            self.done += 1
            if log_every and self.done % log_every == 0:
                self._measure()
        self.history.seconds += time.perf_counter() - start
        return self.history

    @torch.no_grad()
    def _measure(self) -> None:
        token_ids = draw_corpus(500, torch.Generator().manual_seed(HELD_OUT_SEED)).to(self.device)
        mask = token_ids != PAD_ID
        self.history.steps.append(self.done)
        self.history.loss.append(next_token_loss(self.model(token_ids, mask), token_ids, mask).item())
        self.history.mood_accuracy.append(mood_accuracy(self.model, self.device))
        print(
            f"step {self.done:4d}: held-out loss {self.history.loss[-1]:.3f} nats per token, "
            f"mood right in {self.history.mood_accuracy[-1]:.3f} of new stories",
            flush=True,
        )


def new_language_model(seed: int) -> LanguageModel:
    """An untrained language model for the words of the grammar; its weights are a function of the seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LanguageModel(TinyTransformer(len(WORDS)), len(WORDS))


@torch.no_grad()
def mood_accuracy(model: LanguageModel, device: torch.device | str = "cpu", n: int = 1000) -> float:
    """How often the likeliest mood after a new story is the right one. The story tells no mood before."""
    stories = draw_stories(n, torch.Generator().manual_seed(HELD_OUT_SEED + 1))
    token_ids = encode(stories).to(device)
    mask = token_ids != PAD_ID
    logits = last_token_pool(model(token_ids, mask), mask)  # (n, vocab_size), after the last full stop
    first = WORDS.index(MOODS[0])
    guess = logits[:, first : first + len(MOODS)].argmax(dim=1).cpu() - len(MOODS) // 2
    return (guess == effects(stories).sum(dim=1)).double().mean().item()


def train_from(
    backbone: nn.Module,
    n_pairs: int,
    seed: int,
    freeze: bool = False,
    learning_rate: float = 1e-3,
    steps: int | None = None,
    device: torch.device | str = "cpu",
) -> RewardFromBackbone:
    """Train a reward model that starts from a copy of this backbone.

    Args:
        backbone: copied; the original stays as it is.
        n_pairs: training pairs, drawn from the seed, twins of each other.
        seed: fixes pairs, head and order of the batches.
        freeze: train the head alone. Its input never changes then, so it is computed once, and the convex
            problem that remains is solved to its end (L-BFGS, L2 penalty 1e-3 / 2).
        learning_rate: of AdamW, at the top of its schedule.
        steps: of 32 pairs each; None takes it from STEPS. Not used when frozen.
        device: where to train.
    """
    preferred, rejected = (part.to(device) for part in story_pairs(n_pairs, seed))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = RewardFromBackbone(copy.deepcopy(backbone), freeze).to(device)
    if freeze:
        _fit_head(model, preferred, rejected)
        return model
    optimizer, schedule = _optimizer(model, learning_rate, steps or STEPS[n_pairs])
    generator = torch.Generator().manual_seed(seed)
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(steps or STEPS[n_pairs]):
        if len(order) < 32:  # the pairs have been seen: shuffle them again
            order = torch.cat([order, torch.randperm(n_pairs, generator=generator)])
        rows, order = order[:32].to(device), order[32:]
        rewards = model(torch.cat([preferred[rows], rejected[rows]]))
        _step(bradley_terry_loss(*rewards.chunk(2)), optimizer, schedule)
    return model


def held_out_accuracy(model: nn.Module, device: torch.device | str = "cpu", same_words: bool = True) -> float:
    """Accuracy on 1,000 pairs that no run trains on. The oracle's is exactly 1.0: no pair is tied."""
    rewards = (score_in_batches(model, part.to(device)) for part in held_out_story_pairs(same_words))
    return preference_accuracy(*rewards)


@functools.cache
def held_out_story_pairs(same_words: bool = True) -> Pairs:
    """The 1,000 pairs of held_out_accuracy, as token ids."""
    return story_pairs(1000, HELD_OUT_SEED, same_words)


def _fit_head(model: RewardFromBackbone, preferred: Tensor, rejected: Tensor) -> None:
    """Fit the head on fixed vectors. The bias cancels in every difference, so it stays at 0."""
    with torch.no_grad():
        vectors = [_pooled(model, part) for part in (preferred, rejected)]
    difference = vectors[0] - vectors[1]  # (n, hidden_dim)
    weight = torch.zeros(difference.shape[1], device=difference.device, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], max_iter=100, line_search_fn="strong_wolfe")

    def objective() -> Tensor:
        optimizer.zero_grad()
        value = -F.logsigmoid(difference @ weight).mean() + 1e-3 / 2 * weight.square().sum()
        value.backward()
        return value

    optimizer.step(objective)
    with torch.no_grad():
        model.reward_head.weight.copy_(weight.unsqueeze(0))
        model.reward_head.bias.zero_()


def _pooled(model: RewardFromBackbone, token_ids: Tensor) -> Tensor:
    mask = token_ids != PAD_ID
    return torch.cat(
        [
            last_token_pool(model.backbone(ids, real), real)
            for ids, real in zip(token_ids.split(2048), mask.split(2048), strict=True)
        ]
    )


def _optimizer(model: nn.Module, learning_rate: float, steps: int):
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, total_steps=max(steps, 20), pct_start=0.1
    )
    return optimizer, schedule


def _step(loss: Tensor, optimizer: torch.optim.Optimizer, schedule) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
