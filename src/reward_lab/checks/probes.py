"""Probes: models and optimizers that a check describes as plain data and the other side builds.

A check can't send a model to another process, so it sends a recipe's name and the numbers to fill it
with. Both sides build the same thing; what is compared afterwards is its state. The recipes are made
so that a rule of the exercise shows as a value: a model called in the wrong mode gives other scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Probe:
    """An argument to be built from a recipe.

    Fields: `recipe`, a key of RECIPES; `data`, plain data for it.
    """

    recipe: str
    data: dict = field(default_factory=dict)


class ProbeModel(nn.Module):
    """A reward model whose scores tell how it was called.

    A text's reward is `scale` times the mean weight of its tokens. There are four tables of weights: for
    training and for evaluation mode, with gradients recorded and without. Integer weights, with seq_len
    and scale powers of two, make every reward exact in float32, so ties are ties. Rows are independent
    of each other.
    """

    TABLES = ("train_mode", "train_mode_with_gradients", "eval_mode", "eval_mode_with_gradients")

    def __init__(self, tables: dict[str, Tensor], scale: float):
        super().__init__()
        self.tables = nn.ParameterDict({name: nn.Parameter(tables[name].clone()) for name in self.TABLES})
        self.scale = scale

    def forward(self, token_ids: Tensor) -> Tensor:
        """(batch, seq_len) int64 -> (batch,) float32."""
        tracked = torch.is_grad_enabled() and any(p.requires_grad for p in self.parameters())
        table = ("train_mode" if self.training else "eval_mode") + ("_with_gradients" if tracked else "")
        return self.scale * self.tables[table][token_ids].mean(dim=1)


def _build_model(data: dict, built: Sequence[object], device: str) -> ProbeModel:
    model = ProbeModel(data["tables"], data["scale"]).to(device)
    for name, gradient in data.get("gradients", {}).items():
        model.tables[name].grad = gradient.clone().to(device)
    return model.train(data["training"])


def _model_state(model: ProbeModel) -> dict:
    return {
        "tables": {name: p.detach().clone() for name, p in model.tables.items()},
        "gradients": {name: p.grad.clone() for name, p in model.tables.items() if p.grad is not None},
        "trainable": [name for name, p in model.tables.items() if p.requires_grad],
        "training": model.training,
    }


def _build_sgd(data: dict, built: Sequence[object], device: str) -> torch.optim.SGD:
    """An optimizer of the model among the arguments; with `buffers`, table -> momentum so far, one that is on its way."""
    # SGD, because Adam's first step is the learning rate times a sign: it hides a wrong gradient.
    model, buffers = built[data["model"]], data.get("buffers", {})
    optimizer = torch.optim.SGD(model.parameters(), lr=data["lr"], momentum=0.9 if buffers else 0.0)
    for name, buffer in buffers.items():
        optimizer.state[model.tables[name]]["momentum_buffer"] = buffer.clone().to(device)
    return optimizer


def _sgd_state(optimizer: torch.optim.SGD) -> dict:
    return {"lr": [group["lr"] for group in optimizer.param_groups]}


RECIPES = {
    "reward_model": (_build_model, _model_state),
    "sgd": (_build_sgd, _sgd_state),
}
"""name -> (build(data, arguments built so far, device) -> object, state(object) -> plain data)"""
