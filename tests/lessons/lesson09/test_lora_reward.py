"""A reward model with LoRA, on a tiny language model made here: the lesson trains one on a GPU only."""

import pytest
import torch

pytest.importorskip("trl")
pytest.importorskip("peft")

from reward_lab.language import ecosystem  # noqa: E402
from reward_lab.lessons.lesson09 import answers, experiments  # noqa: E402

TEMPLATE = (
    "{% for message in messages %}<turn> {{ message['role'] }} {{ message['content'] }} <end> {% endfor %}"
    "{% if add_generation_prompt %}<turn> assistant {% endif %}"
)


@pytest.fixture
def source(tmp_path) -> str:
    """A Llama of two layers that writes numbers, and ends with a dot or its turn."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = ["<unknown>", "<turn>", "<end>", "system", "user", "assistant", ".", *map(str, range(25))]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unknown>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<end>", eos_token="<end>")
    fast.chat_template = TEMPLATE
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=64, pad_token_id=2, eos_token_id=2, bos_token_id=None,
    )  # fmt: skip
    with ecosystem.quiet():
        LlamaForCausalLM(config).save_pretrained(tmp_path)
        fast.save_pretrained(tmp_path)
    return str(tmp_path)


def test_the_adapters_learn_what_the_judge_likes_and_the_language_model_stays(source):
    from reward_lab.lessons.lesson09 import lora_reward

    pool = answers.draw_pool(source, "cpu", answers.Sizes(training=4, held_out=4, most=6), seed=0)
    first, second = experiments.training_pairs(pool, 4, seed=0)
    low = torch.tensor([sum(token < 15 for token in pool.drawn.rows(i)) for i in range(len(pool.texts))])
    kept = low[first] != low[second]
    first, second = first[kept], second[kept]
    swap = low[first] < low[second]
    pairs = torch.where(swap, second, first), torch.where(swap, first, second)
    before = {name: p.clone() for name, p in answers.load_model(source, "cpu").state_dict().items()}
    with ecosystem.quiet():
        reward = lora_reward.train(source, "cpu", pool, pairs, seed=0, epochs=12)
    assert reward.shape == (len(pool.texts),) and reward.dtype == torch.float64
    right = (reward[pairs[0]] > reward[pairs[1]]).double().mean()
    assert len(pairs[0]) > 40 and right > 0.8
    after = answers.load_model(source, "cpu").state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_lesson_says_how_long_it_took_and_gives_a_reward_of_each_answer(source, capsys):
    pool = answers.draw_pool(source, "cpu", answers.Sizes(training=3, held_out=2, most=6), seed=0)
    fitted = experiments.lora_reward_model(source, "cpu", pool, seed=0)
    assert "judged pairs" in capsys.readouterr().out
    assert len(experiments.accuracies(pool, [fitted])) == 1 and fitted.reward.isfinite().all()
