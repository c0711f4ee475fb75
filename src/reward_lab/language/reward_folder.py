"""Reward models as transformers and TRL have them: written into a folder, read from it, scoring texts."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from .ecosystem import quiet
from .pretrained import Backbone, Ids, Texts, _transformers, batches_of


def reward_model(backbone: Backbone, pooling: str, weights: Tensor | None = None):
    """The backbone with a linear head: a PreTrainedModel of one output, (batch, 1) logits.

    Args:
        backbone: its parameters are used as they are, not copied.
        pooling: "last" gives transformers' own classifier, "mean" a MeanRewardModel.
        weights: (dim,) of the head, which has no bias; None leaves it as it is.

    Raises:
        ValueError: this kind of model can't be saved with this pooling.
    """
    if pooling not in backbone.poolings:
        raise ValueError(
            f"--pooling {pooling}: {backbone.name} is a model of which transformers makes no classifier on the last "
            f"token; --pooling {backbone.poolings[0]} works"
        )
    model = backbone.model
    if pooling == "mean":
        from .mean_reward import MeanRewardConfig, MeanRewardModel

        body = backbone.body
        config = MeanRewardConfig(body.config.to_dict(), pad_token_id=backbone.texts.tokenizer.pad_token_id)
        model = MeanRewardModel(config, body)
        model.config.dtype = body.dtype
        model.to(device=body.device, dtype=body.dtype)
    if weights is not None:
        with torch.no_grad():
            model.score.weight.copy_(weights[None])
    return model.eval()


def save_reward_model(model, texts: Texts, folder: Path, note: dict) -> None:
    """Write a folder that AutoModelForSequenceClassification and TRL load: model, tokenizer, chat template.

    Args:
        model: what reward_model gives, trained.
        texts: its tokenizer's chat template, max_length and sides are saved with it.
        folder: made if need be.
        note: goes into reward_lab.json: how the model was made.
    """
    with quiet():
        model.save_pretrained(folder)
        texts.tokenizer.save_pretrained(folder)
    (folder / "reward_lab.json").write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")


class LanguageReward:
    """A reward model of transformers, ready to score texts.

    Args:
        model: a sequence classifier with one output.
        texts: how its texts are written and cut.
    """

    def __init__(self, model, texts: Texts):
        self.model, self.texts = model.eval(), texts

    @classmethod
    def from_pretrained(cls, folder: str | Path, device: torch.device | str = "cpu") -> "LanguageReward":
        """Read a folder that this package, transformers or TRL wrote.

        A folder without a chat template is one whose texts were joined as they are: prompt, line break, completion.

        Raises:
            ValueError: there is no such model, it has more than one output, or its head is missing.
            ModuleNotFoundError: transformers is not installed.
        """
        transformers = _transformers()
        from . import mean_reward  # noqa: F401  makes transformers know the kind

        with quiet():
            try:
                tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
                model, report = transformers.AutoModelForSequenceClassification.from_pretrained(
                    folder, output_loading_info=True
                )
            except (OSError, ValueError, KeyError) as error:
                first = str(error).strip().splitlines()[0]
                raise ValueError(
                    f"{folder}: not a reward model that transformers can load ({first})"
                ) from None
        if model.config.num_labels != 1:
            raise ValueError(
                f"{folder}: a classifier with {model.config.num_labels} outputs, and a reward model has one"
            )
        if report["missing_keys"]:
            raise ValueError(
                f"{folder}: this model has no reward head ({', '.join(sorted(report['missing_keys'])[:3])} missing): "
                "python -m reward_lab.train --backbone makes a reward model of it"
            )
        longest = min(
            tokenizer.model_max_length,
            getattr(model.config.get_text_config(), "max_position_embeddings", None) or 2**31,
        )
        texts = Texts(tokenizer, longest)
        if not tokenizer.chat_template:
            from .chat import choose_template

            choose_template(tokenizer, "plain", prompts=True)
        return cls(model.to(device), texts)

    @torch.inference_mode()
    def rewards(self, rows: Sequence[list[int]]) -> list[float]:
        """The reward of each text of token ids. They go through the model in batches of like length."""
        device = next(self.model.parameters()).device
        result = [0.0] * len(rows)
        for batch in batches_of(rows, device):
            ids, mask = self.texts.pad([rows[i] for i in batch], device)
            for number, reward in zip(
                batch, self.model(ids, attention_mask=mask).logits[:, 0].tolist(), strict=True
            ):
                result[number] = reward
        return result

    def encode(self, prompts: Sequence[str], completions: Sequence[str]) -> Ids:
        """Token ids of each text; see Texts.encode."""
        return self.texts.encode(prompts, completions)

    def unknown(self, row: list[int]) -> int:
        """How many tokens of a text stand for what the vocabulary lacks."""
        return row.count(self.texts.tokenizer.unk_token_id)
