"""TODO 3: a scalar head on a backbone."""

import torch
from torch import Tensor

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.naming import named
from reward_lab.checks.probes import Probe
from reward_lab.checks.subject import Subject
from reward_lab.checks.values import describe

from .heads import after_a_step, are_all_the_same, fitted, is_nonzero, made, moved, revealed, right_gradients
from .poolings import POOLINGS, Batch, right_pooling
from .texts import padded

RewardFromBackbone = Exercise(
    "RewardFromBackbone",
    first_step="Decide which two parts the model has, and which of them trains when the backbone is frozen.",
    uses=("last_token_pool",),
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


def _ready(subject: Subject, draw: torch.Generator, probe: Probe, freeze: bool) -> int:
    """A new model. A head that starts from zeros gets a step first, which leaves the backbone where it is."""
    handle = subject.create(probe, freeze)
    batch = _batch(draw, _texts(draw), 7, "right")
    scores = _scores(subject, handle, batch)  # a wrong form is named before anything goes backward
    if are_all_the_same(scores):
        _state(subject.step(handle, 0.3, _weights(draw, TEXTS), batch.token_ids, batch.mask))
    return handle


def _state(state: object) -> dict:
    if (
        type(state) is not dict
        or len(state.get("built", ())) != 1
        or type(state.get("parameters")) is not dict
    ):
        raise Mistake("a torch module with parameters", describe(state))
    return state


def _check_rows(subject: Subject, handle: int, batch: Batch, scores: Tensor) -> None:
    """A text's reward is its own: it depends neither on its row nor on the other rows."""
    if bool(scores.isnan().any()):
        raise Mistake("finite rewards", "NaN")
    if are_all_the_same(scores):
        raise Mistake("rewards that differ from text to text", "the same reward for every text")
    half = len(scores) // 2
    ids, mask = batch.token_ids, batch.mask
    turned = _scores(subject, handle, Batch(ids.flip(0), mask.flip(0))).flip(0)
    fewer = _scores(subject, handle, Batch(ids[:half], mask[:half]))
    for now, before, likely in (
        (turned, scores, "Something random, such as dropout, comes after the backbone. Leave it out."),
        (
            fewer,
            scores[:half],
            "It depends on the rest of its batch. Centre or normalise nothing over the batch.",
        ),
    ):
        off = (now - before).abs().max().item()
        if not off <= 1e-4 * max(1.0, scores.abs().max().item()):
            raise Mistake(
                "one reward for a text, whatever batch it is in", f"rewards that differ by {off:.3g}", likely
            )


def _check_scores(subject: Subject, draw: torch.Generator, probe: Probe, handle: int, side: str) -> None:
    """The rewards must be one linear function of the last real tokens' vectors, and of nothing else."""
    batch = _batch(draw, _texts(draw), 9, side)
    scores = _scores(subject, handle, batch)
    _check_rows(subject, handle, batch, scores)
    backbone = made(probe)
    if fitted(scores, right_pooling(backbone, batch))[2]:
        return
    likely = named(said for said, pool in POOLINGS.items() if fitted(scores, pool(backbone, batch))[2])
    raise Mistake(
        "rewards that are a linear function of the last real token's vector",
        f"other rewards, with padding on the {side}",
        likely or "Pool the last real token, and pass it through one linear layer, with nothing after it.",
    )


def _check_after_the_step(
    subject: Subject,
    draw: torch.Generator,
    probe: Probe,
    handle: int,
    step: tuple[Batch, Tensor, Tensor, float],
    frozen: bool,
) -> None:
    """Ask for rewards after a step, (batch, its scores before, weights, rate), on texts that are drawn now."""
    seen, scores, weights, rate = step
    head = revealed(probe, seen, scores)
    asked = _batch(draw, _texts(draw), 8, "right")
    got = _scores(subject, handle, asked)
    wanted = after_a_step(probe, head, seen, weights, rate, frozen, asked) if head else []
    if not any((got - want).abs().max() <= 2e-3 * (1 + (want - want.mean()).abs().max()) for want in wanted):
        raise Mistake(
            "rewards after a step as one trained linear layer gives them",
            "other rewards",
            "All of the head trains: make it one `nn.Linear(backbone.hidden_dim, 1)`, an attribute of the module, with no "
            "second layer, no fixed weights and nothing after it.",
        )


@RewardFromBackbone.case("one linear layer on the last real token", points=0.75)
def _(subject: Subject, draw: torch.Generator) -> None:
    for side in ("right", "left"):
        probe = _backbone(draw)
        handle = _ready(subject, draw, probe, freeze=True)
        _check_scores(subject, draw, probe, handle, side)
    one = Batch(torch.randint(VOCAB_SIZE, (1, 3), generator=draw), torch.ones(1, 3, dtype=torch.int64))
    _scores(subject, handle, one)


@RewardFromBackbone.case("padding changes no score", points=0.75)
def _(subject: Subject, draw: torch.Generator) -> None:
    probe, texts = _backbone(draw), _texts(draw)
    handle = _ready(subject, draw, probe, freeze=True)
    batch = _batch(draw, texts, 7, "right")
    right = _scores(subject, handle, batch)
    _check_rows(subject, handle, batch, right)
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
    handle = _ready(subject, draw, probe, freeze=True)
    batch, weights = _batch(draw, _texts(draw), 7, "right"), _weights(draw, TEXTS)
    scores = _scores(subject, handle, batch)
    state = _state(subject.step(handle, 0.3, weights, batch.token_ids, batch.mask))
    (backbone,) = state["built"]
    for name, part in backbone.items():
        if moved(part["value"], probe.data[name]) or is_nonzero(part["gradient"]):
            others = [other for other in backbone if not is_nonzero(backbone[other]["gradient"])]
            raise Mistake(
                "a backbone without gradients, that stays as it is",
                f"gradients on its `{name}`, and another value after a step",
                "Part of the backbone is frozen and part is not: freeze all of `backbone.parameters()`."
                if others
                else "`freeze=True` has to switch off `requires_grad` of every backbone parameter; `eval()` does not.",
            )
    if any(part["gradient"] is not None for part in backbone.values()):
        raise Mistake(
            "a backbone without gradients",
            "gradients that are 0",
            "An optimizer with weight decay or momentum still moves parameters whose gradient is 0. Switch off "
            "`requires_grad`: then there is none.",
        )
    if not any(is_nonzero(part["gradient"]) for part in state["parameters"].values()):
        raise Mistake(
            "a head that gets gradients",
            "no gradient on any parameter",
            "Freeze `self.backbone` only, and make the head an `nn.Linear` attribute of the module.",
        )
    _check_after_the_step(subject, draw, probe, handle, (batch, scores, weights, 0.3), frozen=True)


@RewardFromBackbone.case("not frozen: backbone and head train together", points=0.75)
def _(subject: Subject, draw: torch.Generator) -> None:
    probe = _backbone(draw)
    handle = _ready(subject, draw, probe, freeze=False)
    batch = _batch(draw, _texts(draw), 9, "right")
    weights, scores = _weights(draw, TEXTS), _scores(subject, handle, batch)
    state = _state(subject.step(handle, 0.1, weights, batch.token_ids, batch.mask))
    (backbone,) = state["built"]
    if not any(is_nonzero(part["gradient"]) for part in backbone.values()):
        registered = sum(is_nonzero(part["gradient"]) for part in state["parameters"].values())
        likely = (
            "A copy of the backbone was trained. Use the backbone itself."
            if registered > 2  # more than a head's weight and bias
            else "The backbone is frozen though `freeze` is False, or cut off by `no_grad` or `detach`."
        )
        raise Mistake("gradients on the backbone", "none", likely)
    right = right_gradients(probe, batch, scores, weights)
    for name, part in backbone.items():
        if is_nonzero(part["gradient"]) and not moved(part["value"], probe.data[name]):
            raise Mistake(
                f"a backbone whose `{name}` moves with a step on the module's parameters",
                "one that stays",
                "Keep it as an attribute, `self.backbone`: only so does `parameters()` find it.",
            )
        if not is_nonzero(part["gradient"]) or not torch.allclose(
            part["gradient"].cpu(), right[name], rtol=1e-2, atol=1e-3 * right[name].abs().max().item()
        ):
            raise Mistake(f"the gradient of the rewards on the backbone's `{name}`", "another one, or none")
    _check_after_the_step(subject, draw, probe, handle, (batch, scores, weights, 0.1), frozen=False)
