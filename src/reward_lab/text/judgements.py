"""Exports of tools in which people judge answers, as pairs: Argilla, Label Studio, OpenAI, arenas, and data sets like these.

Converters as in conversions.py.
"""

import json
import re
from itertools import combinations

from .conversions import MISSING, TIE, LeftOut, Pairs, instruction, messages, number, two
from .rows import BadRow, kind

PROMPTS = ("prompt", "instruction", "question", "query", "input", "context")
"""Names of the field with the prompt, in tools that let people name their fields."""
ANSWERS = re.compile(r"answer|response|output|completion|generation|text|left|right|option", re.IGNORECASE)
"""Names of the fields with the answers."""


def openai(row: dict) -> Pairs:
    """OpenAI's preference fine-tuning: `input.messages`, `preferred_output`, `non_preferred_output`."""
    sides = row["preferred_output"], row["non_preferred_output"]
    if not isinstance(row["input"], dict) or None in sides:
        raise BadRow("`input` must be an object with `messages`, beside two outputs")
    start = messages(row["input"].get("messages") or [])
    chosen, rejected = map(messages, sides)
    return [{"prompt": start, "chosen": chosen, "rejected": rejected}]


def arena(row: dict) -> Pairs:
    """Chatbot Arena: two conversations, or a prompt and two responses (also as JSON in a text), and who won."""
    if "conversation_a" in row:
        sides = [row["conversation_a"], row["conversation_b"]]
        if None in sides:
            return [LeftOut(MISSING)]
        sides = [messages(side) for side in sides]
        found = {"a": sides[0], "b": sides[1], "prompt": sides[0][:1]}
    else:
        asked, *answers = (_unpacked(row[name]) for name in ("prompt", "response_a", "response_b"))
        if None in answers:
            return [LeftOut(MISSING)]
        found = {
            "a": _turns(asked, answers[0]),
            "b": _turns(asked, answers[1]),
            "prompt": _turns(asked, [])[:1],
        }
    beside = ("model_a", "model_b", "language")
    found |= {name: row[name] for name in beside if name in row} | {"lead": _winner(row)}
    return [two(found, "prompt", ("a", "b"), "lead", beside)]


def labelstudio(row: dict) -> Pairs:
    """Label Studio's pairwise comparisons: a task with its annotations, each a vote for left or right."""
    data = row["data"]
    names = [name for name in data if name not in PROMPTS] if isinstance(data, dict) else []
    texts = [name for name in names if isinstance(data[name], str | list) and ANSWERS.search(name)]
    if len(texts) != 2:
        raise BadRow(f"`data` must hold a prompt and two answers, got {', '.join(names) or kind(data)}")
    prompt = next((data[name] for name in PROMPTS if data.get(name)), "")
    votes = [_side(one) for annotation in row["annotations"] or [] for one in annotation.get("result") or []]
    votes = [vote for vote in votes if vote is not None]
    return _by_votes({"prompt": prompt, "a": data[texts[0]], "b": data[texts[1]]}, votes)


def argilla(row: dict) -> Pairs:
    """Argilla's records: `fields` with a prompt and two answers or more, `responses` with a choice or a ranking."""
    fields, responses = row["fields"], row["responses"]
    if not isinstance(fields, dict) or not isinstance(responses, dict):
        raise BadRow("`fields` and `responses` must be objects, as Argilla's Record.to_dict gives them")
    prompt = next((fields[name] for name in PROMPTS if fields.get(name)), "")
    answers = {name: text for name, text in fields.items() if name not in PROMPTS and text}
    found: list = []
    for said in (
        one.get("value") for question in responses.values() for one in question or [] if isinstance(one, dict)
    ):
        if isinstance(said, list) and all(isinstance(one, dict) and "rank" in one for one in said):
            for better, worse in combinations(sorted(said, key=lambda one: number(one["rank"])), 2):
                equal = better["rank"] == worse["rank"]
                found.append(
                    LeftOut(TIE) if equal else _pair(prompt, answers, better["value"], worse["value"])
                )
        elif isinstance(said, str) and len(answers) == 2 and said in answers:
            (other,) = set(answers) - {said}
            found.append(_pair(prompt, answers, said, other))
    return found or [LeftOut(MISSING)]


def better_id(row: dict) -> Pairs:
    """PKU-SafeRLHF: `better_response_id` is 0 or 1."""
    lead = {0: -1, 1: 1, None: None}.get(row["better_response_id"], 0)
    return [
        two(row | {"lead": lead}, "prompt", ("response_0", "response_1"), "lead", ("is_response_0_safe",))
    ]


def alpaca_farm(row: dict) -> Pairs:
    """AlpacaFarm and AlpacaEval: `preference` is 1 or 2, 1.5 or 0 a tie."""
    said = row["preference"]
    lead = None if said is None else 0 if number(said) in (0, 1.5) else number(said) - 1.5
    return [
        two(row | {"prompt": instruction(row), "lead": lead}, "prompt", ("output_1", "output_2"), "lead", ())
    ]


def ultrafeedback(row: dict) -> Pairs:
    """UltraFeedback as it was made: four completions with `overall_score`, every better one against every worse one."""
    completions = row["completions"]
    if not isinstance(completions, list) or not all(isinstance(one, dict) for one in completions):
        raise BadRow("`completions` must be a list of objects with `response` and `overall_score`")
    found = []
    for first, second in combinations(completions, 2):
        scores = [one.get("overall_score") for one in (first, second)]
        lead = None if None in scores else number(scores[1]) - number(scores[0])
        pair = {
            "prompt": row["instruction"],
            "a": first.get("response"),
            "b": second.get("response"),
            "lead": lead,
        }
        found.append(two(pair, "prompt", ("a", "b"), "lead", ()))
    return found


def summaries(row: dict) -> Pairs:
    """OpenAI's summarize_from_feedback: a post, two summaries, and the number of the better one."""
    info, texts = row["info"], [one.get("text") for one in row["summaries"]]
    post = info.get("post") or info.get("article") or ""
    lead = {0: -1, 1: 1}.get(row["choice"])
    return [
        two({"prompt": post, "a": texts[0], "b": texts[1], "lead": lead}, "prompt", ("a", "b"), "lead", ())
    ]


def stack_exchange(row: dict) -> Pairs:
    """Stack Exchange preferences: every answer with a higher `pm_score` against every one with a lower."""
    found = []
    for first, second in combinations(row["answers"], 2):
        lead = number(second["pm_score"]) - number(first["pm_score"])
        pair = {
            "prompt": row["question"],
            "a": first["text"],
            "b": second["text"],
            "lead": lead,
            "qid": row.get("qid"),
        }
        found.append(two(pair, "prompt", ("a", "b"), "lead", ("qid",)))
    return found


def _pair(prompt: object, answers: dict, better: str, worse: str) -> dict | LeftOut:
    if better not in answers or worse not in answers:
        return LeftOut(MISSING)
    return {"prompt": prompt, "chosen": answers[better], "rejected": answers[worse]}


def _by_votes(pair: dict, votes: list[int]) -> Pairs:
    """The answer that most voted for. Votes are below 0 for the first answer, above 0 for the second."""
    lead = sum(votes) if votes else None
    return [two(pair | {"lead": lead}, "prompt", ("a", "b"), "lead", ())]


def _side(result: dict) -> int | None:
    """A vote of Label Studio: a pairwise tag, or a choice whose name says left or right, first or second."""
    value = result.get("value") or {}
    said = value.get("selected") or next(iter(value.get("choices") or []), None)
    return {"left": -1, "right": 1}.get(str(said).lower()) if said else None


def _winner(row: dict) -> int | None:
    """Below 0 for a, above 0 for b, 0 for a tie."""
    if "winner" in row:
        said = str(row["winner"]).lower() if row["winner"] is not None else ""
        return {"model_a": -1, "a": -1, "model_b": 1, "b": 1}.get(said, 0 if said.startswith("tie") else None)
    won = [row.get(f"winner_model_{side}") for side in "ab"]
    return None if None in won else int(number(_int(won[1])) - number(_int(won[0])))


def _int(value: object) -> object:
    return int(value) if isinstance(value, bool) or value in ("0", "1") else value


def _unpacked(value: object) -> object:
    """A list that stands there as JSON in a text, as in Kaggle's arena files."""
    if isinstance(value, str) and value.startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _turns(asked: object, answered: object) -> list[dict]:
    """Prompts and answers of one or more turns as messages."""
    sides = [side if isinstance(side, list) else [side] for side in (asked, answered)]
    talk = []
    for turn, question in enumerate(sides[0]):
        talk.append({"role": "user", "content": question})
        if turn < len(sides[1]):
            talk.append({"role": "assistant", "content": sides[1][turn]})
    return talk
