"""Well-known preference data sets: told by their columns, and converted by name (see conversions.py)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import conversions, judgements
from .conversions import LeftOut, Pairs
from .rows import BadRow

Rows = Iterator[tuple[int, dict | BadRow]]


@dataclass(frozen=True)
class Format:
    """One form of one data set."""

    name: str
    """What --format takes; two forms of one data set have one name."""
    title: str
    columns: tuple[str, ...]
    """Every row has these."""
    convert: Callable[[dict], Pairs]
    join: Callable[[list[dict]], Pairs] | None = None
    """Where a row is one answer: makes pairs of the answers to one prompt. The file is then read whole."""
    looks: Callable[[dict], bool] = lambda row: True
    """What a row must be beside having the columns."""


def _is_sharegpt(row: dict) -> bool:
    """Messages with `from` and `value` in place of `role` and `content`, or a talk beside the two answers."""
    sides = [side for name in ("chosen", "rejected") for side in _listed(row[name])]
    return "conversations" in row or any(isinstance(one, dict) and "from" in one for one in sides)


def _has_lists(row: dict) -> bool:
    """Lists of answers; of messages there are objects in it."""
    sides = [row["chosen"], row["rejected"]]
    return all(isinstance(side, list) and all(isinstance(one, str) for one in side) for side in sides)


def _listed(value: object) -> list:
    return value if isinstance(value, list) else [value]


FORMATS = (
    Format(
        "helpsteer2",
        "HelpSteer 2 (preferences)",
        ("prompt", "response_1", "response_2", "preference_strength"),
        conversions.helpsteer2,
    ),
    Format(
        "helpsteer2",
        "HelpSteer 2 (ratings)",
        ("prompt", "response", "helpfulness"),
        conversions.rating,
        conversions.more_helpful,
    ),
    Format(
        "helpsteer3",
        "HelpSteer 3 (preferences)",
        ("context", "response1", "response2", "overall_preference"),
        conversions.helpsteer3,
    ),
    Format("shp", "SHP", ("history", "human_ref_A", "human_ref_B", "labels"), conversions.shp),
    Format(
        "webgpt",
        "WebGPT comparisons",
        ("question", "answer_0", "answer_1", "score_0", "score_1"),
        conversions.webgpt,
    ),
    Format("nectar", "Nectar", ("prompt", "answers"), conversions.nectar),
    Format(
        "rewardbench2",
        "RewardBench 2",
        ("prompt", "chosen", "rejected"),
        conversions.rewardbench2,
        looks=_has_lists,
    ),
    Format("sharegpt", "ShareGPT pairs", ("chosen", "rejected"), conversions.sharegpt, looks=_is_sharegpt),
    Format(
        "alpaca",
        "Alpaca pairs",
        ("instruction", "chosen", "rejected"),
        conversions.alpaca,
        looks=lambda row: bool(row.get("input")) and not row.get("prompt"),
    ),
    Format(
        "openai", "OpenAI's preference format", ("input", "preferred_output", "non_preferred_output"), judgements.openai
    ),
    Format("arena", "Chatbot Arena (conversations)", ("conversation_a", "conversation_b", "winner"), judgements.arena),
    Format("arena", "Chatbot Arena (responses)", ("prompt", "response_a", "response_b"), judgements.arena),
    Format("labelstudio", "Label Studio's export", ("data", "annotations"), judgements.labelstudio),
    Format("argilla", "Argilla's records", ("fields", "responses"), judgements.argilla),
    Format(
        "saferlhf", "PKU-SafeRLHF", ("prompt", "response_0", "response_1", "better_response_id"), judgements.better_id
    ),
    Format("alpacafarm", "AlpacaFarm", ("instruction", "output_1", "output_2", "preference"), judgements.alpaca_farm),
    Format("ultrafeedback", "UltraFeedback (ratings)", ("instruction", "completions"), judgements.ultrafeedback),
    Format("summaries", "summarize_from_feedback", ("info", "summaries", "choice"), judgements.summaries),
    Format("stackexchange", "Stack Exchange preferences", ("question", "answers"), judgements.stack_exchange),
    Format("kto", "KTO (answers with a label)", ("prompt", "completion", "label"), conversions.kto,
           conversions.good_and_bad),
    Format("kto", "KTO (talks with a label)", ("messages", "label"), conversions.kto, conversions.good_and_bad),
    Format("kto", "KTO (LLaMA-Factory)", ("kto_tag",), conversions.kto, conversions.good_and_bad),
)  # fmt: skip
NAMES = sorted({form.name for form in FORMATS})


def looks_like(row: dict) -> Format | None:
    """The data set that a row seems to come from, or None."""
    for form in FORMATS:
        if all(name in row for name in form.columns) and form.looks(row):
            return form
    return None


def hint(form: Format) -> str:
    """A sentence that names a format and how to convert it."""
    return (
        f"this looks like {form.title}: convert it with --format {form.name} (in Python format={form.name!r})"
    )


def convert(rows: Rows, name: str) -> Iterator[tuple[int, dict | BadRow | LeftOut]]:
    """(number of the row, pair) of each pair that a data set's rows make; in place of others, why there is none.

    Args:
        rows: as files.read_rows gives them.
        name: of the format, one of NAMES.

    Raises:
        ValueError: there is no such format.
    """
    forms = [form for form in FORMATS if form.name == name]
    if not forms:
        raise ValueError(f"--format {name}: expected one of {', '.join(NAMES)}")
    prompts: dict[str, tuple[int, Callable, list[dict]]] = {}
    for number, row in rows:
        try:
            form = _form_of(row, forms)
            found = form.convert(row)
        except BadRow as error:
            yield number, error
            continue
        for one in found:
            if form.join is None or isinstance(one, LeftOut):
                yield number, one
            else:
                prompts.setdefault(repr(one["prompt"]), (number, form.join, []))[2].append(one)
    for number, join, answers in prompts.values():
        try:
            yield from ((number, pair) for pair in join(answers))
        except BadRow as error:
            yield number, error


def _form_of(row: dict | BadRow, forms: list[Format]) -> Format:
    if isinstance(row, BadRow):
        raise row
    for form in forms:
        if all(name in row for name in form.columns):
            return form
    columns = ", or ".join(", ".join(f"`{name}`" for name in form.columns) for form in forms)
    raise BadRow(f"not a row of {forms[0].title.split(' (')[0]}: expected the columns {columns}")
