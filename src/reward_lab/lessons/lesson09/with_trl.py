"""DPO of a real model by TRL's DPOTrainer, with LoRA by peft, measured on its own answers along the way."""

import copy
import tempfile
from collections.abc import Callable

from datasets import Dataset
from peft import LoraConfig
from torch import Tensor
from transformers import TrainerCallback
from trl import DPOConfig, DPOTrainer

from reward_lab.language import ecosystem
from reward_lab.metrics import Pairs

from .answers import Pool, load_model, load_tokenizer, prompt_ids

BETA, LEARNING_RATE, BATCH = 0.1, 3e-3, 4
RANK, UPPER = 8, 2 / 3
"""Of the adapters; they sit in the layers above this share, so that no gradient has to go through the others."""
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def as_rows(pool: Pool, pairs: Pairs, tokenizer) -> Dataset:
    """Pairs as token ids, with the reference's log-probabilities, which are known since the answers were drawn."""
    sums = pool.drawn.log_probs.sum(dim=1).tolist()
    rows = [
        {
            "prompt_ids": prompt_ids(tokenizer, pool.prompts[chosen]),
            "chosen_ids": pool.drawn.rows(chosen),
            "rejected_ids": pool.drawn.rows(rejected),
            "ref_chosen_logps": sums[chosen],
            "ref_rejected_logps": sums[rejected],
        }
        for chosen, rejected in zip(*map(Tensor.tolist, pairs), strict=True)
    ]
    return Dataset.from_list(rows)


class _TokenIds(DPOTrainer):
    """Takes token ids as they are, so that the answer ends where it ended when it was drawn."""

    def _prepare_dataset(self, dataset: Dataset, *unused: object, **also_unused: object) -> Dataset:
        return dataset


class _Along(TrainerCallback):
    def __init__(self, each: Callable[[int], None]):
        self.each = each

    def on_step_end(self, args, state, control, **unused: object) -> None:
        self.each(state.global_step)


def train(
    source: str,
    device: str,
    pool: Pool,
    pairs: Pairs,
    steps: int,
    seed: int,
    each: Callable[[object, int], None],
) -> list[dict]:
    """Train adapters on judged pairs; what the trainer logged.

    Args:
        source, device: of the reference, which stays as it is.
        pool: the answers.
        pairs: numbers of preferred and rejected answers.
        steps: of the optimizer, each on BATCH pairs.
        seed: of the order of the pairs.
        each: called after each step with the model with adapters, and the number of the step.
    """
    tokenizer = load_tokenizer(source)
    model = copy.deepcopy(load_model(source, device))
    layers = model.config.num_hidden_layers
    lora = LoraConfig(
        r=RANK, lora_alpha=2 * RANK, target_modules=LINEAR, task_type="CAUSAL_LM",
        layers_to_transform=list(range(int(UPPER * layers), layers)),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        settings = DPOConfig(
            **ecosystem.plain_settings(folder, device), logging_steps=1, learning_rate=LEARNING_RATE, beta=BETA,
            max_steps=steps, per_device_train_batch_size=BATCH, lr_scheduler_type="constant", seed=seed,
        )  # fmt: skip
        trainer = _TokenIds(
            model, None, settings, train_dataset=as_rows(pool, pairs, tokenizer),
            processing_class=copy.deepcopy(tokenizer), peft_config=lora,
        )  # fmt: skip
        trainer.add_callback(_Along(lambda step: each(trainer.model, step)))
        return ecosystem.losses_of(trainer)
