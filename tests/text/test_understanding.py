"""--dry-run: what is said of a file before any training. A second in all."""

import re

import reward_lab as rl
from reward_lab import train
from reward_lab.text import keys, links
from tests.text.test_preferences import message, written


def dry_run(capsys, path, *arguments):
    code = train.main(["--train-file", str(path), "--dry-run", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def line(text, name):
    return [rest for rest in re.findall(rf"^  {name} +(.*)$", text, re.MULTILINE)]


PLAIN = {"prompt": "Why does it rain today?", "chosen": "Clouds are heavy.", "rejected": "No."}


def test_every_fact_is_that_of_a_file_counted_by_hand(tmp_path, capsys):
    rows = [
        PLAIN, PLAIN, {**PLAIN, "chosen": "No.", "rejected": "Clouds are heavy."},
        {**PLAIN, "rejected": "Clouds are heavy."},
        {"chosen": [message("Ask?", "user"), message("a b")], "rejected": [message("Ask?", "user"), message("b")]},
        {"chosen": "\n\nHuman: Tell me\n\nAssistant: yes", "rejected": "\n\nHuman: Tell me\n\nAssistant: no no"},
        {"chosen": "alone", "rejected": "other", "question_id": 7, "source": "x"}, {"chosen": "p q", "rejected": "r s"},
    ]  # fmt: skip
    code, told, _ = dry_run(capsys, written(tmp_path, *rows, b'{"chosen": 1}'), "--skip-bad-rows")
    assert code == 0
    assert line(told, "prompt")[:5] == [
        "in the column `prompt`: 3 pairs",
        "in the messages that both answers begin with: 1 pairs",
        "inside both texts, before the turn of the one who answers: 1 pairs",
        "only its sign beside the answers, in `question_id`: it ties pairs, and the model does not read it: 1 pairs",
        "not found; words that both answers begin or end with tie pairs to each other: 1 pairs",
    ]
    assert line(told, "columns used") == ["prompt, chosen, rejected"]
    assert line(told, "not used") == ["question_id, source"]
    assert line(told, "duplicates") == ["1 pairs stand there again; 3 the other way round"]
    assert line(told, "identical") == ["1 pairs with two equal texts dropped"]
    assert line(told, "bad rows") == ["1 skipped"]
    assert line(told, "words") == ["prompt   1 in the middle, 0 to 5"]
    assert line(told, "longer") == ["chosen in 3 of 5 pairs of unequal length"]
    assert "prompt is text; chosen is text; rejected is text" in line(told, "form")[0]


def test_examples_are_what_the_model_reads_and_nothing_is_trained(tmp_path, capsys):
    rows = [
        {
            "prompt": f"Number n{i}?",
            "chosen": f"Text t{i} " + "The RED one " * 40 + "wins",
            "rejected": "blue",
        }
        for i in range(40)
    ]
    code, told, _ = dry_run(capsys, written(tmp_path, *rows), "--max-length", 50)
    assert code == 0 and told.count("as the model will read it") == 3
    chosen, rejected = line(told, "chosen"), line(told, "rejected")
    assert chosen[1].startswith("(beginning cut off) one the red one") and chosen[1].endswith(
        "wins (50 tokens)"
    )
    assert rejected == ["number [UNK] ? blue (4 tokens)"] * 3
    assert line(told, "split") == ["36 pairs for training, 4 held out by prompt"]
    assert line(told, "warning")[0].startswith(
        "4 of 4 held-out pairs have a short answer that is also in training"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["prefs.jsonl"]


def test_a_held_out_file_is_held_against_the_training_file(tmp_path, capsys):
    rows = [{**PLAIN, "prompt": f"Number {i}?"} for i in range(4)]
    held = written(tmp_path, rows[0], name="held.jsonl")
    code, told, _ = dry_run(capsys, written(tmp_path, *rows), "--eval-file", held)
    assert code == 0 and "1 of 1 held-out pairs have a prompt or a text" in line(told, "warning")[0]


def test_without_a_folder_only_a_dry_run_goes(tmp_path, capsys):
    assert train.main(["--train-file", str(written(tmp_path, PLAIN))]) == 1
    assert "--output-dir is missing" in capsys.readouterr().err


# The keys that tie pairs, against a plain way to find them


def places_word_by_word(first, second):
    lists = []
    for text in (first, second):
        words = re.findall(r" ?[^ ]+", text)
        lists.append([part for word in words for part in ([word] if len(word) <= keys.LONG_WORD else word)])
    shared = 0
    while shared < min(map(len, lists)) and lists[0][shared] == lists[1][shared]:
        shared += 1
    return [sum(map(len, lists[0][: shared - back])) for back in range(min(keys.BACK, shared))][::-1]


def test_common_beginnings_end_where_a_plain_search_word_by_word_ends_them():
    import random

    draw = random.Random(0)
    words = ["aq", "bb", "a" * 25, "ab" * 14, "cc", "ก" * 22 + "x", "ก" * 22 + "y"]
    for _ in range(3000):
        start, *ends = (" ".join(draw.choices(words, k=draw.randrange(12))) for _ in range(3))
        first, second = (keys.normalised(f"{start}{draw.choice(['', ' ', 'qq'])}{end}") for end in ends)
        assert keys._places(first, second) == places_word_by_word(first, second)


def test_texts_are_normalised_once_and_the_keys_made_into_arrays_once_a_split(tmp_path, monkeypatch):
    from reward_lab.text.splitting import held_out_rows

    calls = {"normalise": 0, "table": 0}
    normalised, table = keys.normalised, links.Links.table

    def counted(name, function):
        def call(*arguments):
            calls[name] += 1
            return function(*arguments)

        return call

    monkeypatch.setattr(links, "normalised", counted("normalise", normalised))
    monkeypatch.setattr(links.Links, "table", counted("table", table))
    rows = [
        {"chosen": f"start {i} good text here", "rejected": f"start {i} bad text here"} for i in range(60)
    ]
    held_out_rows(rl.load_preferences(written(tmp_path, *rows)), 0.1, 10)
    assert calls == {"normalise": 120, "table": 1}
