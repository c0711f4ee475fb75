"""Files in the forms that people have, and what is refused before any work."""

import bz2
import csv
import gzip
import io
import json
import lzma
import re

import pytest

import reward_lab as rl
from reward_lab import train
from tests.text.test_preferences import written

ROWS = [
    {"prompt": f"What is {i}?", "chosen": f"It is plain {i}\nand \u2028 good", "rejected": f"bad {i}", "n": i}
    for i in range(40)
]


def lines(rows=ROWS) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def parquet(path):
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    pq.write_table(pyarrow.Table.from_pylist(ROWS), path)


def table(**how):
    """ROWS as a CSV file."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, ROWS[0], **how)
    writer.writeheader()
    writer.writerows(ROWS)
    return file.getvalue()


def frame(method, **how):
    def write(path):
        getattr(pytest.importorskip("pandas").DataFrame(ROWS), method)(path, **how)

    return write


def dataset(method):
    def write(path):
        made = pytest.importorskip("datasets").Dataset.from_list(ROWS)
        getattr(made, method)(str(path), **({} if method == "save_to_disk" else {"batch_size": 7}))

    return write


def feather(path):
    pytest.importorskip("pyarrow.feather").write_feather(
        pytest.importorskip("pyarrow").Table.from_pylist(ROWS), path
    )


HUB = {
    "features": [],
    "rows": [{"row_idx": i, "row": row, "truncated_cells": []} for i, row in enumerate(ROWS)],
}
FORMS = {
    "CSV": table().encode(),
    "CSV of Excel, where the comma is a decimal sign": b"\xef\xbb\xbf" + table(delimiter=";").encode(),
    "Unicode text of Excel": table(delimiter="\t").encode("utf-16"),
    "CSV, gzip": gzip.compress(table(quoting=csv.QUOTE_ALL, lineterminator="\n").encode()),
    "JSON lines of PowerShell": lines().decode().encode("utf-16"),
    "pandas: CSV": frame("to_csv"),
    "pandas: JSON": frame("to_json"),
    "pandas: JSON, split": frame("to_json", orient="split"),
    "pandas: JSON, index, indented": frame("to_json", orient="index", indent=1),
    "pandas: JSON, table": frame("to_json", orient="table"),
    "pandas: JSON, records": frame("to_json", orient="records", force_ascii=False),
    "pandas: JSON, lines": frame("to_json", orient="records", lines=True),
    "pandas: Parquet": frame("to_parquet"),
    "datasets: a folder": dataset("save_to_disk"),
    "datasets: CSV": dataset("to_csv"),
    "datasets: JSON": dataset("to_json"),
    "datasets: a dict": json.dumps({name: [row[name] for row in ROWS] for name in ROWS[0]}).encode(),
    "rows of the hub's viewer": json.dumps(HUB).encode(),
    "Feather": feather,
    "JSON lines": lines(),
    "JSON lines with a byte order mark": b"\xef\xbb\xbf" + lines(),
    "a JSON array": json.dumps(ROWS).encode(),
    "an array over many lines": json.dumps(ROWS, indent=2).encode(),
    "objects over many lines": "\n".join(json.dumps(row, indent=4) for row in ROWS).encode(),
    "an array, a row a line": b"[\n" + b",\n".join(json.dumps(row).encode() for row in ROWS) + b"\n]\n",
    "gzip": gzip.compress(lines()),
    "gzip of an array": gzip.compress(json.dumps(ROWS).encode()),
    "bzip2": bz2.compress(lines()),
    "xz": lzma.compress(lines()),
    "Parquet": parquet,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_one_file_gives_the_same_pairs_whatever_its_name(tmp_path, form):
    path = tmp_path / "pairs.txt"
    FORMS[form](path) if callable(FORMS[form]) else path.write_bytes(FORMS[form])
    preferences = rl.load_preferences(path)
    assert [(p.prompt, p.preferred, p.rejected) for p in preferences] == [
        (row["prompt"], row["chosen"], row["rejected"]) for row in ROWS
    ]
    assert (
        len(preferences) == 40
        and "columns not used:" in preferences.report()
        and "`n`" in preferences.report()
    )


def test_messages_and_margins_come_out_of_csv_as_they_went_in(tmp_path):
    pandas = pytest.importorskip("pandas")
    rows = [
        {
            "prompt": "Why?",
            "chosen": [
                {"role": "user", "content": "Why?"},
                {"role": "assistant", "content": f'It\'s\n"so" {n}'},
            ],
            "rejected": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "[1, 2]"}],
            "margin": n / 2,
        }
        for n in range(5)
    ]
    frames = {"lists": pandas.DataFrame(rows), "JSON": pandas.DataFrame(rows), "arrays": None}
    for side in ("chosen", "rejected"):
        frames["JSON"][side] = frames["JSON"][side].map(json.dumps)
    frames["lists"].to_parquet(tmp_path / "x.parquet")
    frames["arrays"] = pandas.read_parquet(tmp_path / "x.parquet")  # lists come back as NumPy's arrays
    for frame in frames.values():
        frame.to_csv(tmp_path / "x.csv", index=False)
        for pair, row in zip(rl.load_preferences(tmp_path / "x.csv"), rows, strict=True):
            assert (pair.prompt, pair.preferred) == ("Why?", row["chosen"][1]["content"])
            assert (pair.rejected, pair.margin) == ("[1, 2]", row["margin"])


@pytest.mark.parametrize(
    "data, told",
    [
        (
            b"prompt,chosen,rejected\na,b,c\na,b\n",
            "line 2: 2 fields, and the header has 3: is a text not in quotes?",
        ),
        ("prompt,chosen,rejected\na,b,Stra\xdfe\n".encode("cp1252"), "not UTF-8: save the file as CSV UTF-8"),
        (b"PK\x03\x04rest of a workbook", "is an Excel workbook or a zip file: save the sheet as CSV UTF-8"),
        (b'{"instruction": "a", "context": "", "response": "b"}\n', "looks like single answers"),
    ],
)
def test_tables_that_can_not_be_read_are_refused_in_words(tmp_path, data, told):
    path = tmp_path / "x.csv"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=re.escape(told)):
        rl.load_preferences(path)


def test_a_folder_with_several_splits_names_them(tmp_path):
    datasets = pytest.importorskip("datasets")
    datasets.DatasetDict(train=datasets.Dataset.from_list(ROWS)).save_to_disk(str(tmp_path / "d"))
    with pytest.raises(ValueError, match="several splits: name one of them, such as .*train"):
        rl.load_preferences(tmp_path / "d")
    assert len(rl.load_preferences(tmp_path / "d" / "train")) == 40


def test_a_bad_row_in_an_array_is_named_by_its_number(tmp_path):
    path = tmp_path / "pairs.json"
    path.write_text(json.dumps([*ROWS[:2], {"chosen": "a"}], indent=1))
    with pytest.raises(ValueError, match="line 3: `rejected` is missing"):
        rl.load_preferences(path)


def test_a_damaged_compressed_file_is_refused_in_words(tmp_path):
    path = tmp_path / "pairs.jsonl.gz"
    path.write_bytes(gzip.compress(lines())[:-20])
    with pytest.raises(ValueError, match="compressed, and damaged"):
        rl.load_preferences(path)


def test_a_column_that_is_not_used_is_named_with_the_flag_that_takes_it(tmp_path):
    rows = [{"instruction": row["prompt"], "chosen": row["chosen"], "rejected": "no"} for row in ROWS]
    preferences = rl.load_preferences(written(tmp_path, *rows))
    assert "`instruction` (--prompt-column NAME takes one" in preferences.report()
    taken = rl.load_preferences(written(tmp_path, *rows), prompt_column="instruction")
    assert next(iter(taken)).prompt == "What is 0?" and "not used" not in taken.report()


def talk(question, answer, system=None):
    first = [{"role": "system", "content": system}] if system else []
    return [*first, {"role": "user", "content": question}, {"role": "assistant", "content": answer}]


@pytest.mark.parametrize("system", [None, "Be kind."])
def test_a_prompt_that_stands_again_in_both_talks_is_taken_once(tmp_path, system):
    row = {
        "prompt": "Why rain?",
        "chosen": talk("Why rain?", "Clouds.", system),
        "rejected": talk("Why rain?", "No.", system),
    }
    (pair,) = rl.load_preferences(written(tmp_path, row))
    assert pair.prompt.count("Why rain?") == 1 and (pair.preferred, pair.rejected) == ("Clouds.", "No.")


def test_talks_that_differ_in_what_is_not_read_are_called_so(tmp_path):
    talks = [talk("Why?", "Let me look."), talk("Why?", "Let me look.")]
    talks[0][1]["tool_calls"] = [{"name": "look"}]
    row = {"chosen": talks[0], "rejected": talks[1]}
    said = rl.load_preferences(written(tmp_path, row, ROWS[0])).report()
    assert "1 identical pairs dropped (their texts, as read, are the same" in said


def run(tmp_path, capsys, *arguments):
    path = written(tmp_path, *ROWS)
    code = train.main(["--train-file", str(path), "--output-dir", str(tmp_path / "out"), *arguments])
    return code, capsys.readouterr()


def test_a_folder_with_another_model_is_refused_before_any_work(tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "config.json").write_text('{"model_type": "llama"}')
    code, said = run(tmp_path, capsys)
    assert code == 1 and "another kind" in said.err and not said.out


def test_a_device_that_is_not_there_is_refused_before_any_work_and_nothing_is_left_behind(tmp_path, capsys):
    code, said = run(tmp_path, capsys, "--device", "xpu")
    assert code == 1 and said.err.startswith("error: --device xpu") and not said.out
    assert said.err.count("\n") == 1 and not (tmp_path / "out").exists()


def test_a_learning_rate_that_breaks_the_loss_is_named(tmp_path, capsys):
    code, said = run(tmp_path, capsys, "--learning-rate", "1e30")
    assert code == 1 and "the loss became" in said.err and "lower the learning rate" in said.err


def test_texts_of_which_no_word_is_known_are_refused(tmp_path):
    rows = [{"chosen": "ก" * 30 + chr(0xE01 + i), "rejected": "ข" * 30 + chr(0xE01 + i)} for i in range(40)]
    preferences = rl.load_preferences(written(tmp_path, *rows))
    with pytest.raises(ValueError, match="% of its words are unknown"):
        rl.train_on_preferences(preferences, config=rl.TextConfig(epochs=1), say=lambda line: None)


def test_one_text_in_place_of_a_list_is_a_type_error():
    model = rl.RewardModel(8, 4, 4)
    with pytest.raises(TypeError, match="put it in brackets"):
        rl.score_texts(model, "a text")
