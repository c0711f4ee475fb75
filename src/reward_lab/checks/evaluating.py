"""What checks of an evaluation share: a model that shows how it was called, and that it was left as it came."""

import torch

from .exercise import Mistake
from .probes import Probe, ProbeModel
from .values import same


def probe_model(
    draw: torch.Generator,
    vocab_size: int,
    *,
    differ: tuple[str, ...] = (),
    training: bool = True,
    most: int = 3,
) -> Probe:
    """A model whose tables are all alike, but for those named: only they make a wrong call visible.

    Args:
        draw: for the weights of the tokens, whole numbers from -most to most.
        vocab_size: how many tokens it knows.
        differ: of ProbeModel.TABLES, those with weights of their own.
        training: the mode that it comes in.
        most: the largest weight.
    """
    shared = torch.randint(-most, most + 1, (vocab_size,), generator=draw).float()
    tables = {name: shared for name in ProbeModel.TABLES}
    for name in differ:
        tables[name] = torch.randint(-most, most + 1, (vocab_size,), generator=draw).float()
    return Probe("reward_model", {"tables": tables, "scale": 1.0, "training": training})


def expect_mode_put_back(state: dict, model: Probe) -> None:
    """Raise Mistake if the model came back in another mode."""
    if state["training"] != model.data["training"]:
        modes = {True: "training mode", False: "evaluation mode"}
        raise Mistake(
            f"the model back in {modes[model.data['training']]}, as it was",
            modes[state["training"]],
            "Remember `model.training` before `model.eval()`, and end with `model.train(was_training)`.",
        )


def expect_untouched(state: dict, model: Probe) -> None:
    """Raise Mistake if the model came back with gradients, other parameters, or such that can't be trained."""
    if state["gradients"]:
        raise Mistake(
            "no gradients", "gradients on the parameters", "An evaluation must not call `backward()`."
        )
    if len(state["trainable"]) < len(ProbeModel.TABLES):
        raise Mistake(
            "parameters that can still be trained", "`requires_grad` switched off", "Use `torch.no_grad()`."
        )
    before = {name: table.to(state["tables"][name].device) for name, table in model.data["tables"].items()}
    if not same(before, state["tables"]):
        raise Mistake("unchanged parameters", "changed ones", "An evaluation must not train the model.")
