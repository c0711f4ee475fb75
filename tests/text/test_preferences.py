"""Preference files and the tokenizer: what loads, what is refused with its line, and what becomes of odd text."""

import json
import mmap
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import torch

import reward_lab as rl
from reward_lab.examples import plain_words
from reward_lab.text import WordTokenizer
from reward_lab.text.splitting import held_out_rows
from reward_lab.text.token_pairs import TokenPairs, encode_pairs
from reward_lab.text.tokenizer import PADDING_ID, UNKNOWN_ID

GOOD = {"prompt": "Why?", "chosen": "Because.", "rejected": "No."}


def written(folder, *rows, name="prefs.jsonl", end="\n", start=b""):
    """A file of these rows: dicts as JSON, bytes as they are."""
    lines = [row if isinstance(row, bytes) else json.dumps(row, ensure_ascii=False).encode() for row in rows]
    path = folder / name
    path.write_bytes(start + b"".join(line + end.encode() for line in lines))
    return path


def only(path):
    (pair,) = rl.load_preferences(path)
    return pair


# What loads


def test_prompt_and_margin_may_be_left_out_and_preferred_is_another_name_for_chosen(tmp_path):
    path = written(
        tmp_path,
        {**GOOD, "margin": 2, "id": 7},
        {"preferred": "a", "rejected": "b"},
        {"prompt": None, "chosen": "a", "preferred": None, "rejected": "b", "margin": None},
    )
    assert list(rl.load_preferences(path)) == [
        rl.Preference("Why?", "Because.", "No.", 2.0),
        rl.Preference("", "a", "b", 0.0),
        rl.Preference("", "a", "b", 0.0),
    ]


def message(text, role="assistant"):
    return {"role": role, "content": text}


def test_chat_messages_load_with_an_explicit_and_with_an_implicit_prompt(tmp_path):
    ask, one, other = message("Why?", "user"), message("Because."), message("No.")
    explicit = {"prompt": [ask], "chosen": [one], "rejected": [other]}
    implicit = {"chosen": [ask, one], "rejected": [ask, other]}
    path = written(tmp_path, explicit, implicit)
    first, second = rl.load_preferences(path)
    assert first == second == rl.Preference("Why?", "Because.", "No.")


def test_of_messages_the_contents_count_null_is_empty_and_parts_are_joined(tmp_path):
    parts = message([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])
    row = {"prompt": [message("x", "system"), message(None)], "chosen": [parts], "rejected": [message("c")]}
    assert only(written(tmp_path, row)) == rl.Preference("x\n", "a\nb", "c")


def test_conversations_that_say_the_same_to_the_end_are_identical_pairs(tmp_path):
    talk = [message("a", "user"), message("b")]
    preferences = rl.load_preferences(written(tmp_path, GOOD, {"chosen": talk, "rejected": talk}))
    assert len(preferences) == 1 and preferences.identical == 1


ODD = [
    "🙂👩‍👩‍👧 ok", "שלום עולם", "مرحبا", "", "line\nbreak\u2028and more", "\ttab\u0000nul", "e\u0301 é", "中文字",
    "\ufeffbom",
]  # fmt: skip


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_odd_text_arrives_letter_for_letter(tmp_path, end, start):
    rows = [{"prompt": text, "chosen": text + "+", "rejected": text} for text in ODD]
    path = written(tmp_path, *rows, end=end, start=start)
    got = [(pair.prompt, pair.preferred, pair.rejected) for pair in rl.load_preferences(path)]
    assert got == [(text, text + "+", text) for text in ODD]
    escaped = written(tmp_path, *(json.dumps(row).encode() for row in rows), name="escaped.jsonl")
    assert [(p.prompt, p.preferred, p.rejected) for p in rl.load_preferences(escaped)] == got


def test_a_line_of_a_megabyte_loads_and_blank_lines_are_passed_over(tmp_path):
    long = "word " * 200_000
    path = written(tmp_path, b"", {"chosen": long, "rejected": ""}, b"   ", GOOD)
    preferences = rl.load_preferences(path)
    assert [len(pair.preferred) for pair in preferences] == [len(long), 8]


def test_the_last_line_needs_no_line_break(tmp_path):
    path = tmp_path / "prefs.jsonl"
    path.write_text(json.dumps(GOOD))
    assert only(path).prompt == "Why?"


# What is refused

BAD = {
    b'{"chosen": "a" "b"}': "not JSON at column 16",
    b"[1, 2]": "expected an object like {...}, got a list",
    b"[" * 100_000: "not JSON that can be read",
    b'{"chosen": "\xff", "rejected": "b"}': "not UTF-8 at byte 13",
    '{"chosen": "a", "rejected": "b"}'.encode("utf-16"): "not UTF-8 at byte 1",
    b'{"chosen": "\\ud83d", "rejected": "b"}': "half a character",
    b'{"rejected": "b"}': "`chosen` is missing",
    b'{"chosen": "a"}': "`rejected` is missing",
    b'{"chosen": null, "rejected": "b"}': "`chosen` is missing",
    b'{"chosen": 3, "rejected": "b"}': "`chosen` must be text or a list of chat messages, got a number",
    b'{"chosen": "a", "rejected": {"text": "b"}}': "`rejected` must be text or a list of chat messages, got an object",
    b'{"chosen": "a", "preferred": "a", "rejected": "b"}': "two names for one column",
    b'{"chosen": ["a"], "rejected": ["b"]}': "message 1: expected an object with `role` and `content`",
    b'{"chosen": [{"content": 3}], "rejected": "b"}': "message 1: `content` must be text, got a number",
    b'{"chosen": [{"content": [{"type": "image"}]}], "rejected": "b"}': "only text can be read",
    b'{"chosen": "a", "rejected": "b", "prompt": false}': "`prompt` must be text",
    b'{"chosen": "a", "rejected": "b", "margin": "big"}': "`margin` must be a finite number",
    b'{"chosen": "a", "rejected": "b", "margin": true}': "`margin` must be a finite number",
    b'{"chosen": "a", "rejected": "b", "margin": NaN}': "`margin` must be a finite number",
    b'{"chosen": "a", "rejected": "b", "margin": 1e999}': "`margin` must be a finite number",
    b'{"chosen": "a", "rejected": "b", "margin": 1e300}': "`margin` must be a finite number, 10,000 at most",
    b'{"chosen": "a", "rejected": "b", "margin": ' + b"9" * 400 + b"}": "`margin` must be a finite number",
    b'{"chosen": "a", "rejected": "b", "margin": -10001}': "`margin` must be a finite number",
}


@pytest.mark.parametrize("line", BAD)
def test_a_bad_row_is_refused_with_its_line_and_what_is_wrong_with_it(tmp_path, line):
    path = written(tmp_path, GOOD, b"", line, GOOD)
    with pytest.raises(ValueError) as caught:
        rl.load_preferences(path)
    text = str(caught.value)
    assert "prefs.jsonl, line 3: " in text and BAD[line] in text and "--skip-bad-rows" in text


def test_bad_rows_can_be_skipped_and_are_then_counted_and_named(tmp_path):
    lines = [line for line in BAD if b"\n" not in line]
    preferences = rl.load_preferences(written(tmp_path, GOOD, *lines, GOOD), skip_bad_rows=True)
    assert len(list(preferences)) == len(preferences) == 2
    assert [number for number, _ in preferences.bad_rows] == list(range(2, len(lines) + 2))
    assert f"{len(lines)} bad rows skipped (line 2: not JSON" in preferences.report()


def test_identical_pairs_are_counted_reported_and_dropped(tmp_path):
    same = {"chosen": "a", "rejected": "a"}
    preferences = rl.load_preferences(written(tmp_path, same, GOOD, same))
    assert len(preferences) == len(list(preferences)) == 1 and preferences.identical == 2
    assert "2 identical pairs dropped" in preferences.report()


@pytest.mark.parametrize("rows", [[], [{"chosen": "a", "rejected": "a"}]])
def test_a_file_without_a_pair_to_learn_from_is_refused(tmp_path, rows):
    with pytest.raises(ValueError, match="no pair to learn from"):
        rl.load_preferences(written(tmp_path, *rows))
    with pytest.raises(FileNotFoundError):
        rl.load_preferences(tmp_path / "nowhere.jsonl")


# Holding out


def test_no_prompt_stands_on_both_sides_and_the_order_of_the_file_does_not_matter(tmp_path):
    rows = [{"prompt": f"p{i % 40}", "chosen": f"a{i}", "rejected": f"b{i}"} for i in range(400)]
    forth = rl.load_preferences(written(tmp_path, *rows))
    back = rl.load_preferences(written(tmp_path, *rows[::-1], name="back.jsonl"))
    held = held_out_rows(forth, 0.1, 10_000).held_out
    assert held.sum() == 40  # 4 of 40 prompts, 10 pairs each
    prompts = np.array([pair.prompt for pair in forth])
    assert not set(prompts[held]) & set(prompts[~held])
    assert (held_out_rows(back, 0.1, 10_000).held_out[::-1] == held).all()
    assert held_out_rows(forth, 0.5, 30).held_out.sum() == 30


def test_without_prompts_the_same_two_texts_stay_together_in_either_order(tmp_path):
    rows = [{"chosen": f"a{i % 20}", "rejected": f"b{i % 20}"} for i in range(40)]
    rows[20:] = [{"chosen": row["rejected"], "rejected": row["chosen"]} for row in rows[20:]]
    held = held_out_rows(rl.load_preferences(written(tmp_path, *rows)), 0.3, 10_000).held_out
    assert held.sum() == 12 and (held[:20] == held[20:]).all()


def test_one_prompt_alone_can_not_be_held_out(tmp_path):
    rows = [{**GOOD, "rejected": str(i)} for i in range(5)]
    with pytest.raises(ValueError, match="--eval-file"):
        held_out_rows(rl.load_preferences(written(tmp_path, *rows)), 0.1, 10)


# The tokenizer


def tokenizer(*texts, **arguments):
    return WordTokenizer.train(texts or ("the dog, the cat", "The dog's cat,"), **arguments)


def test_words_and_signs_are_tokens_and_case_does_not_count():
    known = tokenizer(min_count=1)
    assert known.words("The CAT's dog, the") == ["the", "cat", "'", "s", "dog", ",", "the"]
    assert known.vocab_size == 2 + len({"the", "dog", "cat", ",", "'", "s"})


def test_unknown_and_rare_words_become_one_token_and_nothing_is_dropped():
    known = tokenizer()  # s and ' occur once
    (ids,), _ = known.encode(["the zebra's dog"])
    assert known.words("the zebra's dog") == ["the", "[UNK]", "[UNK]", "[UNK]", "dog"]
    assert ids.count(UNKNOWN_ID) == 3 and PADDING_ID not in ids


def test_a_small_vocabulary_keeps_the_most_frequent_words_and_then_the_alphabet():
    known = tokenizer("b b b a a z z y y", vocab_size=5)
    assert known.words("b a z y") == ["b", "a", "y", "[UNK]"][0:2] + ["[UNK]", "y"]


def test_letters_that_spell_a_special_token_are_no_special_token():
    known = tokenizer("[PAD] [UNK] pad unk", min_count=1)
    (ids,), _ = known.encode(["[PAD] [UNK]"])
    assert PADDING_ID not in ids and UNKNOWN_ID not in ids and len(ids) == 6


@pytest.mark.parametrize(
    "text", [*ODD, "a b\u00a0c\u2003d", "x" * 1000, "ΣΟΦΟΣ Σ", "don't-stop!!! 3.14", "日本語テキスト"]
)
def test_the_chunks_of_a_text_have_the_tokens_that_the_library_gives_the_whole(text):
    import tokenizers

    known = tokenizer(*ODD, "ΣΟΦΟΣ", "日本語", "don't 3.14", min_count=1)
    library = tokenizers.Tokenizer.from_str(known.to_json())
    for _ in range(2):  # the second time from memory
        assert known.encode([text])[0][0] == library.encode(text).ids


def test_of_a_long_text_the_end_is_kept_and_truncation_is_told():
    known = tokenizer("a b c d e f", min_count=1, max_length=3)
    (short, full, long), truncated = known.encode(["a b", "a b c", "a b c d"])
    assert [known.words(text) for text in ("a b c d e",)] == [["c", "d", "e"]]
    assert (len(short), len(full), len(long)) == (2, 3, 3) and truncated == [False, False, True]
    assert known.encode(["b" * 5 + "日" * 50])[1] == [True]


def test_a_tokenizer_survives_its_json_and_anything_else_is_refused():
    known = tokenizer(max_length=9)
    again = WordTokenizer.from_json(known.to_json())
    texts = ["the dog", "zebra", *ODD]
    assert again.encode(texts) == known.encode(texts) and again.max_length == 9
    assert again.to_json() == known.to_json()
    import tokenizers

    foreign = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    for text in ("", "{}", "nonsense", foreign.to_str()):
        with pytest.raises(ValueError, match="not a tokenizer of this package"):
            WordTokenizer.from_json(text)


def test_training_twice_gives_the_same_tokenizer_and_folding_counts_changes_nothing(monkeypatch):
    texts = [" ".join(f"w{i * j % 37}," for j in range(50)) for i in range(50)]
    whole = WordTokenizer.train(texts).to_json()
    monkeypatch.setattr("reward_lab.text.tokenizer._FOLD_AFTER", 300)
    assert WordTokenizer.train(iter(texts)).to_json() == whole


def test_without_the_library_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ModuleNotFoundError, match="pip install tokenizers"):
        tokenizer()


# Tokens on disk


def encoded(tmp_path, *rows, **arguments):
    preferences = rl.load_preferences(written(tmp_path, *rows))
    texts = [f"{p.prompt} {p.preferred} {p.rejected}" for p in preferences]
    return encode_pairs(preferences, tokenizer(*texts, min_count=1, **arguments))


def test_a_batch_holds_the_texts_of_its_pairs_padded_to_the_longest(tmp_path):
    pairs, _ = encoded(
        tmp_path,
        {"chosen": "a b c", "rejected": "a"},
        {"chosen": "", "rejected": "b"},
        {"prompt": "c", "chosen": "b", "rejected": "a", "margin": 0.5},
    )
    a, b, c = 2, 3, 4
    preferred, rejected, margins = pairs.batch(torch.tensor([2, 1, 0]))
    assert preferred.tolist() == [[c, b, 0], [0, 0, 0], [a, b, c]]
    assert rejected.tolist() == [[c, a, 0], [b, 0, 0], [a, 0, 0]]
    assert margins.tolist() == [0.5, 0.0, 0.0]
    assert pairs.select(np.array([True, False, True])).batch(torch.tensor([1]))[0].tolist() == [[c, b]]
    assert pairs.batch(torch.tensor([1]))[0].tolist() == [[0]]


def test_texts_that_are_all_empty_make_a_batch_too(tmp_path):
    empty = TokenPairs(np.empty(0, np.int32), np.zeros(3, np.int64), None, np.arange(1))
    preferred, rejected, margins = empty.batch(torch.tensor([0]))
    assert preferred.tolist() == rejected.tolist() == [[0]] and margins is None
    pairs, told = encoded(tmp_path, {"chosen": "", "rejected": " "})
    assert len(pairs) == 1 and told.tokens == 0 and told.same == 1


def test_what_tokenising_did_is_counted_by_hand(tmp_path):
    preferences = rl.load_preferences(
        written(tmp_path, {"chosen": "a b c d", "rejected": "A z"}, {"chosen": "a", "rejected": "A"})
    )
    _, told = encode_pairs(preferences, tokenizer("a b c d", min_count=1, max_length=3))
    assert (told.texts, told.tokens, told.unknown, told.truncated, told.same) == (4, 7, 1, 1, 1)
    assert "1 of 4 texts truncated" in told.report() and "14.3% unknown" in told.report()


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_changes_no_score(side):
    torch.manual_seed(0)
    model = rl.RewardModel(50, 8, 16, padding_id=0).double()
    tokens = torch.randint(1, 50, (6, 7))
    padding = torch.zeros(6, 9, dtype=torch.int64)
    padded = torch.cat([padding, tokens] if side == "left" else [tokens, padding], dim=1)
    plain = rl.RewardModel(50, 8, 16).double()
    plain.load_state_dict(model.state_dict())
    assert torch.equal(model(padded), model(tokens))
    assert torch.allclose(model(tokens), plain(tokens), atol=1e-12)  # the mean in another way: rounding
    assert torch.equal(model(padded.int()), model(padded))
    assert not torch.allclose(plain(padded), plain(tokens))  # without padding_id, the token 0 counts
    model(padded).sum().backward()
    assert not model.encoder.embedding.weight.grad[0].any()


def test_a_text_of_nothing_has_a_finite_score():
    model = rl.RewardModel(50, 8, 16, padding_id=0)
    assert model(torch.zeros(2, 3, dtype=torch.int64)).isfinite().all()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length_of_the_texts(tmp_path):
    """20 MB of text are loaded and tokenised, and Python holds less than 10 MB: 6.3 here, and 6.6 with 80 MB of text."""
    rng = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(500)])
    path = tmp_path / "prefs.jsonl"
    with path.open("w") as file:
        for number in range(250):
            prompt, one, other = (" ".join(words[rng.integers(500, size=4000)]) for _ in range(3))
            file.write(json.dumps({"prompt": f"{number} {prompt}", "chosen": one, "rejected": other}) + "\n")
    assert path.stat().st_size > 20e6
    import tokenizers  # noqa: F401  what it takes to import is not counted

    tracemalloc.start()
    try:
        preferences = rl.load_preferences(path)
        known = WordTokenizer.train(pair.prompt for pair in preferences)
        pairs, _ = encode_pairs(preferences, known, tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(pairs) == 250 and isinstance(pairs.tokens.base.obj, mmap.mmap)
    assert peak < 10e6


# The file that comes with the package


def test_the_program_makes_the_committed_file_byte_for_byte():
    made = subprocess.run(
        [sys.executable, "-m", "reward_lab.examples.plain_words"], capture_output=True, check=True
    )
    assert made.stdout == rl.EXAMPLE_PREFERENCES.read_bytes()


def test_the_rule_decides_every_pair_and_length_gives_nothing_away():
    pairs = list(rl.load_preferences(rl.EXAMPLE_PREFERENCES))
    assert len(pairs) == plain_words.NUM_PAIRS == 400
    for pair in pairs:
        assert plain_words.jargon_share(pair.preferred) < plain_words.jargon_share(pair.rejected)
    longer = [np.sign(len(pair.preferred.split()) - len(pair.rejected.split())) for pair in pairs]
    assert abs(np.mean(longer)) < 0.1
    assert plain_words.jargon_share("Formally, rain is like latent, gradient-based dynamics.") == 4 / 7


def test_the_halves_of_the_examples_words_share_nothing_and_leave_nothing_out():
    whole = plain_words.World()
    for seed in range(5):
        halves = plain_words.halves(seed)
        for name in ("topics", "pictures", "plain", "verbs", "adjectives", "nouns", "jargon_sentences"):
            parts = [getattr(half, name) for half in halves]
            assert sorted([*parts[0], *parts[1]]) == sorted(getattr(whole, name))
            assert abs(len(parts[0]) - len(parts[1])) <= 1
        words = [
            {
                word
                for row in plain_words.pairs(500, seed, half)
                for side in ("chosen", "rejected")
                for word in row[side].split()
            }
            for half in halves
        ]
        shared = {word.strip(".,").lower() for word in words[0]} & {
            word.strip(".,").lower() for word in words[1]
        }
        assert not shared & plain_words.JARGON
