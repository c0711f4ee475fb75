"""Prompt and completion as one text, by a chat template that is saved with the model.

Whatever a model was trained on, its folder's tokenizer writes the same text: apply_chat_template([{"role": "user",
"content": prompt}, {"role": "assistant", "content": completion}]). So TRL and everybody else score as we do.
"""

from collections.abc import Sequence

TEMPLATES = ("auto", "own", "plain")
_JOINED = (
    "{% for message in messages %}{% if message['content'] %}{{ message['content'] }}"
    "{% if not loop.last %}{{ '\\n' }}{% endif %}{% endif %}{% endfor %}"
)
"""Contents, one below the other, whoever speaks: what the bag of words reads, too. An empty prompt leaves no line."""


def choose_template(tokenizer, kind: str, prompts: bool) -> str:
    """Give a tokenizer the template that texts are to be written with.

    Args:
        tokenizer: of transformers; its `chat_template` is set.
        kind: "own" keeps the model's chat template, "plain" joins prompt and completion by a line break, "auto" is
            own where there is one and every pair has a prompt.
        prompts: whether every pair has a prompt.

    Returns:
        "own" or "plain".

    Raises:
        ValueError: the model has no chat template of its own, or there is no such kind.
    """
    if kind not in TEMPLATES:
        raise ValueError(f"--template {kind}: expected one of {', '.join(TEMPLATES)}")
    if kind == "own" and not tokenizer.chat_template:
        raise ValueError(
            "--template own: this backbone's tokenizer has no chat template; --template plain joins prompt and "
            "completion by a line break"
        )
    if kind == "own" or (kind == "auto" and tokenizer.chat_template and prompts):
        return "own"
    before, after = _marks(tokenizer)
    tokenizer.chat_template = f"{{{{ {before!r} }}}}{_JOINED}{{{{ {after!r} }}}}"
    return "plain"


def write_texts(tokenizer, prompts: Sequence[str], completions: Sequence[str]) -> list[str]:
    """The texts that are scored, by the tokenizer's chat template."""
    conversations = [
        [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]
        for prompt, completion in zip(prompts, completions, strict=True)
    ]
    return tokenizer.apply_chat_template(conversations, tokenize=False)


def _marks(tokenizer) -> tuple[str, str]:
    """The special tokens that the tokenizer itself puts before and after a text."""
    inside = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    extra = len(whole) - len(inside)
    start = next((i for i in range(extra + 1) if whole[i : i + len(inside)] == inside), 0)
    return tokenizer.decode(whole[:start]), tokenizer.decode(whole[start + len(inside) :])
