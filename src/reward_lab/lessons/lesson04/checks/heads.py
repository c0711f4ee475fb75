"""The linear head that a model's rewards reveal, and the rewards that it must give after one step of training."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from reward_lab.checks.probes import RECIPES, Probe

from .poolings import POOLINGS, Batch, right_pooling

Pooling = Callable[[Callable, Batch], Tensor]


@dataclass
class Head:
    """Fields: `weights`, (dim,), and `bias`, both float64; `pooling`, what it reads."""

    weights: Tensor
    bias: Tensor
    pooling: Pooling


def _backbone(probe: Probe) -> torch.nn.Module:
    return RECIPES["backbone"][0](probe.data, (), "cpu")


def made(probe: Probe) -> Callable[[Tensor, Tensor], Tensor]:
    """The backbone as the worker builds it, on this side."""
    backbone = _backbone(probe)
    return lambda ids, mask: backbone(ids, mask).detach()


def fitted(scores: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor, bool]:
    """Weights and bias that turn vectors, (n, dim), into scores, (n,), as well as can be; and whether they do."""
    columns = torch.cat([vectors.double(), torch.ones(len(vectors), 1, dtype=torch.float64)], dim=1)
    # An explicit solver: the default one treats nearly dependent columns, as of a mean, carelessly.
    solution = torch.linalg.lstsq(columns, scores.unsqueeze(1), driver="gelsd").solution
    off = (columns @ solution).squeeze(1) - scores
    fits = bool(off.abs().max() <= 1e-4 * (scores - scores.mean()).abs().max())
    return solution[:-1, 0], solution[-1, 0], fits


def revealed(probe: Probe, batch: Batch, scores: Tensor) -> Head | None:
    """The head that gave these scores, on the right pooling or a usual wrong one; None if no linear head did."""
    backbone = made(probe)
    for pooling in (right_pooling, *POOLINGS.values()):
        weights, bias, fits = fitted(scores, pooling(backbone, batch))
        if fits:
            return Head(weights, bias, pooling)
    return None


def after_a_step(
    probe: Probe, head: Head, seen: Batch, weights: Tensor, rate: float, frozen: bool, asked: Batch
) -> list[Tensor]:
    """Rewards of the texts `asked` after one step of plain gradient descent on the weighted rewards of `seen`.

    Returns:
        (n,) float64 for a head with a bias, and for one without.
    """
    backbone = _backbone(probe).double()
    vectors = head.pooling(backbone, seen)
    ((vectors @ head.weights) * weights.double()).sum().backward()
    with torch.no_grad():
        for parameter in backbone.parameters():
            if not frozen:
                parameter -= rate * parameter.grad
        trained = head.weights - rate * vectors.T @ weights.double()
        rewards = head.pooling(backbone, asked) @ trained
    return [rewards + head.bias - rate * weights.double().sum(), rewards + head.bias]


def right_gradients(probe: Probe, batch: Batch, scores: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """Gradient on the backbone of the weighted sum of rewards, under the head that gave these scores."""
    backbone = _backbone(probe)
    vectors = right_pooling(backbone, batch)
    head = fitted(scores, vectors.detach())[0].float()
    ((vectors @ head) * weights).sum().backward()
    return {name: parameter.grad for name, parameter in backbone.named_parameters()}


def are_all_the_same(scores: Tensor) -> bool:
    """Whether no text's reward differs from the first one's."""
    return bool((scores - scores[0]).abs().max() < 1e-6)


def is_nonzero(gradient: Tensor | None) -> bool:
    """Whether there is a gradient with an entry that is not 0."""
    return isinstance(gradient, Tensor) and bool((gradient != 0).any())


def moved(now: Tensor, before: Tensor) -> bool:
    """Whether any entry has changed."""
    return not torch.equal(now.detach().cpu(), before.detach().cpu())
