"""What lesson 4's last section needs around transformers and TRL. Both are optional, and imported only when used."""

import contextlib
import importlib.util
import io
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

from ..metrics import Pairs
from .grammar import COLON, PAD, STOP, WORDS, decode

NEEDED = ("transformers", "trl", "datasets", "tokenizers")


def missing() -> list[str]:
    """Which of the packages that the section needs are not installed."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep progress bars, warnings and logs of these packages away: the notebook's widgets, stdout and stderr."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(action="ignore"),
        ):
            _without_bars()
            yield
    finally:
        logging.disable(disabled)


def _without_bars() -> None:
    # In a notebook these bars are widgets, and a notebook saved with them may not open again.
    import huggingface_hub.utils
    import transformers

    huggingface_hub.utils.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    if importlib.util.find_spec("datasets"):
        import datasets

        datasets.disable_progress_bars()


def plain_settings(folder: str, device: str) -> dict[str, object]:
    """Settings with which a trainer of TRL computes in float32 on one device, and leaves no bars, reports or models."""
    return {
        "output_dir": folder, "use_cpu": device == "cpu", "bf16": False, "gradient_checkpointing": False,
        "disable_tqdm": True, "report_to": "none", "save_strategy": "no",
    }  # fmt: skip


def losses_of(trainer) -> list[dict]:
    """Train, and give the lines with a loss that the trainer logged."""
    trainer.train()
    return [row for row in trainer.state.log_history if "loss" in row]


def write_jsonl(path: Path, pairs: Pairs) -> None:
    """Write story pairs with the columns `prompt`, `chosen` and `rejected`, one JSON object a line."""
    with open(path, "w", encoding="utf-8") as file:
        for sides in zip(*pairs, strict=True):
            (hero, _, chosen), (_, _, rejected) = (decode(ids).partition(f" {COLON}") for ids in sides)
            row = {"prompt": f"{hero} {COLON}", "chosen": chosen, "rejected": rejected}
            file.write(json.dumps(row) + "\n")


def save_tiny_model(folder: Path) -> None:
    """Save an untrained model and a tokenizer for the words of the grammar, as a hub model is saved.

    A Llama of two layers, with one output in place of a vocabulary: 0.1 million parameters.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoModelForSequenceClassification, LlamaConfig, PreTrainedTokenizerFast

    words = {word: number for number, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token=PAD))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=PAD, eos_token=STOP).save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        num_labels=1,
        pad_token_id=words[PAD],
        eos_token_id=words[STOP],
        bos_token_id=None,
    )
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
