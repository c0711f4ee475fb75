"""What lesson 8's checks send instead of objects: a language model."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from reward_lab.checks.probes import RECIPES

TABLES = ("train_mode", "eval_mode")


class ProbeLanguageModel(nn.Module):
    """A language model whose logits tell in which mode it was called.

    The logits at a place are a row for the token there plus the mean row of all tokens up to it, so that a text's order and
    beginning count. Rows of a batch are independent of each other.
    """

    def __init__(self, tables: dict[str, Tensor]):
        super().__init__()
        self.tables = nn.ParameterDict({name: nn.Parameter(tables[name].clone()) for name in TABLES})

    def forward(self, token_ids: Tensor) -> Tensor:
        """(batch, seq) int64 -> (batch, seq, vocab) float32."""
        rows = self.tables[TABLES[0] if self.training else TABLES[1]][token_ids]
        count = torch.arange(1, token_ids.shape[1] + 1, device=rows.device).unsqueeze(-1)
        return rows + rows.cumsum(dim=1) / count


def _build(data: dict, built: Sequence[object], device: str) -> ProbeLanguageModel:
    model = ProbeLanguageModel(data["tables"]).to(device)
    for name, gradient in data.get("gradients", {}).items():
        model.tables[name].grad = gradient.clone().to(device)
    return model.train(data["training"])


# What is told of it afterwards is what is told of lesson 1's model.
RECIPES["language_model"] = (_build, RECIPES["reward_model"][1])
