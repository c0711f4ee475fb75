"""Pretrained models of transformers: loading one as a backbone, its texts as token ids, its vectors, its fingerprint."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .chat import choose_template, write_texts
from .ecosystem import quiet

POOLINGS = ("last", "mean")
MAX_LENGTH = 1024
TOKENS_PER_BATCH = {"cpu": 2048, "cuda": 32_768}
"""Padding included. More make a CPU no faster, and take memory."""


@dataclass
class Ids:
    """Some texts as token ids."""

    rows: list[list[int]]
    truncated: list[bool]
    """Whether the beginning was cut off."""


class Texts:
    """What turns prompts and completions into token ids: a tokenizer with its chat template, and a greatest length."""

    def __init__(self, tokenizer, max_length: int):
        self.tokenizer, self.max_length = tokenizer, max_length
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token  # as TRL does
        if tokenizer.pad_token is None:
            raise ValueError("this tokenizer has neither a padding token nor an end-of-text token")
        tokenizer.padding_side, tokenizer.truncation_side = "right", "left"
        tokenizer.model_max_length = max_length

    def encode(self, prompts: Sequence[str], completions: Sequence[str]) -> Ids:
        """Token ids of each text; of more than max_length the last ones, because the completion stands last."""
        texts = write_texts(self.tokenizer, prompts, completions)
        rows = self.tokenizer(texts, add_special_tokens=False, truncation=False)["input_ids"] if texts else []
        truncated = [len(row) > self.max_length for row in rows]
        return Ids([row[-self.max_length :] for row in rows], truncated)

    def pad(self, rows: Sequence[list[int]], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """Token ids and attention mask, (batch, longest) int64, padded on the right. An empty text is one padding token."""
        rows = [row or [self.tokenizer.pad_token_id] for row in rows]
        width = max(map(len, rows))
        ids = [row + [self.tokenizer.pad_token_id] * (width - len(row)) for row in rows]
        mask = [[1] * len(row) + [0] * (width - len(row)) for row in rows]
        return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def batches_of(rows: Sequence[list[int]], device: torch.device) -> Iterator[list[int]]:
    """Numbers of texts of token ids in batches of like length, as large as serves the device."""
    return like_lengths(list(map(len, rows)), TOKENS_PER_BATCH.get(device.type, TOKENS_PER_BATCH["cuda"]))


def like_lengths(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Numbers of texts in batches of like length, the longest first, so that what does not fit fails at once.

    Args:
        lengths: of each text, in tokens.
        tokens: of one batch at most, padding included; a longer text is a batch of its own.
    """
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and (len(batch) + 1) * max(1, lengths[batch[0]]) > tokens:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


class Backbone:
    """A pretrained model with its texts. Made by `load_backbone`.

    `model` is a sequence classifier of transformers with one output, whose head means nothing yet, or, where
    transformers has none for this kind, the bare model.
    """

    def __init__(self, name: str, model, texts: Texts, template: str):
        self.name, self.model, self.texts, self.template = name, model, texts, template

    @property
    def body(self):
        """The model without its head: token ids to hidden states."""
        return self.model.base_model

    @property
    def dim(self) -> int:
        """Length of a hidden state."""
        return self.body.config.get_text_config().hidden_size

    @property
    def poolings(self) -> tuple[str, ...]:
        """What this kind can be saved with: "last" is transformers' own class, for causal models."""
        own = isinstance(getattr(self.model, "score", None), torch.nn.Linear)
        return POOLINGS if own else ("mean",)

    @torch.inference_mode()
    def vectors(self, rows: Sequence[list[int]]) -> np.ndarray:
        """(batch, 2, dim) float32: of each text the hidden state of its last token, and the mean over its tokens.

        The last token is what transformers' classifiers take: the last one that is not the padding token.
        """
        device = next(self.body.parameters()).device
        ids, mask = self.texts.pad(rows, device)
        hidden = self.body(ids, attention_mask=mask).last_hidden_state  # (batch, seq, dim)
        place = torch.arange(ids.shape[1], device=device)
        last = (place * (ids != self.texts.tokenizer.pad_token_id)).argmax(dim=1)
        from .mean_reward import mean_over_tokens  # here: it imports transformers

        both = [hidden[torch.arange(len(ids), device=device), last], mean_over_tokens(hidden, mask)]
        return torch.stack(both, dim=1).float().cpu().numpy()

    def fingerprint(self) -> str:
        """A hash of all weights and of their type: vectors are kept under it."""
        digest = hashlib.blake2b(digest_size=16)
        for name, value in sorted(self.body.state_dict().items()):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().view(torch.uint8).numpy())
        return digest.hexdigest()


def load_backbone(
    name: str | Path,
    device: torch.device | str = "cpu",
    dtype: str = "auto",
    max_length: int = MAX_LENGTH,
    template: str = "auto",
    prompts: bool = True,
) -> Backbone:
    """Load a pretrained model as a backbone, in evaluation mode.

    Args:
        name: a folder, or a model's name on the hub.
        device: where it goes.
        dtype: "float32", "bfloat16", or "auto": bfloat16 on a GPU that has it, else float32.
        max_length: tokens that are kept of one text; fewer where the model reads no more.
        template: see choose_template.
        prompts: whether every pair has a prompt.

    Raises:
        ValueError: there is no such model, or it can't serve.
        ModuleNotFoundError: transformers is not installed.
    """
    transformers = _transformers()
    kind = torch_dtype(dtype, device)
    with quiet():
        try:
            config = transformers.AutoConfig.from_pretrained(name)
            tokenizer = transformers.AutoTokenizer.from_pretrained(name)
            config.num_labels = 1
            try:
                transformers.AutoModelForSequenceClassification._model_mapping[type(config)]
                cls = transformers.AutoModelForSequenceClassification
            except KeyError:
                cls = transformers.AutoModel
            model = cls.from_pretrained(name, config=config, dtype=kind)
        except (OSError, ValueError, KeyError) as error:
            first = str(error).strip().splitlines()[0]
            raise ValueError(
                f"--backbone {name}: expected a folder with a model of transformers, or a model's name on the hub ({first})"
            ) from None
    # The type may differ where a model keeps some weights in float32; the head follows the rest.
    most = getattr(config.get_text_config(), "max_position_embeddings", None) or max_length
    texts = Texts(tokenizer, min(max_length, most))
    used = choose_template(tokenizer, template, prompts)
    for part in (model.config, model.config.get_text_config()):
        part.pad_token_id = tokenizer.pad_token_id
    return Backbone(str(name), model.to(device).eval(), texts, used)


def torch_dtype(name: str, device: torch.device | str) -> torch.dtype:
    """The type to compute in, by its name."""
    names = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if name == "auto":
        gpu = torch.device(device).type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if gpu else torch.float32
    if name not in names:
        raise ValueError(f"--dtype {name}: expected auto, {' or '.join(names)}")
    return names[name]


def _transformers():
    try:
        import transformers
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "a pretrained backbone needs `transformers`: pip install 'reward-lab[ecosystem]'"
        ) from None
    return transformers
