"""Nonsense made of answers: what it is, and how training takes it in. On tiny models made on the spot; a second each."""

import json
import re
from collections import Counter

import numpy as np
import pytest

from reward_lab import load_preferences
from reward_lab.text.nonsense import MOST, SHORT, garbled, nonsense_of, nonsense_rows
from tests.text.test_backbone import run_main, tiny  # noqa: F401  a fixture
from tests.text.test_preferences import written

ANSWER = "Rain is water that falls from clouds.\n\nIt falls when drops grow heavy, as a wet cloth drips."
ANSWERS = (
    ANSWER, "def f(x):\n    return x + 1\n\nprint(f(2))",
    "ฝนคือน้ำที่ตกลงมาจากเมฆเมื่อหยดน้ำหนักเกินไป", "雨は雲から落ちる水のことです。",
)  # fmt: skip


def pieces(text):
    return Counter(re.findall(r"\S+", text)) if " " in text else Counter(text)


@pytest.mark.parametrize("answer", ANSWERS)
def test_nonsense_has_the_answers_own_words_in_another_order_or_a_few_again_and_again(answer):
    whole, kinds = pieces(answer), Counter()
    for number in range(60):
        made = garbled(f"prompt {number}", answer)
        assert made == garbled(f"prompt {number}", answer) != answer
        words = pieces(made)
        assert set(words) <= set(whole) and SHORT <= words.total() <= whole.total()
        kinds["shuffled" if words <= whole else "stammered"] += 1
    assert min(kinds["shuffled"], kinds["stammered"]) > 10


def test_line_breaks_stay_so_that_their_lack_is_no_sign_of_nonsense():
    assert any("\n\n" in garbled(f"{number}", ANSWER) for number in range(20))


@pytest.mark.parametrize("answer", ["", "Yes.", "42 is the answer", "no no no no no no", "はい"])
def test_of_short_answers_and_of_one_word_said_again_none_is_made(answer):
    assert garbled("prompt", answer) == ""


def test_pairs_lie_evenly_among_those_given_and_are_bounded():
    rows = np.arange(100, 200)
    assert nonsense_rows(rows, 0.5).tolist() == np.linspace(100, 199, 50).round().tolist()
    assert len(nonsense_rows(rows, 0.0)) == 0 and len(nonsense_rows(rows[:0], 1.0)) == 0
    assert len(set(nonsense_rows(np.arange(10 * MOST), 1.0))) == MOST


def pairs_file(tmp_path, count=40, *more):
    animals = ("fox", "cat", "pig", "owl")
    rows = [
        {
            "prompt": f"owl {number} :",
            "chosen": f"{animals[number % 4]} helped owl . cat fed {animals[number // 4 % 4]} .",
            "rejected": f"{animals[number % 4]} robbed owl . cat bit {animals[number // 4 % 4]} .",
        }
        for number in range(count)
    ]
    return written(tmp_path, *rows, *more)


def test_a_short_answer_is_passed_over(tmp_path):
    path = pairs_file(tmp_path, 4, {"prompt": "owl :", "chosen": "yes", "rejected": "no"})
    found = list(nonsense_of(load_preferences(path), np.arange(1, 5)))
    assert [number for number, *_ in found] == [1, 2, 3]
    assert all(made == garbled(pair.prompt, pair.preferred) for _, pair, made in found)


@pytest.mark.parametrize("tune", ["head", pytest.param("full", marks=pytest.mark.slow)])
def test_training_takes_in_nonsense_of_training_answers_alone_and_none_where_none_is_wanted(
    tiny,  # noqa: F811
    tmp_path,
    monkeypatch,
    tune,
):
    from reward_lab.language.pretrained import Texts

    seen, encode = [], Texts.encode

    def remembered(texts, prompts, completions):
        seen.extend(zip(prompts, completions, strict=True))
        return encode(texts, prompts, completions)

    monkeypatch.setattr(Texts, "encode", remembered)
    path = pairs_file(tmp_path)
    more = [] if tune == "head" else ["--epochs", 1]
    read = {}
    for share in (1, 0):
        seen.clear()
        out = tmp_path / f"out{share}"
        assert run_main(tiny, out, "--tune", tune, "--nonsense", share, *more, path=path) == 0
        read[share] = Counter(seen)
        data = json.loads((out / "metrics.json").read_text())["data"]
        assert data["nonsense_pairs"] == share * data["training_pairs"]
    preferences = load_preferences(path)
    made = {(pair.prompt, garbled(pair.prompt, pair.preferred)) for pair in preferences}
    assert not made & read[0].keys()
    if tune == "head":  # of held-out answers, too: to be measured on
        assert made == read[1].keys() - read[0].keys()
        metrics = json.loads((tmp_path / "out1" / "metrics.json").read_text())
        assert 0 <= metrics["poolings"]["last"]["nonsense_wins"] <= 1
    else:
        assert made > read[1].keys() - read[0].keys() != set()


def test_a_share_outside_0_to_1_is_refused(tiny, tmp_path, capsys):  # noqa: F811
    assert run_main(tiny, tmp_path / "out", "--nonsense", 2) == 1
    assert "--nonsense 2.0: expected a share from 0 (none) to 1" in capsys.readouterr().err
