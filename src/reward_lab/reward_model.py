"""The reward model: a text encoder with a scalar head on top."""

from torch import Tensor, nn

from .encoder import SimpleTextEncoder
from .saving import Saved


class RewardModel(Saved, nn.Module):
    """Give every text one number, its reward.

    The plan is that of the reward models used for RLHF: a backbone turns the text into a vector, and
    one linear layer turns the vector into a score. There the backbone is a pretrained language model;
    here it is a SimpleTextEncoder.

    Args: as for SimpleTextEncoder.
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
        self.encoder = SimpleTextEncoder(vocab_size, embed_dim, hidden_dim, embedding_std, padding_id)
        self.reward_head = nn.Linear(hidden_dim, 1)

    def forward(self, token_ids: Tensor) -> Tensor:
        """Score a batch of texts.

        Args:
            token_ids: (batch, seq_len) int64 or int32.

        Returns:
            (batch,) rewards, in the parameters' dtype. Only differences between rewards mean anything:
            the Bradley-Terry loss does not change when a constant is added to all of them.
        """
        hidden = self.encoder(token_ids)  # (batch, hidden_dim)
        reward = self.reward_head(hidden)  # (batch, 1)
        return reward.squeeze(-1)  # (batch,)
