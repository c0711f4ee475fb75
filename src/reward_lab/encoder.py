"""A text encoder: token ids in, one vector per text out."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SimpleTextEncoder(nn.Module):
    """Average the token embeddings, then pass the average through two hidden layers.

    Args:
        vocab_size: number of different token ids; ids run from 0 to vocab_size - 1.
        embed_dim: length of one token's embedding.
        hidden_dim: length of the vector that comes out.
        embedding_std: standard deviation of the initial embeddings, which are drawn from a normal
            distribution around 0. The default, 1.0, is PyTorch's own.
        padding_id: a token id that fills up shorter texts of a batch and counts for nothing; None if there is none.
    """

    def __init__(
        self,
        vocab_size: int,
        embed_dim: int,
        hidden_dim: int,
        embedding_std: float = 1.0,
        padding_id: int | None = None,
    ):
        super().__init__()
        self.padding_id = padding_id
        self.embedding = nn.Embedding(vocab_size, embed_dim)
        self.layers = nn.Sequential(
            nn.Linear(embed_dim, hidden_dim),
            nn.ReLU(),
            nn.Linear(hidden_dim, hidden_dim),
            nn.ReLU(),
        )
        with torch.no_grad():
            # Scaling the default draw, and not drawing anew, keeps every other initial weight the
            # same whatever the value, so that experiments differ in this one thing only.
            self.embedding.weight.mul_(embedding_std)

    def forward(self, token_ids: Tensor) -> Tensor:
        """Encode a batch of texts.

        Args:
            token_ids: (batch, seq_len) int64 or int32.

        Returns:
            (batch, hidden_dim), in the parameters' dtype. A text of padding alone has the average 0.
        """
        # embedding_bag is self.embedding(token_ids).mean(dim=1) in one step. It never builds the
        # (batch, seq_len, embed_dim) tensor in between, which is most of the time of a large batch.
        weight = self.embedding.weight
        if self.padding_id is None:
            pooled = F.embedding_bag(token_ids, weight, mode="mean")  # (batch, embed_dim)
        else:
            words = token_ids != self.padding_id  # (batch, seq_len)
            share = (words / words.sum(dim=1, keepdim=True).clamp(min=1)).to(weight.dtype)
            pooled = F.embedding_bag(token_ids, weight, mode="sum", per_sample_weights=share)
        return self.layers(pooled)  # (batch, hidden_dim)
