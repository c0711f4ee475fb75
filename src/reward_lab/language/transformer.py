"""A tiny causal transformer: token ids in, one vector per token out. And a language model on top of it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    """One layer: every token looks back at the tokens before it, then thinks for itself.

    Args:
        hidden_dim: length of each token's vector.
        heads: how many places a token can look at in one layer; divides hidden_dim.
    """

    def __init__(self, hidden_dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(hidden_dim)
        self.query_key_value = nn.Linear(hidden_dim, 3 * hidden_dim)
        self.attention_out = nn.Linear(hidden_dim, hidden_dim)
        self.mlp = nn.Sequential(
            nn.LayerNorm(hidden_dim),
            nn.Linear(hidden_dim, 2 * hidden_dim),
            nn.GELU(),
            nn.Linear(2 * hidden_dim, hidden_dim),
        )

    def forward(self, hidden: Tensor, may_see: Tensor) -> Tensor:
        """(batch, seq, dim) -> the same; `may_see` is (batch, 1, seq, seq) bool, from query to key."""
        batch, seq, dim = hidden.shape
        parts = self.query_key_value(self.attention_norm(hidden))  # (batch, seq, 3 * dim)
        query, key, value = parts.view(batch, seq, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=may_see)  # (batch, heads, seq, -1)
        hidden = hidden + self.attention_out(seen.transpose(1, 2).reshape(batch, seq, dim))
        return hidden + self.mlp(hidden)


class TinyTransformer(nn.Module):
    """The backbone: token ids -> one vector per token, in which the tokens up to it have left their mark.

    A text gets the same vectors wherever its padding stands, left, right or nowhere: real tokens never look at
    padding, and positions are counted from the first real token on.

    Args:
        vocab_size: ids run from 0 to vocab_size - 1.
        hidden_dim: length of the vectors.
        heads: attention heads; divides hidden_dim.
        layers: how many Blocks.
        max_len: the most real tokens that a text may have.

    Raises:
        ValueError: heads does not divide hidden_dim; in `forward`, a text is longer than max_len.
    """

    def __init__(
        self, vocab_size: int, hidden_dim: int = 64, heads: int = 8, layers: int = 2, max_len: int = 32
    ):
        super().__init__()
        if hidden_dim % heads:
            raise ValueError(f"TinyTransformer: heads must divide hidden_dim, got {heads} and {hidden_dim}")
        self.hidden_dim = hidden_dim
        self.max_len = max_len
        self.tokens = nn.Embedding(vocab_size, hidden_dim)
        self.positions = nn.Embedding(max_len, hidden_dim)
        self.blocks = nn.ModuleList(Block(hidden_dim, heads) for _ in range(layers))
        self.final_norm = nn.LayerNorm(hidden_dim)
        nn.init.normal_(self.tokens.weight, std=0.3)
        nn.init.normal_(self.positions.weight, std=0.1)

    def forward(self, token_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Encode a batch of texts.

        Args:
            token_ids: (batch, seq) int64.
            attention_mask: (batch, seq), 1 (or true) at real tokens and 0 at padding, which stands on one side.

        Returns:
            (batch, seq, hidden_dim). What stands at padding means nothing.
        """
        real = attention_mask.bool()
        position = (real.long().cumsum(dim=1) - 1).clamp(min=0)  # 0 at the first real token
        if position.max() >= self.max_len:
            raise ValueError(f"TinyTransformer: a text has more than max_len = {self.max_len} tokens")
        seq = token_ids.shape[1]
        ones = torch.ones(seq, seq, dtype=torch.bool, device=token_ids.device)
        itself = torch.eye(seq, dtype=torch.bool, device=token_ids.device)
        # Padding may see itself: a row of attention weights over nothing at all would be NaN.
        may_see = (ones.tril() & real.unsqueeze(1)) | itself  # (batch, seq, seq)
        hidden = self.tokens(token_ids) + self.positions(position)
        for block in self.blocks:
            hidden = block(hidden, may_see.unsqueeze(1))
        return self.final_norm(hidden)


class LanguageModel(nn.Module):
    """A backbone with a language-model head: for each token, a score for every token that might come next.

    Args:
        backbone: maps (token_ids, attention_mask) to (batch, seq, hidden_dim), and has a `hidden_dim`.
        vocab_size: ids run from 0 to vocab_size - 1.
    """

    def __init__(self, backbone: nn.Module, vocab_size: int):
        super().__init__()
        self.backbone = backbone
        self.lm_head = nn.Linear(backbone.hidden_dim, vocab_size)

    def forward(self, token_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """(batch, seq) int64, twice -> logits (batch, seq, vocab_size)."""
        return self.lm_head(self.backbone(token_ids, attention_mask))
