"""From a preference file to a reward model on a pretrained language model: what all ways to tune have in common."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from ..language.pretrained import MAX_LENGTH, POOLINGS, Backbone, load_backbone
from ..language.reward_folder import LanguageReward, save_reward_model
from ..progress import spent
from ..trainer import History
from .preferences import Preferences
from .training import loss_of_guessing, measure_differences, training_rows

TUNES = ("head", "lora", "full")


@dataclass
class BackboneConfig:
    """How to make a reward model of a language model."""

    backbone: str
    """A folder, or a name on the hub."""
    tune: str = "head"
    """`head`: the backbone stays as it is, and a linear head is fitted exactly. `lora`, `full`: TRL's RewardTrainer."""
    pooling: str = "last"
    """`last`: the last token's vector, transformers' own classifier. `mean`: the mean over tokens; such a folder loads with
    trust_remote_code=True."""
    template: str = "auto"
    dtype: str = "auto"
    max_length: int = MAX_LENGTH
    """Tokens that are kept of one text: the last ones."""
    held_out_share: float = 0.1
    nonsense: float = 0.5
    """Pairs that are made for each training pair: its preferred answer against its own words, garbled. See nonsense.py."""
    seed: int = 0
    epochs: int = 3
    batch_size: int = 16
    """Pairs per step."""
    learning_rate: float | None = None
    """None: 1e-4 for lora, 1e-5 for full."""
    weight_decay: float = 0.0
    patience: int = 2

    def __post_init__(self):
        for name, allowed in (("tune", TUNES), ("pooling", POOLINGS)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"--{name} {getattr(self, name)}: expected one of {', '.join(allowed)}")
        if not 0 < self.held_out_share < 1:
            raise ValueError(f"held_out_share must be between 0 and 1, got {self.held_out_share}")
        if not 0 <= self.nonsense <= 1:
            raise ValueError(f"--nonsense {self.nonsense}: expected a share from 0 (none) to 1")


@dataclass
class Job:
    """What a way to tune gets."""

    preferences: Preferences
    held_out: Preferences | None
    kept: "object"
    """(n,) bool: the pairs to train on."""
    config: BackboneConfig
    backbone: Backbone
    folder: Path
    say: Callable[[str], object]


@dataclass
class Tuned:
    """What a way to tune gives back."""

    model: object
    """A PreTrainedModel with one output."""
    differences: dict[str, torch.Tensor]
    """`train` and `held_out`: (n,) float64 reward differences, preferred minus rejected."""
    margins: dict[str, torch.Tensor | None]
    texts: int
    """Texts that went through the model."""
    tokens: int
    data: dict = field(default_factory=dict)
    more: dict = field(default_factory=dict)
    """Further numbers for the metrics."""
    history: History | None = None
    """Of epochs, where there are any."""
    penalties: dict[float, float] = field(default_factory=dict)
    """Penalty -> cross-validated loss, for an exact fit."""


@dataclass
class BackboneRun:
    """What train_on_backbone returns."""

    model: LanguageReward
    metrics: dict
    tuned: Tuned
    spent: str
    """What the run cost, in a line."""


def train_on_backbone(
    preferences: Preferences,
    held_out: Preferences | None,
    config: BackboneConfig,
    folder: Path,
    device: torch.device | str = "cpu",
    say: Callable[[str], object] = print,
) -> BackboneRun:
    """Train a reward model on a pretrained backbone, and save it.

    Pairs are held out and warned of as for the bag of words (see train_on_preferences).

    Args:
        preferences: what load_preferences returns.
        held_out: pairs for the report; None holds out a tenth of the prompts.
        config: see BackboneConfig.
        folder: the model goes there; so does what an interrupted run needs to go on.
        device: where the backbone runs.
        say: called with a line of text after each stage, and now and then in between.

    Raises:
        ValueError: no such backbone, an impossible split, or a folder with another model or another run.
        ModuleNotFoundError: transformers, TRL or peft is not installed.
    """
    from . import backbone_head, backbone_trl

    start = time.perf_counter()
    kept, warnings = training_rows(preferences, held_out, config.held_out_share)
    for warning in warnings:
        say(f"warning: {warning}")
    prompts = all(pair.prompt for pair in preferences)
    dtype = (
        config.dtype if config.tune == "head" else "float32"
    )  # TRL computes in bfloat16, and keeps float32 weights
    backbone = load_backbone(config.backbone, device, dtype, config.max_length, config.template, prompts)
    if config.pooling not in backbone.poolings:
        raise ValueError(
            f"--pooling {config.pooling}: transformers has no classifier on the last token for {config.backbone} (an "
            "encoder?); --pooling mean works"
        )
    how = (
        "its own chat template"
        if backbone.template == "own"
        else "prompt and completion joined by a line break"
    )
    say(f"backbone {config.backbone}: {how}, at most {backbone.texts.max_length:,} tokens")
    pairs = int(kept.sum()), len(held_out) if held_out is not None else int((~kept).sum())
    say(f"held out: {pairs[1]:,} pairs; left for training: {pairs[0]:,}")
    job = Job(preferences, held_out, kept, config, backbone, folder, say)
    tuned = (backbone_head if config.tune == "head" else backbone_trl).tune(job)
    parts = {
        name: measure_differences(tuned.differences[name], tuned.margins[name])
        for name in ("train", "held_out")
    }
    cost = spent(time.perf_counter() - start, tuned.texts, tuned.tokens)
    metrics = {
        **parts,
        "guessing": {"loss": loss_of_guessing(tuned.margins["held_out"]), "accuracy": 0.5},
        "warnings": warnings,
        "template": backbone.template,
        "spent": cost.as_dict(),
        "data": {
            "pairs": len(preferences),
            "keys": preferences.links.digest(),
            "training_pairs": pairs[0],
            "held_out_pairs": pairs[1],
            "identical_pairs_dropped": preferences.identical,
            "bad_rows": preferences.bad_rows,
            **tuned.data,
        },
        "config": asdict(config),
        **tuned.more,
    }
    note = {name: getattr(config, name) for name in ("backbone", "tune", "pooling")} | {
        "template": backbone.template
    }
    save_reward_model(tuned.model, backbone.texts, folder, note)
    return BackboneRun(LanguageReward(tuned.model, backbone.texts), metrics, tuned, cost.line())


def require_folder(folder: Path) -> None:
    """Raise ValueError if a folder holds a model that a run must not write over."""
    if (folder / "config.json").exists() and not (folder / "reward_lab.json").exists():
        raise ValueError(
            f"{folder} holds another model (config.json without reward_lab.json): choose another --output-dir"
        )


def sides(preferences: Preferences) -> Iterator[tuple[str, str]]:
    """(prompt, completion) of each text: preferred, rejected, preferred, ..."""
    for pair in preferences:
        yield pair.prompt, pair.preferred
        yield pair.prompt, pair.rejected


def identity(job: Job) -> str:
    """What a run is made of: a run with another one must not go on from it."""
    held_out = job.held_out.digest if job.held_out is not None else None
    return json.dumps([job.preferences.digest, held_out, asdict(job.config)], sort_keys=True)
