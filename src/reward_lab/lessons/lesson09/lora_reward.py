"""A reward model whose language model is trained too: TRL's RewardTrainer, with LoRA by peft."""

import copy
import tempfile

import torch
from datasets import Dataset
from peft import LoraConfig
from torch import Tensor
from transformers import AutoModelForSequenceClassification
from trl import RewardConfig, RewardTrainer

from reward_lab.language import ecosystem
from reward_lab.language.pretrained import Texts
from reward_lab.language.reward_folder import LanguageReward
from reward_lab.metrics import Pairs

from .answers import Pool, load_tokenizer, prompt_ids
from .with_trl import LINEAR, RANK

BATCH, EPOCHS, LEARNING_RATE = 8, 3, 5e-4


def train(source: str, device: str, pool: Pool, pairs: Pairs, seed: int, epochs: int = EPOCHS) -> Tensor:
    """The rewards of all answers of the pool, after training on judged pairs.

    Args:
        source, device: of the language model, which stays as it is.
        pool: the answers.
        pairs: numbers of preferred and rejected answers.
        seed: of the head's initial weights and of the order of the pairs.
        epochs: over the pairs.

    Returns:
        (answers,) float64.
    """
    tokenizer = copy.deepcopy(load_tokenizer(source))
    before = {prompt: prompt_ids(tokenizer, prompt) for prompt in dict.fromkeys(pool.prompts)}
    rows = [[*before[prompt], *pool.drawn.rows(i)] for i, prompt in enumerate(pool.prompts)]
    sides = {
        f"{name}_ids": [rows[i] for i in side]
        for name, side in zip(("chosen", "rejected"), map(Tensor.tolist, pairs), strict=True)
    }
    torch.manual_seed(seed)  # the head starts at random
    model = AutoModelForSequenceClassification.from_pretrained(source, num_labels=1, dtype=torch.float32)
    model.config.pad_token_id = tokenizer.pad_token_id
    lora = LoraConfig(
        r=RANK, lora_alpha=2 * RANK, target_modules=LINEAR, task_type="SEQ_CLS", modules_to_save=["score"]
    )
    with tempfile.TemporaryDirectory() as folder:
        settings = RewardConfig(
            **ecosystem.plain_settings(folder, device), logging_steps=10, learning_rate=LEARNING_RATE, seed=seed,
            num_train_epochs=epochs, per_device_train_batch_size=BATCH, max_length=None,
        )  # fmt: skip
        trainer = RewardTrainer(
            model.to(device), settings, train_dataset=Dataset.from_dict(sides), processing_class=tokenizer,
            peft_config=lora,
        )  # fmt: skip
        trainer.train()
    fitted = LanguageReward(trainer.model, Texts(tokenizer, max(map(len, rows))))
    return torch.tensor(fitted.rewards(rows), dtype=torch.float64)
