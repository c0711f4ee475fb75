"""python -m reward_lab.evaluate: every number against one counted by hand. About two seconds."""

import json
import math

import matplotlib.image
import numpy as np
import pytest
import torch

import reward_lab as rl
from reward_lab import evaluate, train
from reward_lab.statistics import length_controlled_win_rate, mean_interval, paired_test
from reward_lab.text.evaluation import Labelled
from reward_lab.text.evaluation import evaluate as measured
from reward_lab.text.measures import repeated, row_score
from reward_lab.text.scorer import load_scorer
from tests.text.test_formats import helpsteer2, rewardbench2, shp
from tests.text.test_preferences import written


def by_number(texts):
    """A model that reads the number that an answer ends with."""
    return np.array([float(answer.split()[-1]) for _, answer in texts])


def by_words(texts):
    return np.array([float(len(answer.split())) for _, answer in texts])


def pair(prompt, right, wrong, **columns):
    return {"prompt": prompt, "chosen": f"right, {right}", "rejected": f"wrong, {wrong}"} | columns


def report_on(tmp_path, rows, scorers=None, **arguments):
    labelled = Labelled(written(tmp_path, *rows))
    return measured(labelled, scorers or {"m": by_number}, **arguments)


ROWS = [
    pair("a", 2, 1, kind="x"), pair("a", 5, 1, kind="x"), pair("b", 1, 3, kind="y"), pair("c", 2, 2, kind="y"),
    pair("d", 4, 0, kind="y"), pair("e", 1, 0, kind="y"), pair("f", 2, 2, kind="z"),
]  # fmt: skip
ROWS[-1]["rejected"] = ROWS[-1]["chosen"]
RIGHT, PROMPTS = np.array([1, 1, 0, 0, 1, 1]), np.array([0, 0, 1, 2, 3, 4])


def test_accuracy_ties_subsets_and_calibration_are_those_counted_by_hand(tmp_path):
    report = report_on(tmp_path, ROWS, by="kind")
    assert report["rows"] == 6 and report["prompts"] == 5 and report["ties"] == 1
    assert report["left_out"] == {"pairs with two equal texts": 1}
    assert report["accuracy_with_ties_half"] == pytest.approx(4.5 / 6)
    whole = report["accuracy"]
    assert whole["value"] == pytest.approx(4 / 6)
    assert (whole["low"], whole["high"]) == mean_interval(RIGHT, PROMPTS)
    assert {name: (one["value"], one["rows"]) for name, one in report["subsets"].items()} == {
        "x": (1.0, 2),
        "y": (0.5, 4),
    }
    assert report["mean_of_subsets"] == 0.75 and report["subsets"]["x"]["low"] is None
    confidence = 1 / (1 + np.exp(-np.array([1, 4, 2, 0, 4, 1])))
    assert report["calibration"]["confidence"] == pytest.approx(confidence.mean())
    right = np.array([1, 1, 0, 0.5, 1, 1])
    assert report["calibration"]["brier"] == pytest.approx(np.mean((confidence - right) ** 2))
    assert not report["warnings"]


def test_pairs_of_one_prompt_make_an_interval_no_shorter(tmp_path):
    once = report_on(tmp_path, [pair(f"p{i}", i % 3, 1) for i in range(60)])
    often = report_on(tmp_path, [pair(f"p{i}", i % 3, 1, n=n) for i in range(60) for n in range(10)])
    assert often["rows"] == 600 and often["prompts"] == once["prompts"] == 60
    widths = [one["accuracy"]["high"] - one["accuracy"]["low"] for one in (once, often)]
    assert widths[1] == pytest.approx(widths[0], rel=0.02)


def test_prompts_are_found_inside_both_texts_and_said_to_be_missing_where_they_are(tmp_path):
    rows = [
        {side: f"\n\nHuman: {i % 5}?\n\nAssistant: {i} {n}" for side, n in (("chosen", 1), ("rejected", 0))}
        for i in range(20)
    ]
    report = report_on(tmp_path, rows)
    assert report["prompts"] == 5 and not report["warnings"]
    report = report_on(tmp_path, [{"chosen": f"{i} 1", "rejected": f"{i} 0"} for i in range(20)])
    assert "no prompt was found for 20 rows" in report["warnings"][0]
    report = report_on(tmp_path, [pair("a", 1, 0), pair("a", 2, 0)])
    assert "all rows have one prompt" in report["warnings"][0] and report["accuracy"]["low"] is None


def test_length_bias_is_found_in_a_model_that_counts_words_and_not_in_one_that_does_not(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for i in range(300):
        lengths = rng.integers(1, 9, 2)
        good, bad = (f"{'word ' * n}{value + rng.normal()}" for n, value in zip(lengths, (1, 0), strict=True))
        rows.append({"prompt": f"p{i}", "chosen": good, "rejected": bad})
    fair = report_on(tmp_path, rows)["length"]
    biased = report_on(tmp_path, rows, {"m": lambda texts: by_number(texts) + by_words(texts)})["length"]
    assert abs(fair["slope"]) < 3 * fair["slope_se"] and biased["slope"] == pytest.approx(fair["slope"] + 1)
    assert fair["excess"]["low"] < 0 < fair["excess"]["high"] and biased["excess"]["low"] > 0.2
    assert fair["edit"]["value"] == 0 and biased["edit"]["value"] > 1
    lead = np.diff([by_number([("", row[side]) for row in rows]) for side in ("rejected", "chosen")], axis=0)[
        0
    ]
    longer = np.array([len(row["chosen"].split()) - len(row["rejected"].split()) for row in rows])
    right = lead + longer > 0
    assert biased["accuracy_at_equal_length"] == pytest.approx(length_controlled_win_rate(right, longer))
    assert biased["pairs_where_longer"] == (longer > 0).sum()
    assert biased["accuracy_where_shorter"] == pytest.approx(right[longer < 0].mean())
    assert biased["right_is_longer"] == pytest.approx((longer > 0).sum() / (longer != 0).sum())


def test_the_edit_says_the_last_sentence_twice():
    assert repeated("One. Two is last!") == "One. Two is last! Two is last!"
    assert repeated("one") == "one one"


def test_what_a_row_counts():
    one, two = np.array([1.0]), np.array([1.0, 2.0])
    assert row_score(one, np.array([1.0])) == 0 and row_score(two[1:], one) == 1  # a pair: strictly higher
    assert row_score(one, np.array([1.0, 0.0, 1.0])) == pytest.approx(1 / 3)  # best of 4: ties share
    assert row_score(two, np.array([0.5, 1.5])) == 0 and row_score(two, np.array([0.5])) == 1  # all above all
    assert row_score(np.array([3.0, 2, 1]), np.array([2.5, 0, 0]), styles=True) == pytest.approx(7 / 9)


def test_rewardbench_2_rows_work_as_they_are_and_rm_bench_has_its_styles(tmp_path):
    rows = [{**rewardbench2(1, 3), "prompt": f"p{i}", "subset": f"s{i % 2}"} for i in range(4)]
    rows[0]["chosen"], rows[2]["chosen"] = ["right 9"], ["right 2"]
    rows.append({**rewardbench2(3, 2), "prompt": "p9", "subset": "Ties", "chosen": ["a 5", "b 6", "c 0"]})
    report = report_on(tmp_path, rows)
    # the wrong ones have 0, 1, 2: right 9 is best, right 2 shares, right 0 is not; of the ties, one is not above
    assert report["accuracy"]["value"] == pytest.approx((1 + 0 + 0.5 + 0 + 0) / 5)
    assert report["by"] == "subset" and report["subsets"]["s0"]["value"] == 0.75
    assert report["comparisons"] == 4 * 3 + 6 and report["rows"] == 5
    styles = {
        "id": 1,
        "domain": "chat",
        "prompt": "p",
        "chosen": ["a 1", "b 2", "c 3"],
        "rejected": ["d 0", "e 1.5", "f 2"],
    }
    other = {**styles, "prompt": "q", "chosen": ["a 0.5", "b 1", "c 1.5"], "rejected": ["d 1", "e 1", "f 2"]}
    report = report_on(tmp_path, [styles, other])
    assert report["style"] == pytest.approx({"easy": 5 / 6, "normal": 0.5, "hard": 0})
    assert report["accuracy"]["value"] == pytest.approx((5 / 6 + 0.5) / 3)


def test_a_second_model_is_compared_pair_by_pair(tmp_path):
    rows = [pair(f"p{i}", i % 4, 1) for i in range(40)]
    against = report_on(tmp_path, rows, {"a": by_number, "b": lambda texts: -by_number(texts)})["against"]
    assert against["test"] == "exact McNemar test" and against["only_first_right"] == 20
    a, b = [i % 4 > 1 for i in range(40)], [i % 4 < 1 for i in range(40)]
    assert against["p"] == paired_test(a, b) and against["difference"]["value"] == pytest.approx(0.25)
    # Ten pairs of each prompt say no more than one: McNemar's test would be sure.
    copies = [row | {"n": n} for row in rows[:8] for n in range(10)]
    against = report_on(tmp_path, copies, {"a": by_number, "b": lambda texts: -by_number(texts)})["against"]
    assert against["test"] == "randomisation test by prompt" and against["p"] > 0.05
    assert paired_test(a[:8] * 10, b[:8] * 10) < 0.05


def test_a_model_that_can_tell_nothing_apart_is_said_to(tmp_path):
    rows = [pair(f"p{i}", 2, 1) for i in range(10)]
    report = report_on(tmp_path, rows, {"m": lambda texts: np.zeros(len(texts))})
    assert report["accuracy"]["value"] == 0 and report["accuracy_with_ties_half"] == 0.5
    assert "10 of 10 rows are ties" in report["warnings"][0]


def test_a_reward_that_is_no_number_counts_as_wrong_and_is_told(tmp_path):
    rows = [pair(f"p{i}", 2, 1) for i in range(10)]
    rows[3]["chosen"] = "right, nan"
    report = report_on(tmp_path, rows)
    assert report["accuracy"]["value"] == 0.9 and report["not_finite"] == 1
    assert "1 rows have a reward that is no finite number" in report["warnings"][0]
    assert not math.isnan(report["calibration"]["brier"]) and json.dumps(report, allow_nan=False)
    nothing = report_on(tmp_path, rows, {"m": lambda texts: np.full(len(texts), np.nan)})
    assert nothing["accuracy"]["value"] == 0 and json.dumps(nothing, allow_nan=False)


# The command


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The folders of two trained models; the second has hardly learnt anything."""
    folder = tmp_path_factory.mktemp("models")
    for name, more in (("good", ["--epochs", "8"]), ("weak", ["--epochs", "1", "--learning-rate", "1e-6"])):
        command = ["--train-file", str(rl.EXAMPLE_PREFERENCES), "--output-dir", str(folder / name), *more]
        assert train.main(command) == 0
    yield folder
    torch.set_num_threads(1)


def run(tmp_path, model, path, *arguments):
    folder = tmp_path / "evaluation"
    command = ["--model", str(model), "--file", str(path), "--output-dir", str(folder), *map(str, arguments)]
    return evaluate.main(command), folder


def test_the_command_writes_a_figure_and_the_numbers_of_the_saved_model(tmp_path, models, capsys):
    rows = list(rl.load_preferences(rl.EXAMPLE_PREFERENCES))[:60]
    fresh = [
        {"prompt": p.prompt, "chosen": p.preferred, "rejected": p.rejected, "subset": f"s{i % 3}", "id": i}
        for i, p in enumerate(rows)
    ]
    path = written(tmp_path, *fresh)
    code, folder = run(
        tmp_path, models / "good", path, "--against", models / "weak", "--train-file", rl.EXAMPLE_PREFERENCES
    )
    told = capsys.readouterr().out
    assert code == 0 and sorted(p.name for p in folder.iterdir()) == ["evaluation.json", "evaluation.png"]
    pixels = matplotlib.image.imread(folder / "evaluation.png")
    assert min(pixels.shape[:2]) > 300 and np.std(pixels[..., :3]) > 0.02
    report = json.loads((folder / "evaluation.json").read_text())
    model = rl.RewardModel.from_pretrained(models / "good")
    right = []
    for p in rows:
        first, second = rl.score_texts(model, [p.preferred, p.rejected], p.prompt)
        right.append(first.reward > second.reward)
    assert report["accuracy"]["value"] == np.mean(right) > 0.9 and set(report["subsets"]) == {
        "s0",
        "s1",
        "s2",
    }
    assert report["against"]["p"] < 0.01 and f"accuracy {' ' * 19} {np.mean(right):.3f}" in told
    assert "60 of 60 rows share a prompt or a text with plain_words.jsonl" in told


def test_the_file_that_a_model_was_trained_on_is_named_as_such(tmp_path, models, capsys):
    code, _ = run(tmp_path, models / "good", rl.EXAMPLE_PREFERENCES)
    told = capsys.readouterr().out
    assert code == 0 and "is the file that" in told and "no accuracy on new preferences" in told


def test_a_data_set_is_converted_on_its_way(tmp_path, models, capsys):
    code, folder = run(
        tmp_path,
        models / "weak",
        written(tmp_path, shp(1), shp(None), shp(0)),
        "--format",
        "shp",
        "--by",
        "domain",
    )
    assert code == 0 and "left out: 1 rows with a missing answer" in capsys.readouterr().out
    assert json.loads((folder / "evaluation.json").read_text())["subsets"]["askculinary_train"]["rows"] == 2


WRONG = {
    "no such column": ([pair("a", 1, 0)], ["--by", "source"], "no such column; it has prompt, chosen, rejected"),
    "another form": ([helpsteer2(1)], [], "line 1: `chosen` is missing; this looks like HelpSteer 2"),
    "a broken line": ([pair("a", 1, 0), b'{"chosen":'], [], "line 2: not JSON"),
    "nothing left": ([{**pair("a", 1, 0), "rejected": "right, 1"}], [], "no row to evaluate on"),
    "the model itself": ([pair("a", 1, 0)], ["--against", "{model}"], "is the model itself"),
    "no such device": ([pair("a", 1, 0)], ["--device", "xpu"], "device xpu: this machine has none"),
    "no second model": ([pair("a", 1, 0)], ["--against", "nowhere"], "no reward model here"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_can_not_be_evaluated_is_refused_in_one_line_and_nothing_is_written(
    tmp_path, models, capsys, case
):
    rows, arguments, problem = WRONG[case]
    arguments = [one.format(model=models / "good") for one in arguments]
    code, folder = run(tmp_path, models / "good", written(tmp_path, *rows), *arguments)
    said = capsys.readouterr()
    assert code == 1 and problem in said.err and said.err.count("\n") == 1 and not folder.exists()


def test_bad_rows_are_skipped_if_wanted_and_counted(tmp_path, models, capsys):
    path = written(tmp_path, pair("a", 1, 0), b"{", {**rewardbench2(1, 1), "prompt": 3})
    code, folder = run(tmp_path, models / "good", path, "--skip-bad-rows")
    report = json.loads((folder / "evaluation.json").read_text())
    assert code == 0 and report["rows"] == 1 and report["left_out"] == {"bad rows": 2}


def test_a_model_of_token_ids_reads_no_texts(tmp_path):
    rl.RewardModel(8, 4, 4).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="no tokenizer"):
        load_scorer(tmp_path)
