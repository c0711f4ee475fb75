"""A small language model that writes word by word, and whose probability of every text can be computed."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .worlds import World


class Policy(nn.Module):
    """An autoregressive policy: a frozen base model plus a trainable correction.

    The logits of the next word are the log-probabilities of the world's language, which stay as they are, plus the output of
    a small network that has seen all words so far. The network's last layer starts at zero, so an untrained policy is
    exactly the reference policy. (Adapters of large models start in the same way: Hu et al., LoRA, 2021.)

    Args:
        world: gives vocabulary, length and base model.
        hidden_dim: width of the network.
    """

    def __init__(self, world: World, hidden_dim: int = 64):
        super().__init__()
        self.vocab_size, self.length = len(world.words), world.length
        self.register_buffer("base_logits", world.transitions.float())  # (vocab + 1, vocab)
        self.prefix = PrefixNetwork(self.vocab_size, self.length, hidden_dim)
        self.head = nn.Linear(hidden_dim, self.vocab_size)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, token_ids: Tensor) -> Tensor:
        """Log-probability of each word of each text, given the words before it.

        Args:
            token_ids: (batch, length) int64.

        Returns:
            (batch, length) float32. Their sum over a row is the text's log-probability.
        """
        return (
            torch.log_softmax(self.logits(token_ids), dim=-1).gather(-1, token_ids.unsqueeze(-1)).squeeze(-1)
        )

    def logits(self, token_ids: Tensor) -> Tensor:
        """(batch, length) int64 -> (batch, length, vocab): what predicts the word at each place from those before it."""
        previous = F.pad(token_ids[:, :-1], (1, 0), value=self.vocab_size)  # (batch, length), the start first
        return self.base_logits[previous] + self.head(self.prefix(token_ids))

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Write texts: (count, length) int64. `generator` is on the policy's device."""
        device = self.base_logits.device
        previous = torch.full((count,), self.vocab_size, device=device)
        summed = torch.zeros(count, self.prefix.hidden_dim, device=device)
        columns = []
        for position in range(self.length):
            logits = self.base_logits[previous] + self.head(self.prefix.at(position, summed))
            previous = torch.multinomial(logits.softmax(dim=-1), 1, generator=generator).squeeze(1)
            summed = summed + self.prefix.embedding[position][previous]
            columns.append(previous)
        return torch.stack(columns, dim=1)

    def all_log_probs(self) -> Tensor:
        """Log-probability of every text of the world, in dictionary order: (vocab ** length,) float32.

        Goes through the tree of prefixes, level by level, so each prefix is computed once: 37,449 of them stand for
        262,144 texts of 6 words. Gradients flow.
        """
        device = self.base_logits.device
        log_probs = torch.zeros(1, device=device)
        summed = torch.zeros(1, self.prefix.hidden_dim, device=device)
        previous = torch.full((1,), self.vocab_size, device=device)
        for position in range(self.length):
            logits = self.base_logits[previous] + self.head(
                self.prefix.at(position, summed)
            )  # (prefixes, vocab)
            log_probs = (log_probs.unsqueeze(1) + torch.log_softmax(logits, dim=-1)).flatten()
            if position + 1 < self.length:
                summed = (summed.unsqueeze(1) + self.prefix.embedding[position]).flatten(0, 1)
                previous = torch.arange(self.vocab_size, device=device).repeat(len(previous))
        return log_probs


class CausalPolicy(nn.Module):
    """A policy in the form of every causal language model: its logits at place t predict the token at place t + 1.

    Texts begin with a start token, whose id is the number of words; `with_start` puts it there.

    Args:
        policy: shares its parameters.
    """

    def __init__(self, policy: Policy):
        super().__init__()
        self.policy = policy

    def forward(self, token_ids: Tensor) -> Tensor:
        """(batch, 1 + length) int64, the start token first -> (batch, 1 + length, vocab); the last logits are all 0."""
        return F.pad(self.policy.logits(token_ids[:, 1:]), (0, 0, 0, 1))

    def with_start(self, token_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Texts with the start token before them, and the mask that is 1 on all but it: each (batch, 1 + length)."""
        with_start = F.pad(token_ids, (1, 0), value=self.policy.vocab_size)
        return with_start, F.pad(torch.ones_like(token_ids), (1, 0))


class PrefixNetwork(nn.Module):
    """One vector for every prefix of a text: the words so far, each with its place, through two layers.

    Each word at each place has an embedding. Those of the words so far are added up, and two layers follow.
    """

    def __init__(self, vocab_size: int, length: int, hidden_dim: int):
        super().__init__()
        self.hidden_dim = hidden_dim
        self.embedding = nn.Parameter(torch.randn(length, vocab_size, hidden_dim) * 0.5)
        self.place = nn.Parameter(torch.randn(length, hidden_dim) * 0.5)
        self.layer = nn.Linear(hidden_dim, hidden_dim)

    def forward(self, token_ids: Tensor) -> Tensor:
        """(batch, length) int64 -> (batch, length, hidden_dim): vector i has seen the words before place i."""
        places = torch.arange(token_ids.shape[1], device=token_ids.device)
        embedded = self.embedding[places, token_ids]  # (batch, length, hidden_dim)
        summed = embedded.cumsum(dim=1) - embedded  # without the word at the place itself
        return self._layers(summed + self.place)

    def at(self, position: int, summed: Tensor) -> Tensor:
        """The vectors of prefixes of `position` words, from the sums of their embeddings: (n, hidden_dim) both."""
        return self._layers(summed + self.place[position])

    def _layers(self, hidden: Tensor) -> Tensor:
        return F.relu(self.layer(F.relu(hidden)))


class ValueModel(nn.Module):
    """What a text is still worth, seen from each place in it: the critic of PPO.

    The same kind of network as the policy's, with one number as its output.
    """

    def __init__(self, world: World, hidden_dim: int = 64):
        super().__init__()
        self.prefix = PrefixNetwork(len(world.words), world.length, hidden_dim)
        self.head = nn.Linear(hidden_dim, 1)

    def forward(self, token_ids: Tensor) -> Tensor:
        """(batch, length) int64 -> (batch, length): value before the word at each place is written."""
        return self.head(self.prefix(token_ids)).squeeze(-1)
