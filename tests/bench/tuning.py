"""`--tune head` beside TRL's RewardTrainer: the same model, the same pairs, until the held-out accuracy is the same.

python -m tests.bench tuning        # about ten minutes on one core
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from reward_lab.examples import plain_words
from reward_lab.language.ecosystem import quiet
from reward_lab.language.embedding import embed, open_store
from reward_lab.language.pretrained import POOLINGS, load_backbone
from reward_lab.language.real import how_to_install, installed, real_model
from reward_lab.linear_fit import Differences, choose_penalty, fit_linear_reward

PAIRS, TEST_PAIRS, EPOCHS, BATCH = 64, 50, 4, 8
RATES = {"full": 1e-5, "lora": 1e-4}


def run() -> None:
    """Print pairs a second of CPU of each way, and the accuracy on pairs whose words were never seen."""
    print(
        f"\nTuning SmolLM2-135M on {PAIRS} pairs, one thread, last token, no pairs with nonsense; accuracy on {TEST_PAIRS} "
        "pairs of words that training never had. Loading and evaluation are not counted; TRL goes on until it is as good"
    )
    if not installed("smollm2"):
        print("  left out: " + how_to_install("smollm2"))
        return
    torch.set_num_threads(1)
    seen, unseen = plain_words.halves(0)
    train, test = (
        list(plain_words.pairs(count, seed, world))
        for count, seed, world in ((PAIRS, 1000, seen), (TEST_PAIRS, 2000, unseen))
    )
    with tempfile.TemporaryDirectory() as folder:
        seconds, wanted = head(train, test, Path(folder))
        print(
            f"  head                  {PAIRS / seconds:6.2f} pairs/s ({seconds:5.1f} s), accuracy {wanted:.2f}",
            flush=True,
        )
        for tune in RATES:
            for epoch, (spent, accuracy) in enumerate(trl(train, test, tune, Path(folder)), 1):
                print(
                    f"  TRL, {tune}, {epoch} epoch{'s' * (epoch > 1):1s}   {PAIRS / spent:6.2f} pairs/s ({spent:5.1f} s), "
                    f"accuracy {accuracy:.2f}; head is {spent / seconds:.1f} times as fast",
                    flush=True,
                )
                if accuracy >= wanted:
                    break


def head(train: list[dict], test: list[dict], folder: Path) -> tuple[float, float]:
    """CPU seconds of embedding and fitting, and held-out accuracy."""
    backbone = load_backbone(real_model("smollm2"))

    def differences(rows: list[dict]) -> np.ndarray:
        texts = [(row["prompt"], row[side]) for row in rows for side in ("chosen", "rejected")]
        with open_store(backbone, folder) as store:
            places = embed(backbone, texts, len(texts), store, lambda line: None).rows
            vectors = store.vectors()[places, POOLINGS.index("last")]
        return vectors[::2] - vectors[1::2]

    start = time.process_time()
    values = Differences(differences(train))
    penalty, _ = choose_penalty(values, np.arange(len(train)) % 5)
    weights = fit_linear_reward(values, penalty).numpy()
    seconds = time.process_time() - start
    return seconds, float((differences(test) @ weights > 0).mean())


def trl(train: list[dict], test: list[dict], tune: str, folder: Path):
    """CPU seconds of training so far, and held-out accuracy, after each epoch: TRL as its own examples use it."""
    import datasets
    import peft
    import transformers
    from trl import RewardConfig, RewardTrainer

    spent, found, clock = [0.0], [], [0.0]

    class Laps(transformers.TrainerCallback):
        def on_epoch_begin(self, *_, **__):
            clock[0] = time.process_time()

        def on_epoch_end(self, *_, **__):
            spent[0] += time.process_time() - clock[0]

        def on_evaluate(self, *_, metrics, **__):
            found.append((spent[0], metrics["eval_accuracy"]))

    def conversations(rows: list[dict]):
        said = {"prompt": "user", "chosen": "assistant", "rejected": "assistant"}
        return datasets.Dataset.from_list(
            [{name: [{"role": role, "content": row[name]}] for name, role in said.items()} for row in rows]
        )

    adapters = peft.LoraConfig(
        task_type="SEQ_CLS", r=16, lora_alpha=32, target_modules="all-linear", modules_to_save=["score"]
    )
    with quiet():
        arguments = RewardConfig(
            output_dir=str(folder / tune), per_device_train_batch_size=BATCH, per_device_eval_batch_size=BATCH,
            num_train_epochs=EPOCHS, learning_rate=RATES[tune], eval_strategy="epoch", save_strategy="no", use_cpu=True,
            bf16=False, gradient_checkpointing=False, report_to=[], disable_tqdm=True, logging_strategy="no",
            dataloader_pin_memory=False, seed=0,
        )  # fmt: skip
        trainer = RewardTrainer(
            model=str(real_model("smollm2")), args=arguments, train_dataset=conversations(train),
            eval_dataset=conversations(test), peft_config=adapters if tune == "lora" else None, callbacks=[Laps()],
        )  # fmt: skip
        trainer.train()
    return found


if __name__ == "__main__":
    run()
