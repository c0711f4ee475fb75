"""Preference files: load, tokenise, train one epoch; beside the same through TRL's RewardTrainer, in two ways.

Seconds are of CPU, of all threads, so that other work on the machine counts little.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PAIRS, TRL_PAIRS = 100_000, 20_000
TOKENS, PROMPT_TOKENS, VOCABULARY, BATCH_SIZE = 64, 16, 20_000, 64


def write_preferences(path: Path, pairs: int, seed: int = 0) -> None:
    """A file of pairs of 64 words each side, 16 of them the prompt, drawn by Zipf's law from 20,000 words.

    Each word has a hidden worth; the completion of higher mean worth is chosen.
    """
    rng = np.random.default_rng(seed)
    words = np.array([f"w{number}" for number in range(VOCABULARY)])
    worth = rng.standard_normal(VOCABULARY)
    share = 1 / np.arange(1, VOCABULARY + 1)
    length = TOKENS - PROMPT_TOKENS
    with path.open("w") as file:
        for start in range(0, pairs, 1000):
            draws = rng.choice(
                VOCABULARY, (min(1000, pairs - start), PROMPT_TOKENS + 2 * length), p=share / share.sum()
            )
            for row in draws:
                prompt, one, other = np.split(row, [PROMPT_TOKENS, PROMPT_TOKENS + length])
                if worth[one].mean() < worth[other].mean():
                    one, other = other, one
                # The space before a completion is TRL's convention: it joins prompt and completion as they are.
                texts = {
                    "prompt": " ".join(words[prompt]),
                    "chosen": " " + " ".join(words[one]),
                    "rejected": " " + " ".join(words[other]),
                }
                file.write(json.dumps(texts) + "\n")


def run() -> None:
    """Print pairs per second of each stage. Each side runs in a process of its own, so that its memory is its own."""
    print(
        f"\nPreference files: pairs of {TOKENS} tokens, {VOCABULARY:,} words, one epoch, batches of {BATCH_SIZE}, one "
        "thread; seconds of CPU. A tiny network: what differs is overhead"
    )
    with tempfile.TemporaryDirectory() as folder:
        rates = {}
        for name, pairs in (("reward_lab", PAIRS), ("TRL, map(batched=True)", TRL_PAIRS), ("TRL", TRL_PAIRS)):
            path = Path(folder) / f"{pairs}.jsonl"
            if not path.exists():
                write_preferences(path, pairs)
            environment = {
                **os.environ,
                "HF_HOME": folder,
                "HF_HUB_OFFLINE": "1",
                "TOKENIZERS_PARALLELISM": "true",
            }
            child = subprocess.run(
                [sys.executable, "-m", "tests.bench.text", name, str(path), folder],
                capture_output=True,
                text=True,
                env=environment,
            )
            if child.returncode != 0:
                print(f"  {name}: failed\n{child.stderr[-2000:]}")
                return
            measured = json.loads(child.stdout.splitlines()[-1])
            memory = measured.pop("memory")
            total = sum(measured.values())
            rates[name] = {
                "all": pairs / total,
                "asked": pairs / (total - measured["vocabulary"]),
                "train": pairs / measured["train"],
            }
            stages = ", ".join(f"{stage} {pairs / seconds:,.0f}" for stage, seconds in measured.items())
            size = path.stat().st_size / 2**20
            print(
                f"  {name:22s} {pairs:7,d} pairs ({size:.0f} MiB): pairs/s {stages}; all {rates[name]['all']:,.0f} "
                f"({total:.1f} s); peak memory {memory:,.0f} MiB",
                flush=True,
            )
        for name in list(rates)[1:]:
            times = {
                what: rates["reward_lab"][what] / rates[name][what] for what in ("asked", "train", "all")
            }
            print(
                f"  reward_lab / {name}: {times['asked']:.1f}x for load, tokenise and train; {times['train']:.1f}x for "
                f"training alone; {times['all']:.1f}x with the vocabulary"
            )
        print(
            "  reward_lab reports accuracy on 1,000 pairs after the epoch, TRL evaluates nothing. TRL clips gradients to 1, "
            f"reward_lab does not. TRL's rates are measured on {TRL_PAIRS:,} pairs, those of reward_lab on {PAIRS:,}; "
            "start-up and imports are not counted"
        )


def ours(path: Path, folder: Path) -> dict[str, float]:
    """Seconds of each stage."""
    import torch
    import torch._dynamo  # noqa: F401  the first optimizer imports it, and imports are not counted

    import reward_lab as rl
    from reward_lab.text import WordTokenizer
    from reward_lab.text.token_pairs import encode_pairs
    from reward_lab.text.tokenizer import PADDING_ID

    clock = Clock()
    preferences = rl.load_preferences(path)
    clock.lap("load")
    texts = (f"{pair.prompt}\n{pair.preferred}\n{pair.rejected}" for pair in preferences)
    tokenizer = WordTokenizer.train(texts, VOCABULARY + 2)
    clock.lap("vocabulary")
    pairs, encoded = encode_pairs(preferences, tokenizer, folder)
    assert encoded.tokens == 2 * TOKENS * len(preferences)
    clock.lap("tokenise")
    torch.manual_seed(0)
    model = rl.RewardModel(tokenizer.vocab_size, 64, 128, 0.02, PADDING_ID)
    config = rl.TrainConfig(epochs=1, batch_size=BATCH_SIZE, log_every=0)
    history = rl.train_reward_model(model, pairs, pairs.select(np.arange(1000)), config)
    clock.lap("train")
    assert history.train_loss[0] < np.log(2)
    return clock.laps


def trl(path: Path, folder: Path, batched: bool = False) -> dict[str, float]:
    """The same through datasets, tokenizers and TRL, with the same network and the same batches.

    Args:
        path: of the pairs.
        folder: for what is cached.
        batched: tokenise a thousand rows at a time, as an expert does; else TRL tokenises, a row at a time.
    """
    import datasets
    import tokenizers
    import torch
    import transformers
    from transformers.modeling_outputs import SequenceClassifierOutput
    from trl import RewardConfig, RewardTrainer

    import reward_lab as rl
    from reward_lab.text import WordTokenizer
    from reward_lab.text.tokenizer import PADDING_ID

    words = tokenizers.Tokenizer.from_str(WordTokenizer.train([""]).to_json())
    words.no_truncation()
    counting = tokenizers.trainers.WordLevelTrainer(
        vocab_size=VOCABULARY + 2, min_frequency=2, special_tokens=["[PAD]", "[UNK]"], show_progress=False
    )

    class Config(transformers.PretrainedConfig):
        model_type = "reward_lab_bench"

    class Model(transformers.PreTrainedModel):
        """The package's own network behind the interface of a sequence classifier."""

        config_class = Config

        def __init__(self, config):
            super().__init__(config)
            self.inner = rl.RewardModel(words.get_vocab_size(), 64, 128, 0.02, PADDING_ID)
            self.post_init()

        def _init_weights(self, module):
            pass

        def forward(self, input_ids, attention_mask=None, **_):
            return SequenceClassifierOutput(logits=self.inner(input_ids).unsqueeze(-1))

    datasets.disable_progress_bars()
    clock = Clock()
    rows = datasets.load_dataset(
        "json", data_files=str(path), split="train", cache_dir=str(folder / f"cache-{batched}")
    )
    clock.lap("load")
    words.train_from_iterator(
        ("\n".join(texts) for batch in rows.iter(1000) for texts in zip(*batch.values(), strict=True)),
        counting,
    )
    clock.lap("vocabulary")
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="[PAD]",
        unk_token="[UNK]",
        eos_token="[PAD]",
    )
    arguments = RewardConfig(
        output_dir=str(folder / "trl"),
        per_device_train_batch_size=BATCH_SIZE,
        num_train_epochs=1,
        learning_rate=1e-3,
        max_length=256,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        logging_strategy="no",
    )
    if batched:

        def tokenised(rows: dict) -> dict:
            return {
                f"{side}_ids": fast([p + c for p, c in zip(rows["prompt"], rows[side], strict=True)])[
                    "input_ids"
                ]
                for side in ("chosen", "rejected")
            }

        rows = rows.map(tokenised, batched=True, remove_columns=rows.column_names)
    torch.manual_seed(0)
    model = Model(Config(num_labels=1))
    trainer = RewardTrainer(model=model, args=arguments, train_dataset=rows, processing_class=fast)
    clock.lap("tokenise")
    trainer.train()
    clock.lap("train")
    return clock.laps


class Clock:
    """Seconds of CPU between laps."""

    def __init__(self):
        self.laps, self._last = {}, time.process_time()

    def lap(self, name: str) -> None:
        now = time.process_time()
        self.laps[name], self._last = now - self._last, now


def main() -> None:
    import torch

    torch.set_num_threads(1)  # both sides are faster so, with a network this small
    name, path, folder = sys.argv[1:]
    folder = Path(folder)
    measured = (
        ours(Path(path), folder) if name == "reward_lab" else trl(Path(path), folder, "batched" in name)
    )
    measured["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
