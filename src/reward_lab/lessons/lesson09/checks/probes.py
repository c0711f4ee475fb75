"""What lesson 9's checks send instead of a real model: a small one, made on the spot, that is called like one."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from reward_lab.checks.probes import RECIPES


@dataclass
class Output:
    """What a language model of transformers returns, as far as an answer needs it."""

    logits: Tensor


class ProbeCausalModel(nn.Module):
    """A causal language model in the manner of transformers: ids and attention mask in, an output with `logits` out.

    The logits at a place are a row for the token there, plus a row for its place, plus the mean row of all tokens up to
    it that the attention mask leaves in. So order, beginning, padding in front and the mask all count. Places are
    counted from the left edge, as with transformers where nobody gives `position_ids`. Rows are independent.
    """

    def __init__(self, table: Tensor, places: Tensor):
        super().__init__()
        self.table, self.places = nn.Parameter(table.clone()), nn.Parameter(places.clone())

    @property
    def device(self) -> torch.device:
        return self.table.device

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **unused: object) -> Output:
        """(batch, seq) int64 -> logits (batch, seq, vocab) float32."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        weight = mask.to(self.table.dtype)[..., None]
        rows = self.table[input_ids]
        before = (rows * weight).cumsum(dim=1) / weight.cumsum(dim=1).clamp(min=1)
        return Output(rows + before.roll(1, dims=-1) + self.places[: input_ids.shape[1]])


def _build(data: dict, built: Sequence[object], device: str) -> ProbeCausalModel:
    return ProbeCausalModel(data["table"], data["places"]).to(device).eval()


def _state(model: ProbeCausalModel) -> dict:
    # Gradients are shown apart: a call must leave the weights and the mode alone.
    return {
        "table": model.table.detach().clone(), "places": model.places.detach().clone(), "training": model.training
    }  # fmt: skip


RECIPES["causal_model"] = (_build, _state)
