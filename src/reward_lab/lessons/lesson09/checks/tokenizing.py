"""What lesson 9's check sends instead of a real tokenizer: a small one with a chat template, called like one."""

import string
from collections.abc import Mapping, Sequence

from reward_lab.checks.probes import RECIPES

BEGIN, OPEN, CLOSE = SPECIAL = ("<begin>", "<turn>", "<end>")
LETTERS = list(string.ascii_letters + string.digits + " \n.,:?!'-")


class Encoding(dict):
    """What a tokenizer of transformers returns."""

    @property
    def input_ids(self) -> list[int]:
        return self["input_ids"]


class ProbeTokenizer:
    """A tokenizer in the manner of transformers: the longest piece that fits comes next.

    Special tokens are `<begin>` (0), which it puts first unless it is told not to, `<turn>` (1) and `<end>` (2). The
    chat template writes each message as `<turn>role`, a line break and its content.

    Args:
        pieces: of several characters; single characters are always there.
        after: what the template writes behind each message.
        system: what it puts first where no message is a system's; nothing if empty.
        closes: whether it ends each message with `<end>`, before that.
        rewrites: whether it leaves the system's message out once the last message is an assistant's.
    """

    bos_token, eos_token, bos_token_id, eos_token_id, pad_token_id = BEGIN, CLOSE, 0, 2, 2
    pad_token = CLOSE

    def __init__(self, pieces: Sequence[str], after: str, system: str, closes: bool, rewrites: bool):
        self.pieces, self.after, self.system, self.rewrites = list(pieces), after, system, rewrites
        self.close = CLOSE if closes else ""
        self._ids = {piece: number for number, piece in enumerate([*SPECIAL, *LETTERS, *pieces])}
        self._longest = max(map(len, self._ids))

    def __len__(self) -> int:
        return len(self._ids)

    def encode(self, text: str, add_special_tokens: bool = True, **unused: object) -> list[int]:
        """The ids of a text."""
        found, at = [self._ids[BEGIN]] if add_special_tokens else [], 0
        while at < len(text):
            sizes = range(min(self._longest, len(text) - at), 0, -1)
            size = next((n for n in sizes if text[at : at + n] in self._ids), 0)
            if not size:
                raise ValueError(f"this small tokenizer does not know {text[at]!r}")
            found.append(self._ids[text[at : at + size]])
            at += size
        return found

    def __call__(self, text: str | list[str], add_special_tokens: bool = True, **unused: object) -> Encoding:
        """`input_ids` and `attention_mask` of a text, or of each of several."""
        if isinstance(text, str):
            ids = self.encode(text, add_special_tokens)
            return Encoding(input_ids=ids, attention_mask=[1] * len(ids))
        rows = [self.encode(one, add_special_tokens) for one in text]
        return Encoding(input_ids=rows, attention_mask=[[1] * len(row) for row in rows])

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = False, **unused: object) -> str:
        """The text of ids."""
        pieces = list(self._ids)
        kept = [int(i) for i in ids if not (skip_special_tokens and i < len(SPECIAL))]
        return "".join(pieces[i] for i in kept)

    def convert_tokens_to_ids(self, token: str) -> int:
        """The id of one token."""
        return self._ids[token]

    def apply_chat_template(
        self,
        conversation: Sequence[Mapping[str, str]],
        tokenize: bool = True,
        add_generation_prompt: bool = False,
        return_dict: bool = True,
        **unused: object,
    ) -> str | list[int] | Encoding:
        """The conversation as text, or as ids; `add_generation_prompt` opens the assistant's turn at the end."""
        messages = list(conversation)
        if self.system and not any(m["role"] == "system" for m in messages):
            messages.insert(0, {"role": "system", "content": self.system})
        if self.rewrites and messages[-1]["role"] == "assistant":
            messages = [m for m in messages if m["role"] != "system"]
        text = "".join(f"{OPEN}{m['role']}\n{m['content']}{self.close}{self.after}" for m in messages)
        text += f"{OPEN}assistant\n" if add_generation_prompt else ""
        if not tokenize:
            return text
        encoded = self(text, add_special_tokens=False)
        return encoded if return_dict else encoded.input_ids


def _build(data: dict, built: Sequence[object], device: str) -> ProbeTokenizer:
    return ProbeTokenizer(**data)


def _state(tokenizer: ProbeTokenizer) -> dict:
    return {"pieces": list(tokenizer.pieces)}


RECIPES["tokenizer"] = (_build, _state)
