"""Rows of well-known preference data sets as pairs: prompt, chosen, rejected.

A converter takes a row and gives its pairs, with the columns beside them that say where a pair comes from. In place of
what makes no pair stands LeftOut, with the reason. A row of another form raises BadRow.
"""

from collections.abc import Iterable
from itertools import combinations, product

from .rows import BadRow, kind

TIE = "ties (neither answer is better)"
MISSING = "rows with a missing answer or label"
UNPAIRED = "answers with no better or worse one to the same prompt"

ROLES = {"human": "user", "gpt": "assistant"}
"""ShareGPT's names of who speaks -> those of chat templates."""


class LeftOut:
    """What a conversion leaves out, with the reason; never a fault of the file."""

    def __init__(self, reason: str):
        self.reason = reason


Pairs = Iterable[dict | LeftOut]


def helpsteer2(row: dict) -> Pairs:
    """HelpSteer 2, preferences: above 0 the second response is better, below 0 the first."""
    return [two(row, "prompt", ("response_1", "response_2"), "preference_strength", ("split",))]


def helpsteer3(row: dict) -> Pairs:
    """HelpSteer 3: above 0 the second response is better, below 0 the first."""
    return [two(row, "context", ("response1", "response2"), "overall_preference", ("domain", "language"))]


def shp(row: dict) -> Pairs:
    """SHP and SHP-2: `labels` is 1 where A is preferred to B, and 0 where B is."""
    if row["labels"] not in (0, 1, None):
        raise BadRow(f"`labels` must be 0 or 1, got {str(row['labels'])[:40]}")
    signed = {**row, "lead": {1: -1, 0: 1}.get(row["labels"])}
    return [
        two(signed, "history", ("human_ref_A", "human_ref_B"), "lead", ("post_id", "domain", "score_ratio"))
    ]


def webgpt(row: dict) -> Pairs:
    """WebGPT comparisons: the answer with the higher score is preferred."""
    question = row["question"]
    found = {**row, "lead": None, "question_id": None}
    if isinstance(question, dict):
        found |= {"question": question.get("full_text"), "dataset": question.get("dataset")}
        found |= {"question_id": question.get("id")}
    if None not in (row["score_0"], row["score_1"]):
        found["lead"] = number(row["score_1"]) - number(row["score_0"])
    return [two(found, "question", ("answer_0", "answer_1"), "lead", ("dataset", "question_id"))]


def nectar(row: dict) -> Pairs:
    """Nectar: every answer of a ranking against every one that ranks below it; rank 1 is the best."""
    answers = row["answers"]
    if not isinstance(answers, list) or not all(isinstance(one, dict) for one in answers):
        raise BadRow("`answers` must be a list of objects with `answer`, `model` and `rank`")
    whole = [one for one in answers if one.get("answer") is not None and one.get("rank") is not None]
    found: list[dict | LeftOut] = [LeftOut(MISSING)] * (len(answers) - len(whole))
    for better, worse in combinations(sorted(whole, key=lambda one: number(one["rank"])), 2):
        pair = {"prompt": row["prompt"], "chosen": better["answer"], "rejected": worse["answer"]}
        pair |= {"chosen_model": better.get("model"), "rejected_model": worse.get("model")}
        found.append(LeftOut(TIE) if better["rank"] == worse["rank"] else pair)
    return found


def rewardbench2(row: dict) -> Pairs:
    """RewardBench 2, and RM-Bench: every right answer against every wrong one."""
    if not isinstance(row["chosen"], list) or not isinstance(row["rejected"], list):
        raise BadRow("`chosen` and `rejected` must be lists of answers")
    beside = {name: row[name] for name in ("id", "subset", "domain") if name in row}
    return [
        {"prompt": row["prompt"], "chosen": right, "rejected": wrong} | beside
        for right, wrong in product(row["chosen"], row["rejected"])
    ]


def sharegpt(row: dict) -> Pairs:
    """ShareGPT's messages (`from`, `value`), as LLaMA-Factory takes them: `conversations` is the prompt."""
    if row["chosen"] is None or row["rejected"] is None:
        return [LeftOut(MISSING)]
    start = [{"role": "system", "content": row["system"]}] if row.get("system") else []
    start += messages(row.get("conversations") or [])
    sides = {side: messages(row[side]) for side in ("chosen", "rejected")}
    return [({"prompt": start} if start else {}) | sides]


def alpaca(row: dict) -> Pairs:
    """Alpaca's columns: the prompt is `instruction`, a line break, and `input`, which may be empty."""
    if row["chosen"] is None or row["rejected"] is None:
        return [LeftOut(MISSING)]
    return [{"prompt": instruction(row), "chosen": row["chosen"], "rejected": row["rejected"]}]


def kto(row: dict) -> Pairs:
    """KTO's answers with a label, in TRL's columns or LLaMA-Factory's: not pairs yet, but what `good_and_bad` takes."""
    label = row["label"] if "label" in row else row["kto_tag"]
    if "completion" in row:
        prompt, answer = row.get("prompt") or "", row["completion"]
    elif isinstance(talk := row.get("messages", row.get("conversations")), list):
        talk = messages(talk)
        prompt, answer = talk[:-1], talk[-1:] or None
    else:
        prompt, answer = instruction(row), row.get("output")
    if answer is None or label is None:
        return [LeftOut(MISSING)]
    if label not in (True, False):
        raise BadRow(f"the label must be true or false, got {str(label)[:40]}")
    return [{"prompt": prompt, "answer": answer, "label": bool(label)}]


def good_and_bad(answers: list[dict]) -> Pairs:
    """Every good answer against every bad one to the same prompt.

    Args:
        answers: of one prompt, as `kto` gives them.
    """
    good, bad = ([one for one in answers if one["label"] == label] for label in (True, False))
    if not good or not bad:
        return [LeftOut(UNPAIRED)] * len(answers)
    return [
        {"prompt": answers[0]["prompt"], "chosen": one["answer"], "rejected": other["answer"]}
        for one, other in product(good, bad)
    ]


def rating(row: dict) -> Pairs:
    """HelpSteer's rated answers: not pairs yet, but what `more_helpful` takes."""
    if row["response"] is None or row["helpfulness"] is None:
        return [LeftOut(MISSING)]
    return [{name: row[name] for name in ("prompt", "response", "helpfulness")}]


def more_helpful(answers: list[dict]) -> Pairs:
    """Of two rated answers to one prompt, the more helpful one is chosen, as the data set's card proposes.

    Args:
        answers: of one prompt, as `rating` gives them.
    """
    if len(answers) == 1:
        return [LeftOut(UNPAIRED)]
    found = []
    for first, second in combinations(answers, 2):
        lead = number(second["helpfulness"]) - number(first["helpfulness"])
        row = {
            "prompt": first["prompt"],
            "first": first["response"],
            "second": second["response"],
            "lead": lead,
        }
        found.append(two(row, "prompt", ("first", "second"), "lead", ()))
    return found


def two(
    row: dict, prompt: str, answers: tuple[str, str], lead: str, beside: tuple[str, ...]
) -> dict | LeftOut:
    """A pair of two answers and a number: above 0 the second is better, below 0 the first.

    Its size goes into the column `strength`, and not into `margin`: that would change what is learnt.
    """
    first, second, strength = (row[name] for name in (*answers, lead))
    if first is None or second is None or strength is None:
        return LeftOut(MISSING)
    if number(strength) == 0:
        return LeftOut(TIE)
    chosen, rejected = (second, first) if strength > 0 else (first, second)
    kept = {name: row[name] for name in beside if row.get(name) is not None}
    return {"prompt": row[prompt], "chosen": chosen, "rejected": rejected, "strength": abs(strength)} | kept


def messages(value: object) -> list[dict]:
    """Messages of ShareGPT or of a chat template, or a bare answer, as messages with `role` and `content`.

    Raises:
        BadRow: the value is none of these.
    """
    if isinstance(value, str):
        return [{"role": "assistant", "content": value}]
    found = []
    for message in value if isinstance(value, list) else [value]:
        if not isinstance(message, dict):
            raise BadRow(f"expected messages with `from` and `value`, got {kind(message)}")
        role = message.get("from", message.get("role"))
        found.append({"role": ROLES.get(role, role), "content": message.get("value", message.get("content"))})
    return found


def instruction(row: dict) -> str:
    """Alpaca's prompt."""
    return "\n".join(text for text in (row.get("instruction"), row.get("input")) if text)


def number(value: object) -> float:
    """A finite number that says which answer is better. Raises BadRow."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
        raise BadRow(f"expected a number that says which answer is better, got {str(value)[:40]}")
    return value
