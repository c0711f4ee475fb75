"""TODO 1: a conversation as a row of tokens, and where the answer begins."""

from collections.abc import Callable, Mapping, Sequence

import torch

from reward_lab.checks.exercise import Exercise, Mistake
from reward_lab.checks.judging import Outcome, expect_like
from reward_lab.checks.probes import Probe
from reward_lab.checks.subject import Subject
from reward_lab.checks.values import describe
from reward_lab.lessons.lesson09.conversation import conversation_row as right_row

from . import tokenizing as tokenizing

conversation_row = Exercise(
    "conversation_row",
    first_step="Write the prompt with the template, up to where the assistant speaks, and print it as text.",
)

Messages = Sequence[Mapping[str, str]]
Row = Callable[[object, Messages], tuple[list[int], int]]
LONGEST = 400


def written_with(
    opened: bool = True,
    opened_too: bool = False,
    special: bool = False,
    together: bool = False,
    end: str = "first",
    before: Callable[[Messages], Messages] = lambda messages: messages[:-1],
) -> Row:
    """The right answer, but for the mark that opens the answer, special tokens, the border, the end, and the prompt."""

    def answer(tokenizer, messages: Messages) -> tuple[list[int], int]:
        def ids(text: str) -> list[int]:
            return tokenizer(text, add_special_tokens=special)["input_ids"]

        earlier = before(messages)
        prompt = tokenizer.apply_chat_template(earlier, tokenize=False, add_generation_prompt=opened)
        whole = tokenizer.apply_chat_template(
            [*earlier, messages[-1]], tokenize=False, add_generation_prompt=opened_too
        )
        given = ids(prompt)
        row = ids(whole) if together else given + ids(whole[len(prompt) :])
        places = [i for i, token in enumerate(row) if token == tokenizer.eos_token_id]
        later = [i for i in places if i >= len(given)]
        stop = {
            "first": later[0] + 1 if later else len(row),
            "in the row": places[0] + 1 if places else len(row),
            "without": later[0] if later else len(row),
            "none": len(row),
        }[end]
        return row[:stop], len(given)

    return answer


def _start(change: Callable[[object, Messages, list[int], int], int]) -> Row:
    """The right row, and another start."""

    def answer(tokenizer, messages: Messages) -> tuple[list[int], int]:
        row, start = right_row(tokenizer, messages)
        return row, change(tokenizer, messages, row, start)

    return answer


def _first_answer(tokenizer, messages: Messages, row: list[int], start: int) -> int:
    """After the first mark of an assistant."""
    first = next(i for i, m in enumerate(messages) if m["role"] == "assistant")
    return right_row(tokenizer, messages[: first + 1])[1]


def _characters(tokenizer, messages: Messages, row: list[int], start: int) -> int:
    return len(tokenizer.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True))


def _no_template(tokenizer, messages: Messages) -> tuple[list[int], int]:
    texts = [m["content"] for m in messages]
    given, answer = (
        tokenizer(t, add_special_tokens=False)["input_ids"] for t in ("\n".join(texts[:-1]), texts[-1])
    )
    return given + answer, len(given)


MISTAKES: dict[str, Row | list[Row]] = {
    "The assistant's mark counts as part of the answer. The model is given it: write the prompt with "
    "add_generation_prompt=True.": [written_with(opened=False), written_with(opened=False, together=True)],
    "Prompt and answer are tokenized together, and a token reaches over the border. The model got the prompt's tokens "
    "alone: tokenize the two apart.": written_with(together=True),
    "The tokenizer adds its own special tokens to what the template wrote: add_special_tokens=False.": [
        written_with(special=True), written_with(special=True, together=True)
    ],
    "What the template writes behind the end of the answer's turn is left in. The model stops at that end: nothing "
    "behind it belongs to the answer.": [
        written_with(end="none"), written_with(end="none", together=True)
    ],
    "The token that ends the answer's turn is cut off. The model writes it: without it nobody learns to stop.": (
        written_with(end="without")
    ),
    "Another turn of the assistant is opened behind the answer: the whole conversation needs no generation prompt.": (
        written_with(opened_too=True, end="none")
    ),
    "The row is cut at the first end of a turn, which is one of the prompt's.": written_with(end="in the row"),
    "The answer begins after the first mark of an assistant. Earlier answers belong to the prompt.": _start(_first_answer),
    "`start` is counted in characters. A place in the row is counted in tokens.": _start(_characters),
    "`start` is the place of the prompt's last token. The answer's first one is asked for.": _start(
        lambda t, m, r, s: s - 1
    ),
    "`start` is one too large.": _start(lambda t, m, r, s: s + 1),
    "The contents are joined without the chat template.": _no_template,
    "Only the last question is in the prompt. Everything that was said before is part of it.": written_with(
        before=lambda messages: messages[-2:-1]
    ),
    "The system's message is left out of the prompt.": written_with(
        before=lambda messages: [m for m in messages[:-1] if m["role"] != "system"]
    ),
    "The row holds the answer alone. The whole conversation is asked for.": lambda tokenizer, messages: (
        (lambda row, start: (row[start:], start))(*right_row(tokenizer, messages))
    ),
    "The row holds the prompt alone. The whole conversation is asked for.": lambda tokenizer, messages: (
        (lambda row, start: (row[:start], start))(*right_row(tokenizer, messages))
    ),
    "`start` is the number of the answer's tokens. Its first token's place is asked for.": _start(
        lambda t, m, r, s: len(r) - s
    ),
}  # fmt: skip


def _read(value: object, arguments: tuple) -> Outcome:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise Mistake("two values, (row, start)", describe(value))
    row, start = value
    if isinstance(row, torch.Tensor) and row.dim() == 1 and not row.is_floating_point():
        row = row.tolist()
    if not isinstance(row, (list, tuple)) or not all(type(i) is int for i in row) or len(row) > LONGEST:
        raise Mistake(
            "`row` to be a list of token ids, which are ints",
            describe(row),
            'The ids stand under ["input_ids"] of what the tokenizer returns.',
        )
    if isinstance(start, torch.Tensor) and start.dim() == 0 and not start.is_floating_point():
        start = start.item()
    if type(start) is not int:
        raise Mistake("`start` to be an int", describe(start))
    filled = [*row, *[-1] * (LONGEST - len(row))]
    numbers = {"the number of tokens in `row`": len(row), "`start`": start, "`row`": filled}
    return {name: torch.tensor(number, dtype=torch.float64) for name, number in numbers.items()}


def _check(subject: Subject, *calls: tuple) -> None:
    expect_like(subject, right_row, MISTAKES, calls, _read, rtol=0, atol=0)


WORDS = (
    "rain",
    "the",
    "sea",
    "cold",
    "why",
    "wind",
    "night",
    "moves",
    "light",
    "does",
    "it",
    "falls",
    "a",
    "warm",
)
PIECES = ("\n\n", "\nth", "\nr", "er", "the", " the", "assistant", "user", "system", "ing", "ll", ".\n", " a")  # fmt: skip


def _say(draw: torch.Generator, start: str = "", end: str = "") -> str:
    count = int(torch.randint(2, 8, (1,), generator=draw))
    chosen = torch.randint(len(WORDS), (count,), generator=draw).tolist()
    return start + " ".join(WORDS[i] for i in chosen) + end


def _tokenizer(**changed: object) -> Probe:
    usual = {"pieces": list(PIECES), "after": "\n", "system": "", "closes": True, "rewrites": False}
    return Probe("tokenizer", usual | changed)


def _talk(draw: torch.Generator, turns: int, system: bool, answer: str) -> list[dict]:
    said = [{"role": "system", "content": _say(draw, end=".")}] if system else []
    for _ in range(turns):
        said.append({"role": "user", "content": _say(draw, end="?")})
        said.append({"role": "assistant", "content": _say(draw, end=".")})
    return [*said[:-1], {"role": "assistant", "content": answer}]


@conversation_row.case("one question and its answer", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    hello = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]
    calls = [(_tokenizer(after="", pieces=[]), hello)]
    calls.append((_tokenizer(), _talk(draw, 1, True, _say(draw, "Water ", "."))))
    _check(subject, *calls, (_tokenizer(after=""), _talk(draw, 1, False, _say(draw, "It ", "!"))))


@conversation_row.case("several turns, and tokens that could reach over the border", points=1.0)
def _(subject: Subject, draw: torch.Generator) -> None:
    answers = (_say(draw, "rain ", "."), _say(draw, "\n", "."), _say(draw, "the "), "th", _say(draw, "the "))
    kinds = [{"after": "\n"}, {"after": ""}, {"system": "Be brief."}, {"after": " \n"}, {"closes": False}]
    turns = zip((2, 3, 1, 2, 2), (True, True, False, False, True), answers, kinds, strict=True)
    _check(subject, *((_tokenizer(**kind), _talk(draw, n, system, a)) for n, system, a, kind in turns))


@conversation_row.case("a template that rewrites the prompt raises ValueError", points=0.5)
def _(subject: Subject, draw: torch.Generator) -> None:
    failure = subject.error(_tokenizer(rewrites=True), _talk(draw, 1, True, "no."))
    if failure is None or failure.type_name != "ValueError":
        raise Mistake(
            "ValueError where the conversation does not begin with the prompt's text",
            "no exception" if failure is None else str(failure),
            "This template leaves the system's words out once there is an answer: test whole.startswith(prompt) first.",
        )
    _check(subject, (_tokenizer(), _talk(draw, 1, True, "no.")))
