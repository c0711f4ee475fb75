"""TODO 3: a scalar head on a backbone."""

from collections.abc import Callable

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.probes import RECIPES, Probe
from reward_lab.checks.subject import Subject
from reward_lab.checks.values import describe

from .poolings import POOLINGS, Batch, right_pooling
from .texts import padded

RewardFromBackbone = Exercise(
    "RewardFromBackbone",
    first_step="Decide which two parts the model has, and which of them trains when the backbone is frozen.",
)
DIM, VOCAB_SIZE, MAX_LEN, TEXTS = 4, 9, 12, 24


def _backbone(draw: torch.Generator) -> Probe:
    data = {
        "tokens": torch.randn(VOCAB_SIZE, DIM, generator=draw),
        "places": 0.7 * torch.randn(MAX_LEN, DIM, generator=draw),
        "padding": torch.randn(MAX_LEN, DIM, generator=draw),
    }
    return Probe("backbone", data)


def _texts(draw: torch.Generator, shortest: int = 1) -> list[Tensor]:
    """Texts of 1 to 7 tokens, many of the lengths more than once."""
    lengths = torch.randint(shortest, 8, (TEXTS,), generator=draw)
    lengths[0], lengths[1], lengths[2] = 7, shortest, 4
    return [torch.randint(VOCAB_SIZE, (int(n),), generator=draw) for n in lengths]


def _batch(draw: torch.Generator, texts: list[Tensor], seq: int, side: str) -> Batch:
    fill = torch.randint(VOCAB_SIZE, (len(texts), seq), generator=draw)
    return Batch(*padded(texts, seq, side, fill))


def _weights(draw: torch.Generator, n: int) -> Tensor:
    return torch.randn(n, generator=draw)


def _scores(subject: Subject, handle: int, batch: Batch) -> Tensor:
    """The rewards of a batch, after a look at their form: (n,) float64."""
    value = subject.apply(handle, batch.token_ids, batch.mask).value
    n = len(batch.mask)
    if not isinstance(value, Tensor) or value.shape != (n,) or not value.is_floating_point():
        likely = None
        if isinstance(value, Tensor) and value.shape == (n, 1):
            likely = "Drop the last dimension with `.squeeze(-1)`: one reward per text."
        elif isinstance(value, Tensor) and value.dim() == 0 and n == 1:
            likely = "`.squeeze()` drops the batch dimension too when there is one text. Use `.squeeze(-1)`."
        elif isinstance(value, Tensor) and value.shape[:2] == batch.mask.shape:
            likely = "One reward per text is asked for, not one per token."
        raise Mistake(f"a float tensor of shape ({n},)", describe(value), likely)
    return value.detach().cpu().double()


def _is_linear_in(scores: Tensor, vectors: Tensor) -> bool:
    """Whether some weights and bias turn these vectors, (n, DIM), into these scores."""
    columns = torch.cat([vectors.double(), torch.ones(len(vectors), 1, dtype=torch.float64)], dim=1)
    # An explicit solver: the default one treats nearly dependent columns, as of a mean, carelessly.
    solution = torch.linalg.lstsq(columns, scores.unsqueeze(1), driver="gelsd").solution
    off = (columns @ solution).squeeze(1) - scores
    return bool(off.abs().max() <= 1e-4 * (scores - scores.mean()).abs().max())


def _made(probe: Probe) -> Callable[[Tensor, Tensor], Tensor]:
    """The backbone as the worker builds it, on this side."""
    backbone = RECIPES["backbone"][0](probe.data, (), "cpu")
    return lambda ids, mask: backbone(ids, mask).detach()


def _trained(subject: Subject, draw: torch.Generator, probe: Probe, freeze: bool) -> tuple[int, dict]:
    """A new model after one step, so that a head that starts from zeros has weights; and its state."""
    handle = subject.create(probe, freeze)
    batch = _batch(draw, _texts(draw), 7, "right")
    _scores(subject, handle, batch)  # a wrong form is named before anything goes backward
    state = subject.step(handle, 0.3, _weights(draw, TEXTS), batch.token_ids, batch.mask)
    return handle, _state(state)


def _now(probe: Probe, state: dict) -> Probe:
    """The backbone as it stands after a step."""
    return Probe(
        "backbone", {**probe.data, **{name: part["value"].cpu() for name, part in state["built"][0].items()}}
    )


def _state(state: object) -> dict:
    if (
        type(state) is not dict
        or len(state.get("built", ())) != 1
        or type(state.get("parameters")) is not dict
    ):
        raise Mistake("a torch module with parameters", describe(state))
    return state


def _check_scores(subject: Subject, draw: torch.Generator, probe: Probe, handle: int, side: str) -> None:
    """The rewards must be one linear function of the last real tokens' vectors, and of nothing else."""
    batch = _batch(draw, _texts(draw), 9, side)
    scores = _scores(subject, handle, batch)
    if bool(scores.isnan().any()):
        raise Mistake("finite rewards", "NaN")
    if (scores - scores[0]).abs().max() < 1e-6:
        raise Mistake("rewards that differ from text to text", "the same reward for every text")
    backbone = _made(probe)
    if _is_linear_in(scores, right_pooling(backbone, batch)):
        return
    likely = next(
        (said for said, pool in POOLINGS.items() if _is_linear_in(scores, pool(backbone, batch))), None
    )
    raise Mistake(
        "rewards that are a linear function of the last real token's vector",
        f"other rewards, with padding on the {side}",
        likely or "Pool the last real token, and pass it through one linear layer, with nothing after it.",
    )


@RewardFromBackbone.case("one linear layer on the last real token", points=0.75)
def _(subject: Subject, draw: torch.Generator) -> None:
    for side in ("right", "left"):
        probe = _backbone(draw)
        handle, state = _trained(subject, draw, probe, freeze=True)
        _check_scores(subject, draw, _now(probe, state), handle, side)
    one = Batch(torch.randint(VOCAB_SIZE, (1, 3), generator=draw), torch.ones(1, 3, dtype=torch.int64))
    _scores(subject, handle, one)


@RewardFromBackbone.case("padding changes no score", points=0.75)
def _(subject: Subject, draw: torch.Generator) -> None:
    probe, texts = _backbone(draw), _texts(draw)
    handle, _ = _trained(subject, draw, probe, freeze=True)
    right = _scores(subject, handle, _batch(draw, texts, 7, "right"))
    same_length = torch.tensor([len(text) == 4 for text in texts])
    alone = torch.stack([text for text in texts if len(text) == 4])
    for where, batch, expected in (
        ("on the right, and more of it", _batch(draw, texts, 12, "right"), right),
        ("on the left", _batch(draw, texts, 9, "left"), right),
        ("nowhere", Batch(alone, torch.ones_like(alone)), right[same_length]),
    ):
        off = (_scores(subject, handle, batch) - expected).abs().max().item()
        if not off <= 1e-4 * max(1.0, right.abs().max().item()):
            raise Mistake(
                "the same rewards however the texts are padded",
                f"rewards that differ by {off:.3g} when padding stands {where}",
                "Pass `attention_mask` to the backbone and to the pooling: the mask says what is padding.",
            )


@RewardFromBackbone.case("frozen: the head trains, the backbone does not", points=0.75)
def _(subject: Subject, draw: torch.Generator) -> None:
    probe = _backbone(draw)
    _, state = _trained(subject, draw, probe, freeze=True)
    (backbone,) = state["built"]
    for name, part in backbone.items():
        if _moved(part["value"], probe.data[name]) or _is_nonzero(part["gradient"]):
            others = [other for other in backbone if not _is_nonzero(backbone[other]["gradient"])]
            raise Mistake(
                "a backbone without gradients, that stays as it is",
                f"gradients on its `{name}`, and another value after a step",
                "Part of the backbone is frozen and part is not: freeze all of `backbone.parameters()`."
                if others
                else "`freeze=True` has to switch off `requires_grad` of every backbone parameter; `eval()` does not.",
            )
    if not any(_is_nonzero(part["gradient"]) for part in state["parameters"].values()):
        raise Mistake(
            "a head that gets gradients",
            "no gradient on any parameter",
            "Freeze `self.backbone` only, and make the head an `nn.Linear` attribute of the module.",
        )


@RewardFromBackbone.case("not frozen: backbone and head train together", points=0.75)
def _(subject: Subject, draw: torch.Generator) -> None:
    probe = _backbone(draw)
    handle, state = _trained(subject, draw, probe, freeze=False)
    # The second step is the one that counts: a head that started from zeros passed no gradient in the first.
    now = _now(probe, state)
    batch = _batch(draw, _texts(draw), 9, "right")
    weights, scores = _weights(draw, TEXTS), _scores(subject, handle, batch)
    state = _state(subject.step(handle, 0.1, weights, batch.token_ids, batch.mask))
    (backbone,) = state["built"]
    if not any(_is_nonzero(part["gradient"]) for part in backbone.values()):
        registered = sum(_is_nonzero(part["gradient"]) for part in state["parameters"].values())
        likely = (
            "A copy of the backbone was trained. Use the backbone itself."
            if registered > 2  # more than a head's weight and bias
            else "The backbone is frozen though `freeze` is False, or cut off by `no_grad` or `detach`."
        )
        raise Mistake("gradients on the backbone", "none", likely)
    right = _right_gradients(now, batch, scores, weights)
    for name, part in backbone.items():
        if _is_nonzero(part["gradient"]) and not _moved(part["value"], now.data[name]):
            raise Mistake(
                f"a backbone whose `{name}` moves with a step on the module's parameters",
                "one that stays",
                "Keep it as an attribute, `self.backbone`: only so does `parameters()` find it.",
            )
        if not _is_nonzero(part["gradient"]) or not torch.allclose(
            part["gradient"].cpu(), right[name], rtol=1e-2, atol=1e-3 * right[name].abs().max().item()
        ):
            raise Mistake(f"the gradient of the rewards on the backbone's `{name}`", "another one, or none")


def _right_gradients(probe: Probe, batch: Batch, scores: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """Gradient on the backbone of the weighted sum of rewards, under the head that gave these scores."""
    backbone = RECIPES["backbone"][0](probe.data, (), "cpu")
    vectors = right_pooling(backbone, batch)
    columns = torch.cat([vectors.detach().double(), torch.ones(TEXTS, 1, dtype=torch.float64)], dim=1)
    head = torch.linalg.lstsq(columns, scores.unsqueeze(1), driver="gelsd").solution[:-1].float()
    ((vectors @ head).squeeze(1) * weights).sum().backward()
    return {name: parameter.grad for name, parameter in backbone.named_parameters()}


def _is_nonzero(gradient: Tensor | None) -> bool:
    return isinstance(gradient, Tensor) and bool((gradient != 0).any())


def _moved(now: Tensor, before: Tensor) -> bool:
    return not torch.equal(now.detach().cpu(), before.detach().cpu())
