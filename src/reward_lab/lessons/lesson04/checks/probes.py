"""What lesson 4's checks send instead of objects: a backbone, and a function that looks accuracies up."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from reward_lab.checks.probes import RECIPES


class ProbeBackbone(nn.Module):
    """A backbone whose vectors tell what was read, from where, and past which padding.

    A token's vector is tanh of the mean of the weights of all real tokens up to it, plus the weights of its place
    among the real tokens. Padding leaves no mark on real tokens; its own vectors differ from place to place.
    """

    def __init__(self, tokens: Tensor, places: Tensor, padding: Tensor):
        super().__init__()
        self.hidden_dim = tokens.shape[1]
        self.tokens, self.places = nn.Parameter(tokens.clone()), nn.Parameter(places.clone())
        self.register_buffer("padding", padding.clone())

    def forward(self, token_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """(batch, seq) int64, twice -> (batch, seq, hidden_dim)."""
        real = attention_mask.bool().unsqueeze(-1)  # (batch, seq, 1)
        count = real.cumsum(dim=1)
        sums = (self.tokens[token_ids] * real).cumsum(dim=1)
        hidden = torch.tanh(sums / count.clamp(min=1)) + self.places[(count.squeeze(-1) - 1).clamp(min=0)]
        return torch.where(real, hidden, self.padding[: token_ids.shape[1]] * hidden.square())


def _build_backbone(data: dict, built: Sequence[object], device: str) -> ProbeBackbone:
    return ProbeBackbone(data["tokens"], data["places"], data["padding"]).to(device)


def _backbone_state(backbone: ProbeBackbone) -> dict:
    return {
        name: {
            "value": parameter.detach().clone(),
            "gradient": None if parameter.grad is None else parameter.grad.clone(),
            "trainable": parameter.requires_grad,
        }
        for name, parameter in backbone.named_parameters()
    }


class AccuracyTable:
    """A train_fn that has no model: it looks an accuracy up, and notes what it was asked."""

    def __init__(self, table: dict[int, dict[int, float]]):
        self.table = table
        self.calls: list[list[int]] = []

    def __call__(self, n_pairs: int, seed: int) -> float:
        if n_pairs not in self.table or seed not in self.table[n_pairs]:
            raise ValueError(
                f"train_fn was called with n_pairs={n_pairs!r} and seed={seed!r}, which were not asked for"
            )
        self.calls.append([int(n_pairs), int(seed)])
        return self.table[n_pairs][seed]


RECIPES["backbone"] = (_build_backbone, _backbone_state)
RECIPES["accuracy_table"] = (
    lambda data, built, device: AccuracyTable(data["table"]),
    lambda function: function.calls,
)
