"""Well-known data sets, in small files with the columns of the real ones: named by looks, converted by name. A second."""

import json

import pytest

import reward_lab as rl
from reward_lab import train
from reward_lab.text.formats import FORMATS, NAMES, looks_like
from tests.text.test_preferences import written


def helpsteer2(strength, **columns):
    row = {
        "split": "train",
        "prompt": "c#",
        "response_1": "one",
        "response_2": "two",
        "preference_strength": strength,
    }
    row |= {"preference_statement": "@Response 2 is ...", "three_most_similar_preferences": [{"strength": 1}]}
    return row | columns


def rating(prompt, response, helpfulness):
    rest = {"correctness": 4, "coherence": 4, "complexity": 2, "verbosity": 1}
    return {"prompt": prompt, "response": response, "helpfulness": helpfulness} | rest


def helpsteer3(strength, first="one"):
    talk = [
        {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}, {"role": "user", "content": "And?"}
    ]  # fmt: skip
    row = {"domain": "code", "language": "python", "context": talk, "response1": first, "response2": "two"}
    votes = [{"score": strength, "reasoning": "Response 2 is ...", "feedback1": "", "feedback2": ""}]
    return row | {"overall_preference": strength, "individual_preference": votes}


def shp(label, post="qt3nxl"):
    row = {
        "post_id": post,
        "domain": "askculinary_train",
        "upvote_ratio": 0.98,
        "history": "How?",
        "c_root_id_A": "a",
    }
    row |= {"c_root_id_B": "b", "score_A": 340, "score_B": 166, "human_ref_A": "one", "human_ref_B": "two"}
    return row | {"labels": label, "seconds_difference": 102, "score_ratio": 2.0}


def webgpt(score, answer="two"):
    question = {"dataset": "eli5_test", "id": "7cs6s", "full_text": "Why?"}
    row = {"question": question, "quotes_0": {"title": ["t"], "extract": ["e"]}, "answer_0": "one [1]"}
    row |= {"tokens_0": {"prefix": [1], "completion": [2]}, "score_0": -score}
    return row | {
        "quotes_1": {"title": [], "extract": []},
        "answer_1": answer,
        "tokens_1": {},
        "score_1": score,
    }


def nectar(*ranks):
    answers = [{"answer": f"answer {i}", "model": f"model {i}", "rank": rank} for i, rank in enumerate(ranks)]
    return {
        "prompt": "\n\nHuman: Why? \n\nAssistant: ", "answers": answers, "turns": 1, "num_responses": len(ranks),
        "source": ["lmsys-chat-1m"], "good_natured": True,
    }  # fmt: skip


def rewardbench2(right, wrong):
    counts = {"num_correct": right, "num_incorrect": wrong, "total_completions": right + wrong}
    sides = {"chosen": [f"right {i}" for i in range(right)], "rejected": [f"wrong {i}" for i in range(wrong)]}
    return (
        {"id": "0", "prompt": "Why?"}
        | sides
        | counts
        | {"models": ["m"], "subset": "Focus", "additional_metadata": None}
    )


def says(who, text):
    return {"from": who, "value": text}


def sharegpt(chosen="one", rejected="two"):
    talk = [says("human", "Why?"), says("gpt", "So."), says("human", "And?")]
    sides = {"chosen": says("gpt", chosen) if chosen else None, "rejected": says("gpt", rejected)}
    return {"conversations": talk, "system": "Be kind."} | sides


def kto(prompt, completion, label):
    return {"prompt": prompt, "completion": completion, "label": label}


def says_role(role, text):
    return {"role": role, "content": text}


def openai(good, bad):
    row = {"input": {"messages": [says_role("system", "Be kind."), says_role("user", "Why?")], "tools": []}}
    return row | {
        "preferred_output": [says_role("assistant", good)], "non_preferred_output": [says_role("assistant", bad)]
    }  # fmt: skip


def arena(winner):
    talks = {}
    for side, text in (("a", "one"), ("b", "two")):
        turns = ("Why?", text, "And?", f"more {text}")
        talks[f"conversation_{side}"] = [
            says_role(("user", "assistant")[number % 2], turn) for number, turn in enumerate(turns)
        ]
    row = {"question_id": "58d", "model_a": "m", "model_b": "n", "winner": winner, "judge": "arena_user_1"}
    return row | talks | {"turn": 2, "anony": True, "language": "English", "tstamp": 1.6}


def kaggle(a, b):
    row = {"id": 30192, "model_a": "m", "model_b": "n", "prompt": '["Why?"]', "response_a": '["one"]'}
    won = {"winner_model_a": a, "winner_model_b": b, "winner_tie": int(a == b)}
    return row | {"response_b": '["two"]'} | won


def labelstudio(*votes):
    results = [
        {"result": [{"type": "pairwise", "from_name": "p", "to_name": "a,b", "value": {"selected": vote}}]}
        for vote in votes
    ]
    data = {"prompt": "Why?", "answer1": "one", "answer2": "two", "source": "s"}
    return {"id": 1, "data": data, "annotations": results, "predictions": []}


def argilla(*responses):
    fields = {"instruction": "Why?", "response-1": "one", "response-2": "two"}
    said = [{"user_id": "u", "status": "submitted", **one} for one in responses]
    return {
        "id": "r1",
        "fields": fields,
        "metadata": {},
        "responses": {"preference": said},
        "suggestions": {},
    }


def safer(better):
    row = {"prompt": "Why?", "response_0": "one", "response_1": "two", "is_response_0_safe": True}
    return row | {"is_response_1_safe": False, "better_response_id": better, "safer_response_id": 0}


def farm(preference):
    return {
        "instruction": "Add.",
        "input": "1, 2",
        "output_1": "3",
        "output_2": "4",
        "preference": preference,
    }


def ultrafeedback(*scores):
    answers = [
        {"model": "m", "response": f"answer {number}", "overall_score": score, "annotations": {}}
        for number, score in enumerate(scores)
    ]
    return {"source": "evol", "instruction": "Why?", "models": [], "completions": answers}


def summaries(choice):
    texts = [{"text": text, "policy": "p", "note": None} for text in ("one", "two")]
    return {
        "info": {"id": "t3", "post": "Long.", "title": "t"},
        "summaries": texts,
        "choice": choice,
        "worker": "w",
    }


def exchange(*scores):
    answers = [
        {"answer_id": number, "pm_score": score, "selected": not number, "text": f"answer {number}"}
        for number, score in enumerate(scores)
    ]
    return {"qid": 7, "question": "Why?", "answers": answers, "metadata": ["a"]}


TALK = "Why?\nSo.\nAnd?"
CASES = {
    "helpsteer2": (
        [helpsteer2(2), helpsteer2(-3), helpsteer2(0), helpsteer2(None), helpsteer2(1, response_1=None)],
        [("c#", "two", "one"), ("c#", "one", "two")],
        {"ties": 1, "missing": 2},
    ),
    "helpsteer2, ratings": (
        [rating("a", "x", 3), rating("a", "y", 4), rating("b", "x", 2), rating("b", "y", 2), rating("c", "x", 1)],
        [("a", "y", "x")],
        {"ties": 1, "no better or worse": 1},
    ),
    "helpsteer3": (
        [helpsteer3(3), helpsteer3(-1), helpsteer3(0), helpsteer3(1, None)],
        [(TALK, "two", "one"), (TALK, "one", "two")],
        {"ties": 1, "missing": 1},
    ),
    "shp": ([shp(1), shp(0), shp(None)], [("How?", "one", "two"), ("How?", "two", "one")], {"missing": 1}),
    "webgpt": (
        [webgpt(0.5), webgpt(-1.0), webgpt(0), webgpt(1, None)],
        [("Why?", "two", "one [1]"), ("Why?", "one [1]", "two")],
        {"ties": 1, "missing": 1},
    ),
    "nectar": (
        [nectar(2, 1, 2)],
        [("\n\nHuman: Why? \n\nAssistant: ", "answer 1", f"answer {i}") for i in (0, 2)],
        {"ties": 1},
    ),
    "rewardbench2": (
        [rewardbench2(1, 3), rewardbench2(2, 1)],
        [("Why?", "right 0", f"wrong {i}") for i in (0, 1, 2, 0)] + [("Why?", "right 1", "wrong 0")],
        {},
    ),
    "sharegpt": (
        [sharegpt(), sharegpt(None)],
        [("Be kind.\n" + TALK, "one", "two")],
        {"missing": 1},
    ),
    "alpaca": (
        [{"instruction": "Add.", "input": "1, 2", "chosen": "3", "rejected": "4"}] * 2,
        [("Add.\n1, 2", "3", "4")] * 2,
        {},
    ),
    "openai": ([openai("one", "two")], [("Be kind.\nWhy?", "one", "two")], {}),
    "arena, conversations": (
        [arena("model_b"), arena("model_a"), arena("tie (bothbad)")],
        [("Why?", "two\nAnd?\nmore two", "one\nAnd?\nmore one"), ("Why?", "one\nAnd?\nmore one", "two\nAnd?\nmore two")],
        {"ties": 1},
    ),
    "arena, responses": (
        [kaggle(1, 0), kaggle(0, 1), kaggle(0, 0)],
        [("Why?", "one", "two"), ("Why?", "two", "one")],
        {"ties": 1},
    ),
    "labelstudio": (
        [labelstudio("left"), labelstudio("right", "right", "left"), labelstudio("left", "right"), labelstudio()],
        [("Why?", "one", "two"), ("Why?", "two", "one")],
        {"ties": 1, "missing": 1},
    ),
    "argilla": (
        [
            argilla({"value": "response-2"}),
            argilla({"value": [{"value": "response-1", "rank": 1}, {"value": "response-2", "rank": 2}]}),
            argilla({"value": [{"value": "response-1", "rank": 1}, {"value": "response-2", "rank": 1}]}),
            argilla(),
        ],
        [("Why?", "two", "one"), ("Why?", "one", "two")],
        {"ties": 1, "missing": 1},
    ),
    "saferlhf": (
        [safer(0), safer(1), safer(None)],
        [("Why?", "one", "two"), ("Why?", "two", "one")],
        {"missing": 1},
    ),
    "alpacafarm": (
        [farm(1), farm(2), farm(1.5)],
        [("Add.\n1, 2", "3", "4"), ("Add.\n1, 2", "4", "3")],
        {"ties": 1},
    ),
    "ultrafeedback": (
        [ultrafeedback(7.5, 9, 9, None)],
        [("Why?", "answer 1", "answer 0"), ("Why?", "answer 2", "answer 0")],
        {"ties": 1, "missing": 3},
    ),
    "summaries": ([summaries(0), summaries(1)], [("Long.", "one", "two"), ("Long.", "two", "one")], {}),
    "stackexchange": (
        [exchange(3, 1, 3)],
        [("Why?", "answer 0", "answer 1"), ("Why?", "answer 2", "answer 1")],
        {"ties": 1},
    ),
    "kto": (
        [
            kto("a", "x", True), kto("b", "p", True), kto("a", "y", False), kto("a", "z", True), kto("b", "q", True),
            kto("c", None, True), kto("d", "r", None),
        ],  # fmt: skip
        [("a", "x", "y"), ("a", "z", "y")],
        {"no better or worse": 2, "missing": 2},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_data_set_is_named_by_its_looks_and_converted_and_what_makes_no_pair_is_counted(tmp_path, case):
    rows, expected, left_out = CASES[case]
    name = case.split(",")[0]
    assert all(looks_like(row).name == name for row in rows)
    path = written(tmp_path, *rows)
    preferences = rl.load_preferences(path, format=name)
    assert [(p.prompt, p.preferred, p.rejected) for p in preferences] == expected
    counted = {key: sum(n for reason, n in preferences.left_out.items() if key in reason) for key in left_out}
    assert counted == left_out and sum(preferences.left_out.values()) == sum(left_out.values())
    assert f"converted from {name}" in preferences.report()
    assert all(f"left out: {n} " in preferences.report() for n in left_out.values())
    try:  # without the conversion: an error, or a note, that names it
        told = rl.load_preferences(path).report()
    except ValueError as error:
        told = str(error)
    assert f"this looks like {looks_like(rows[0]).title}: convert it with --format {name}" in told


def test_every_form_has_a_case():
    assert {looks_like(rows[0]) for rows, *_ in CASES.values()} | set(FORMATS[-2:]) == set(FORMATS)
    assert {case.split(",")[0] for case in CASES} == set(NAMES)


def test_other_columns_of_kto_and_of_sharegpt_are_read(tmp_path):
    talks = [
        {
            "messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": text}],
            "label": label,
        }
        for text, label in (("good", True), ("bad", False))
    ]
    tags = [
        {"instruction": "Add.", "input": "1, 2", "output": text, "kto_tag": label}
        for text, label in (("3", True), ("4", False))
    ]
    for rows, expected in ((talks, ("Why?", "good", "bad")), (tags, ("Add.\n1, 2", "3", "4"))):
        (pair,) = rl.load_preferences(written(tmp_path, *rows), format="kto")
        assert (pair.prompt, pair.preferred, pair.rejected) == expected
    whole = {
        "chosen": [says("human", "Why?"), says("gpt", "a")],
        "rejected": [says("human", "Why?"), says("gpt", "b")],
    }
    (pair,) = rl.load_preferences(written(tmp_path, whole), format="sharegpt")
    assert (pair.prompt, pair.preferred, pair.rejected) == ("Why?", "a", "b")


def test_ordinary_files_look_like_no_data_set():
    message = [{"role": "assistant", "content": "a"}]
    for row in (
        {"prompt": "a", "chosen": "b", "rejected": "c", "margin": 1},
        {"chosen": message, "rejected": message},
        {"prompt": "a", "chosen": "b", "rejected": "c", "subset": "s", "id": 1, "chosen_model": "m"},
        {"instruction": "a", "chosen": "b", "rejected": "c"},
    ):
        assert looks_like(row) is None


BAD = {
    "shp": ({**shp(1), "labels": 2}, "`labels` must be 0 or 1"),
    "webgpt": ({**webgpt(1), "score_0": "high"}, "a number that says which answer is better"),
    "helpsteer3": (helpsteer2(1), "not a row of HelpSteer 3: expected the columns `context`"),
    "nectar": ({"prompt": "a", "answers": ["b"]}, "`answers` must be a list of objects"),
    "kto": (kto("a", "b", "yes"), "the label must be true or false"),
    "sharegpt": ({**sharegpt(), "conversations": ["a"]}, "expected messages with `from` and `value`"),
    "rewardbench2": ({"prompt": "a", "chosen": "b", "rejected": ["c"]}, "must be lists of answers"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_row_of_another_form_is_refused_with_its_line_or_skipped_and_counted(tmp_path, name):
    rows = [*CASES[name][0], BAD[name][0]]
    path = written(tmp_path, *rows)
    with pytest.raises(ValueError, match=f"line {len(rows)}: ") as caught:
        rl.load_preferences(path, format=name)
    assert BAD[name][1] in str(caught.value)
    preferences = rl.load_preferences(path, skip_bad_rows=True, format=name)
    assert len(list(preferences)) == len(preferences) == len(CASES[name][1])
    assert [number for number, _ in preferences.bad_rows] == [len(rows)]


def test_an_unknown_format_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(ValueError, match="expected one of alpaca, alpacafarm"):
        rl.load_preferences(written(tmp_path, shp(1)), format="shp3")


def test_a_converted_file_is_split_by_post_and_dry_run_says_what_was_understood(tmp_path, capsys):
    rows = [
        {
            **shp(i % 2, f"post{i // 4}"),
            "history": f"{'Again: ' * (i % 2)}How {i // 4}?",
            "human_ref_A": f"good {i}",
        }
        for i in range(80)
    ]
    path = written(tmp_path, *rows, shp(None))
    assert train.main(["--train-file", str(path), "--format", "shp", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "80 pairs from prefs.jsonl, converted from shp; left out: 1 rows with a missing answer" in told
    assert "in the column `prompt`: 80 pairs" in told and "72 pairs for training, 8 held out" in told
    assert json.dumps(rows[0]) not in told and not list(tmp_path.glob("out*"))
