"""The policy of lesson 8 as a model of `transformers`, and TRL's DPOTrainer on it. Needs both to be installed."""

import itertools
import tempfile

import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutput
from trl import DPOConfig as TRLConfig
from trl import DPOTrainer

from reward_lab.language import ecosystem
from reward_lab.metrics import Pairs
from reward_lab.rlhf import DPOConfig, Policy, World, shuffled_rows

START, STOP = "<start>", "<stop>"
NEVER = -1e4
"""A logit so low that its token has probability 0 in float32."""


class PolicyConfig(PretrainedConfig):
    """Names the model's kind, and its vocabulary: the world's words, then START and STOP."""

    model_type = "reward_lab_policy"


class _Logits(nn.Module):
    """The backbone. Its hidden states are the logits already, so the head only passes them on."""

    def __init__(self, policy: Policy):
        super().__init__()
        self.policy = policy

    def forward(self, input_ids: Tensor, **unused: object) -> BaseModelOutput:
        """(batch, length + 2) int64: START, the words, STOP -> hidden states (batch, length + 2, words + 2)."""
        length = self.policy.length
        words = self.policy.logits(input_ids[:, 1 : length + 1])  # (batch, length, words)
        hidden = torch.full((*input_ids.shape, words.shape[-1] + 2), NEVER, device=words.device)
        hidden[:, :length, :-2] = words
        hidden[:, length:, -1] = 0.0  # after the last word STOP is certain
        return BaseModelOutput(last_hidden_state=hidden)


class PolicyForCausalLM(PreTrainedModel):
    """A Policy that TRL takes for one of its own models."""

    config_class = PolicyConfig
    base_model_prefix = "model"

    def __init__(self, policy: Policy):
        size = policy.vocab_size + 2
        super().__init__(PolicyConfig(vocab_size=size, bos_token_id=size - 2, eos_token_id=size - 1))
        self.generation_config = GenerationConfig()
        self.model = _Logits(policy)
        self.lm_head = nn.Linear(size, size, bias=False)
        self.lm_head.weight.data = torch.eye(size)
        self.lm_head.requires_grad_(False)

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head

    def forward(self, input_ids: Tensor, **unused: object) -> CausalLMOutput:
        """(batch, length + 2) int64 -> logits (batch, length + 2, words + 2)."""
        return CausalLMOutput(logits=self.lm_head(self.model(input_ids).last_hidden_state))


def word_tokenizer(world: World) -> PreTrainedTokenizerFast:
    """One token a word, with the ids of the world."""
    words = {word: number for number, word in enumerate((*world.words, START, STOP))}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token=STOP))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=STOP, eos_token=STOP)


def as_dataset(world: World, pairs: Pairs) -> Dataset:
    """Pairs as TRL reads them: the columns `prompt`, `chosen` and `rejected`, in words."""
    rows = [
        {
            "prompt": START,
            "chosen": f" {world.text(chosen)} {STOP}",
            "rejected": f" {world.text(rejected)} {STOP}",
        }
        for chosen, rejected in zip(*pairs, strict=True)
    ]
    return Dataset.from_list(rows)


def train(
    world: World, pairs: Pairs, config: DPOConfig, batch_size: int, device: str
) -> tuple[Policy, list[dict]]:
    """DPO by TRL's DPOTrainer, as `train_dpo` does it on `fixed_pairs`: same initial weights, same pairs in the same order.

    Returns:
        The trained policy, and what the trainer logged.
    """
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(config.seed)
        policy, untrained = Policy(world), Policy(world)
    settings = {
        "learning_rate": config.learning_rate, "beta": config.beta, "max_steps": config.steps, "weight_decay": 0.0,
        "max_grad_norm": 0.0, "per_device_train_batch_size": batch_size, "seed": config.seed,
    }  # fmt: skip
    model, reference = PolicyForCausalLM(policy), PolicyForCausalLM(untrained.requires_grad_(False))
    rows = itertools.islice(shuffled_rows(len(pairs[0]), batch_size, config.seed), config.steps)
    order = torch.cat(list(rows)).tolist()
    log = run_trainer(
        model, reference, word_tokenizer(world), as_dataset(world, pairs), device, order, **settings
    )
    return policy.to(device), log


def train_hub_model(name: str, world: World, pairs: Pairs, steps: int, device: str) -> list[dict]:
    """DPO of a model of the hub, or of a folder, on the same pairs, which are plain words; what the trainer logged."""
    model, reference = (AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32) for _ in range(2))
    tokenizer = AutoTokenizer.from_pretrained(name)
    rows = as_dataset(world, pairs).map(
        lambda row: {
            "prompt": "Help desk:",
            **{k: row[k].replace(f" {STOP}", "") for k in ("chosen", "rejected")},
        }
    )
    settings = {"learning_rate": 1e-5, "beta": 0.5, "max_steps": steps, "per_device_train_batch_size": 8}
    return run_trainer(model, reference, tokenizer, rows, device, **settings)


def run_trainer(
    model: PreTrainedModel,
    reference: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    rows: Dataset,
    device: str,
    order: list[int] | None = None,
    **settings: object,
) -> list[dict]:
    """Train a model in place; what DPOTrainer logged. `order`: numbers of the rows, one after the other; None shuffles."""

    class InOrder(DPOTrainer):
        def _get_train_sampler(self, *arguments: object) -> object:
            return order or super()._get_train_sampler(*arguments)

    with tempfile.TemporaryDirectory() as folder:
        arguments = TRLConfig(**ecosystem.plain_settings(folder, device), logging_steps=10, **settings)
        trainer = InOrder(model, reference, arguments, train_dataset=rows, processing_class=tokenizer)
        return ecosystem.losses_of(trainer)
