"""A conversation as the row of tokens that a chat model reads, and where the answer begins in it."""

from collections.abc import Mapping, Sequence


def conversation_row(tokenizer, messages: Sequence[Mapping[str, str]]) -> tuple[list[int], int]:
    """The token ids of a conversation, up to the end of the last answer, and the place of that answer's first token.

    The prompt and the answer are tokenized apart, as they are when the model writes: it gets the prompt's tokens, and
    adds its own. Together, one token could reach over the border.

    Args:
        tokenizer: of transformers, with a chat template.
        messages: dicts with `role` and `content`; the last one is the assistant's.

    Returns:
        (row, start): the ids, the end-of-turn token included and nothing behind it; `row[:start]` is the prompt.

    Raises:
        ValueError: the template writes the messages before the answer differently once there is an answer.
    """

    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    prompt = tokenizer.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True)
    whole = tokenizer.apply_chat_template(messages, tokenize=False)
    if not whole.startswith(prompt):
        raise ValueError("this template writes the prompt differently once there is an answer")
    given, answer = ids(prompt), ids(whole[len(prompt) :])
    if tokenizer.eos_token_id in answer:
        answer = answer[: answer.index(tokenizer.eos_token_id) + 1]
    return given + answer, len(given)
