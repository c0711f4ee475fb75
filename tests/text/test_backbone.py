"""Reward models on a pretrained backbone: what is trained, saved, resumed and scored, on tiny models made on the spot.

Cost: about a second each; the slow ones start a process or train with TRL.
"""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

import reward_lab as rl
from reward_lab import score, train
from reward_lab.language import ecosystem, grammar
from tests.text.test_preferences import written

transformers = pytest.importorskip("transformers")

from reward_lab.language.embedding import embed, open_store  # noqa: E402
from reward_lab.language.pretrained import Backbone, like_lengths, load_backbone  # noqa: E402
from reward_lab.language.vector_store import VectorStore  # noqa: E402
from reward_lab.text import backbone_trl  # noqa: E402
from reward_lab.text.scoring import load_reward_model, score_pairs  # noqa: E402

TEMPLATE = "{% for m in messages %}{{ m['role'] }} : {{ m['content'] }} . {% endfor %}"


@pytest.fixture(autouse=True)
def as_before():
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A Llama of two layers that knows the words of the grammar; and a file of pairs."""
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    with ecosystem.quiet():
        ecosystem.save_tiny_model(folder / "model")
    written(folder, *kind_rows(60), name="pairs.jsonl")
    return folder


def kind_rows(count, seed=0):
    """Pairs of which the kind deed is chosen, each under a prompt of its own."""
    rng = np.random.default_rng(seed)
    names = grammar.ANIMALS
    prompts = sorted({f"{a} : {b} never" for a in names for b in names if a != b})
    for prompt in rng.permutation(prompts + prompts)[:count]:
        who, whom, other = rng.choice(names, 3)
        kind, unkind = rng.choice(grammar.KIND), rng.choice(grammar.UNKIND)
        yield {
            "prompt": str(prompt),
            "chosen": f"{who} {kind} {whom} .",
            "rejected": f"{who} {unkind} {other} .",
        }


def run_main(tiny, out, *more, path=None):
    file = str(path or tiny / "pairs.jsonl")
    arguments = [file, "--output-dir", str(out), "--backbone", str(tiny / "model"), "--threads", "1"]
    return train.main([*arguments, *map(str, more)])


def texts(path):
    return [
        (pair.prompt, side) for pair in rl.load_preferences(path) for side in (pair.preferred, pair.rejected)
    ]


def library_scores(folder, pairs, **more):
    """As somebody does it who has transformers and has never heard of this package: one text at a time."""
    with ecosystem.quiet():
        model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, **more).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    result = []
    for prompt, completion in pairs:
        chat = [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]
        ids = tokenizer.apply_chat_template(chat, tokenize=True, return_dict=True, return_tensors="pt")
        with torch.no_grad():
            result.append(model(**ids).logits.item())
    return result


def trl_scores(folder, path, work):
    """As TRL's trainer sees the pairs: its own template, tokens, collator and model."""
    datasets, trl = pytest.importorskip("datasets"), pytest.importorskip("trl")
    rows = []
    for pair in rl.load_preferences(path):
        row = {"prompt": [{"role": "user", "content": pair.prompt}]}
        for name, text in (("chosen", pair.preferred), ("rejected", pair.rejected)):
            row[name] = [{"role": "assistant", "content": text}]
        rows.append(row)
    with ecosystem.quiet():
        arguments = trl.RewardConfig(
            output_dir=str(work), use_cpu=True, bf16=False, report_to=[], disable_tqdm=True
        )
        trainer = trl.RewardTrainer(
            model=str(folder), args=arguments, train_dataset=datasets.Dataset.from_list(rows)
        )
        data = trainer.train_dataset.remove_columns(["prompt", "chosen", "rejected"])
        batch = trainer.data_collator(list(data))
        with torch.no_grad():
            logits = trainer.model.eval()(**batch).logits[:, 0]
    return torch.stack(logits.chunk(2), dim=1).flatten().tolist()


# One folder, the same scores everywhere


@pytest.mark.slow
@pytest.mark.parametrize("tune", ["head", "lora", "full"])
def test_transformers_trl_and_we_score_a_saved_folder_alike(tiny, tmp_path, tune):
    if tune == "lora":
        pytest.importorskip("peft")
    epochs = [] if tune == "head" else ["--epochs", 1, "--learning-rate", 1e-3]
    assert run_main(tiny, tmp_path / "out", "--tune", tune, *epochs) == 0
    pairs = texts(tiny / "pairs.jsonl")
    ours = [one.reward for one in score_pairs(load_reward_model(tmp_path / "out"), pairs)]
    assert np.std(ours) > 1e-2
    assert library_scores(tmp_path / "out", pairs) == pytest.approx(ours, abs=1e-4)
    assert trl_scores(tmp_path / "out", tiny / "pairs.jsonl", tmp_path / "trl") == pytest.approx(
        ours, abs=1e-4
    )
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    leads = np.subtract(ours[::2], ours[1::2])
    held = rl.text.training.training_rows(rl.load_preferences(tiny / "pairs.jsonl"), None, 0.1)[0]
    assert metrics["held_out"]["loss"] == pytest.approx(np.logaddexp(0, -leads[~held]).mean(), abs=1e-4)
    assert metrics["train"]["loss"] == pytest.approx(np.logaddexp(0, -leads[held]).mean(), abs=1e-4)
    assert not (tmp_path / "out" / "trl").exists()


@pytest.mark.slow
def test_a_model_that_reads_the_mean_loads_where_this_package_is_not(tiny, tmp_path):
    assert run_main(tiny, tmp_path / "out", "--pooling", "mean") == 0
    pairs = texts(tiny / "pairs.jsonl")[:6]
    code = f"""
import sys, json, pathlib
sys.modules["reward_lab"] = None  # importing it raises
import transformers
model = transformers.AutoModelForSequenceClassification.from_pretrained({str(tmp_path / "out")!r}, trust_remote_code=True)
tokenizer = transformers.AutoTokenizer.from_pretrained({str(tmp_path / "out")!r})
chats = [[{{"role": "user", "content": p}}, {{"role": "assistant", "content": c}}] for p, c in {pairs!r}]
batch = tokenizer.apply_chat_template(chats, tokenize=True, return_dict=True, return_tensors="pt", padding=True)
print(json.dumps(model.eval()(**batch).logits[:, 0].tolist()))
"""
    environment = {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "PATH": ""}
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert child.returncode == 0, child.stderr
    ours = [one.reward for one in score_pairs(load_reward_model(tmp_path / "out"), pairs)]
    assert json.loads(child.stdout) == pytest.approx(ours, abs=1e-4)


def test_the_command_scores_with_either_kind_of_folder(tiny, tmp_path):
    assert run_main(tiny, tmp_path / "language") == 0
    assert (
        train.main([str(tiny / "pairs.jsonl"), "--output-dir", str(tmp_path / "words"), "--epochs", "1"]) == 0
    )
    line = {
        "prompt": "owl :",
        "completions": ["fox robbed owl .", "pig helped owl . cat fed owl .", "zebra ."],
    }
    (tmp_path / "in.jsonl").write_text(json.dumps(line) + "\n")
    for kind, unknown in (("language", 0), ("words", 1)):
        files = ["--input", str(tmp_path / "in.jsonl"), "--output", str(tmp_path / kind / "scores.jsonl")]
        assert score.main(["--model", str(tmp_path / kind), *files]) == 0
        rows = [json.loads(row) for row in (tmp_path / kind / "scores.jsonl").read_text().splitlines()]
        assert [row["rank"] for row in rows] == [1, 2, 3]
        tokens = {row["completion"]: row["tokens"] for row in rows}
        assert tokens == {"fox robbed owl .": 6, "pig helped owl . cat fed owl .": 10, "zebra .": 4}
        assert {row["unknown"] for row in rows if row["completion"] == "zebra ."} == {unknown}


def test_a_model_without_a_reward_head_is_refused(tiny, tmp_path, capsys):
    config = transformers.AutoConfig.from_pretrained(tiny / "model")
    with ecosystem.quiet():
        transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
        transformers.AutoTokenizer.from_pretrained(tiny / "model").save_pretrained(tmp_path)
    assert score.main(["--model", str(tmp_path), "--input", str(tiny / "pairs.jsonl")]) == 1
    assert "this model has no reward head" in capsys.readouterr().err


# Texts, templates, batches


def with_template(tiny, folder):
    with ecosystem.quiet():
        tokenizer = transformers.AutoTokenizer.from_pretrained(tiny / "model")
        model = transformers.AutoModelForCausalLM.from_pretrained(tiny / "model")
        tokenizer.chat_template = TEMPLATE
        tokenizer.save_pretrained(folder)
        model.save_pretrained(folder)
    return folder


def test_a_models_own_template_is_used_where_every_pair_has_a_prompt_and_is_saved(tiny, tmp_path):
    folder = with_template(tiny, tmp_path / "chat")
    pair = ("owl", "fox robbed owl")
    for template, prompts, expected in (
        ("auto", True, "user : owl . assistant : fox robbed owl . "),
        ("auto", False, "owl\nfox robbed owl"),
        ("plain", True, "owl\nfox robbed owl"),
    ):
        backbone = load_backbone(folder, template=template, prompts=prompts)
        ids = backbone.texts.encode([pair[0]], [pair[1]]).rows[0]
        assert ids == backbone.texts.tokenizer(expected)["input_ids"] and len(ids) in (4, 10)
    with pytest.raises(ValueError, match="no chat template"):
        load_backbone(tiny / "model", template="own")
    out = tmp_path / "out"
    arguments = ["--output-dir", str(out), "--backbone", str(folder), "--threads", "1"]
    assert train.main([str(tiny / "pairs.jsonl"), *arguments]) == 0
    assert (out / "chat_template.jinja").read_text() == TEMPLATE


def test_an_empty_prompt_leaves_no_line_and_a_long_text_keeps_its_end(tiny):
    backbone = load_backbone(tiny / "model", max_length=3)
    words = backbone.texts.tokenizer
    ids = backbone.texts.encode(["", "owl :", ""], ["owl fed fox", "owl fed fox", ""])
    end = words("owl fed fox")["input_ids"]
    assert ids.rows == [end, end, []] and ids.truncated == [False, True, False]


def test_the_texts_are_embedded_as_if_each_stood_alone(tiny):
    backbone = load_backbone(tiny / "model")
    rows = backbone.texts.encode(*zip(*texts(tiny / "pairs.jsonl")[:9], strict=True)).rows
    rows[3] = rows[3][:4]
    together = backbone.vectors(rows)
    for row, both in zip(rows, together, strict=True):
        hidden = backbone.body(torch.tensor([row])).last_hidden_state[0].detach().numpy()
        assert np.allclose(both[0], hidden[-1], atol=1e-5) and np.allclose(
            both[1], hidden.mean(axis=0), atol=1e-5
        )


def test_batches_are_of_like_length_the_longest_first_and_within_their_size():
    lengths = [3, 50, 7, 7, 120, 1, 0, 48]
    batches = list(like_lengths(lengths, 100))
    assert sorted(sum(batches, [])) == list(range(8)) and batches[0] == [4]
    assert all(len(batch) * max(lengths[i] for i in batch) <= 100 for batch in batches[1:])
    assert batches[1] == [1, 7] or batches[1] == [1]


# Each text once, also after a kill


def test_a_text_is_embedded_once_however_often_it_stands_in_the_file(tiny, tmp_path, monkeypatch):
    backbone, seen, whole = load_backbone(tiny / "model"), [], Backbone.vectors
    monkeypatch.setattr(Backbone, "vectors", lambda self, rows: seen.extend(rows) or whole(self, rows))
    pairs = texts(tiny / "pairs.jsonl")[:10]
    with open_store(backbone, tmp_path) as store:
        result = embed(backbone, [*pairs, *pairs, pairs[0]], 21, store, print)
        assert len(seen) == len({tuple(row) for row in seen}) == len(store) == result.new_texts
        assert (result.rows[:10] == result.rows[10:20]).all() and result.rows[20] == result.rows[0]
        rows = backbone.texts.encode(*zip(*pairs, strict=True)).rows
        assert np.allclose(store.vectors()[result.rows[:10]], whole(backbone, rows), atol=1e-5)


def test_an_interrupted_run_goes_on_where_it_was_and_ends_as_if_nothing_had_happened(
    tiny, tmp_path, monkeypatch, capsys
):
    assert run_main(tiny, tmp_path / "whole") == 0
    batches, whole = [], Backbone.vectors

    def interrupted(backbone, rows):
        if len(batches) == 2:
            raise KeyboardInterrupt
        batches.append(len(rows))
        return whole(backbone, rows)

    monkeypatch.setattr("reward_lab.language.pretrained.TOKENS_PER_BATCH", {"cpu": 256, "cuda": 256})
    monkeypatch.setattr(Backbone, "vectors", interrupted)
    assert run_main(tiny, tmp_path / "cut") == 130
    monkeypatch.setattr(Backbone, "vectors", whole)
    capsys.readouterr()
    assert run_main(tiny, tmp_path / "cut") == 0
    assert f"{sum(batches):,} texts were embedded already" in capsys.readouterr().out
    first, second = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("whole", "cut"))
    assert second["held_out"]["loss"] == pytest.approx(first["held_out"]["loss"], rel=1e-4)
    assert second["spent"]["texts"] == first["spent"]["texts"] - sum(batches) > 0


def test_what_lies_behind_the_last_whole_text_is_cut_off(tmp_path):
    keys, vectors = np.array([7, 3, 9], np.uint64), np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    with VectorStore(tmp_path, (2, 2)) as store:
        store.append(keys, vectors)
    for name, size in (("keys", 20), ("vectors", 47)):  # of 24 and 48 bytes: the power failed
        with (tmp_path / name).open("r+b") as file:
            file.truncate(size)
    with VectorStore(tmp_path, (2, 2)) as store:
        assert store.find(keys).tolist() == [0, 1, -1]
        store.append(keys[2:], -vectors[2:])
        assert store.find(keys).tolist() == [0, 1, 2]
        assert np.array_equal(store.vectors(), [*vectors[:2], -vectors[2]])
        with pytest.raises(ValueError, match="another run is embedding"):
            VectorStore(tmp_path, (2, 2))


@pytest.mark.slow
def test_an_interrupted_run_of_trl_goes_on_after_its_last_epoch(tiny, tmp_path, monkeypatch, capsys):
    more = ["--tune", "full", "--epochs", 3, "--learning-rate", 1e-3, "--patience", 3]
    assert run_main(tiny, tmp_path / "whole", *more) == 0
    reporting = backbone_trl._reporting

    def interrupted(*arguments):
        callback = reporting(*arguments)
        begin = callback.on_epoch_begin

        def on_epoch_begin(args, state, control, **rest):
            if state.epoch >= 1:
                raise KeyboardInterrupt
            return begin(args, state, control, **rest)

        callback.on_epoch_begin = on_epoch_begin
        return callback

    monkeypatch.setattr(backbone_trl, "_reporting", interrupted)
    assert run_main(tiny, tmp_path / "cut", *more) == 130
    monkeypatch.setattr(backbone_trl, "_reporting", reporting)
    assert run_main(tiny, tmp_path / "cut", *more, "--seed", 5) == 1
    assert "a run with other data or settings" in capsys.readouterr().err
    assert run_main(tiny, tmp_path / "cut", *more) == 0
    assert "going on from" in capsys.readouterr().out
    first, second = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("whole", "cut"))
    for name in ("train_loss", "held_out_loss"):
        assert second["history"][name] == pytest.approx(first["history"][name], abs=1e-4)
    assert second["held_out"] == pytest.approx(first["held_out"], abs=1e-4)


# Honest splitting, warnings, reports


def test_warnings_and_the_split_are_those_of_the_bag_of_words(tiny, tmp_path, capsys):
    path = tiny / "pairs.jsonl"
    warned = {}
    for kind, more in (("words", []), ("language", ["--backbone", str(tiny / "model"), "--threads", "1"])):
        out = tmp_path / kind
        assert train.main([str(path), "--eval-file", str(path), "--output-dir", str(out), *more]) == 0
        metrics = json.loads((out / "metrics.json").read_text())
        warned[kind] = metrics["warnings"]
        assert "warning: 60 of 60 held-out pairs" in capsys.readouterr().out
        assert (metrics["data"]["training_pairs"], metrics["data"]["held_out_pairs"]) == (60, 60)
    assert warned["words"] == warned["language"]


def test_labels_by_lot_give_a_held_out_accuracy_near_a_half(tiny, tmp_path):
    """Of 400 answers to 40 prompts the better one is drawn: texts repeat, and a leak would show."""
    rng = np.random.default_rng(0)
    answers = [
        f"{a} {v} {b} ."
        for a in ("fox", "cat", "pig")
        for v in ("robbed", "helped", "fed")
        for b in ("owl", "hen")
    ]
    rows = [
        dict(zip(("chosen", "rejected"), map(str, rng.choice(answers, 2, replace=False)), strict=True))
        | {"prompt": f"n {n % 40}"}
        for n in range(400)
    ]
    assert run_main(tiny, tmp_path / "out", path=written(tmp_path, *rows)) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    pairs = metrics["held_out"]["pairs"]
    # Four standard errors: wrong once in 16,000 draws, and the draw is fixed.
    assert abs(metrics["held_out"]["accuracy"] - 0.5) < 4 * np.sqrt(0.25 / pairs) or metrics["warnings"]


def test_a_run_says_what_was_spent_and_leaves_a_figure(tiny, tmp_path, capsys):
    import matplotlib.image

    assert run_main(tiny, tmp_path / "out") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("spent: ") and "tokens/s" in last and "peak memory" in last
    spent = json.loads((tmp_path / "out" / "metrics.json").read_text())["spent"]
    distinct = set(
        map(
            tuple,
            load_backbone(tiny / "model").texts.encode(*zip(*texts(tiny / "pairs.jsonl"), strict=True)).rows,
        )
    )
    assert spent["texts"] == len(distinct) and spent["tokens"] == sum(map(len, distinct))
    pixels = matplotlib.image.imread(tmp_path / "out" / "training.png")
    assert min(pixels.shape[:2]) > 300 and np.std(pixels[..., :3]) > 0.02


# What is refused, and how


@pytest.mark.parametrize(
    "more, problem",
    [
        (["--vocab-size", "9"], "--vocab-size has no effect with --backbone"),
        (["--epochs", "9"], "--epochs has no effect with --backbone --tune head, which is fitted exactly"),
        (["--tune", "all"], "--tune all: expected one of head, lora, full"),
        (["--pooling", "max"], "--pooling max: expected one of last, mean"),
        (["--dtype", "int8"], "--dtype int8: expected auto, float32 or bfloat16"),
        (["--template", "own"], "has no chat template"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_words(tiny, tmp_path, capsys, more, problem):
    assert run_main(tiny, tmp_path / "out", *more) == 1
    assert problem in capsys.readouterr().err


def test_other_models_and_files_are_refused_before_any_work(tiny, tmp_path, capsys):
    assert run_main(tiny, tiny / "model") == 1  # would write over the backbone
    assert "holds another model" in capsys.readouterr().err
    arguments = [str(tiny / "pairs.jsonl"), "--output-dir", str(tmp_path / "out")]
    assert train.main([*arguments, "--backbone", str(tmp_path / "none")]) == 1
    assert "expected a folder with a model of transformers" in capsys.readouterr().err
    assert train.main([*arguments, "--tune", "head"]) == 1
    assert "--tune goes with --backbone" in capsys.readouterr().err
    assert train.main([*arguments, "--train-file", arguments[0]]) == 1
    assert "one preference file is needed" in capsys.readouterr().err


def test_an_encoder_has_no_last_token_and_reads_the_mean(tiny, tmp_path, capsys):
    with ecosystem.quiet():
        tokenizer = transformers.AutoTokenizer.from_pretrained(tiny / "model")
        config = transformers.BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=64,
        )
        transformers.BertModel(config).save_pretrained(tmp_path / "bert")
        tokenizer.save_pretrained(tmp_path / "bert")
    arguments = [str(tiny / "pairs.jsonl"), "--output-dir", str(tmp_path / "out"), "--threads", "1"]
    assert train.main([*arguments, "--backbone", str(tmp_path / "bert")]) == 1
    assert "--pooling mean works" in capsys.readouterr().err
    assert train.main([*arguments, "--backbone", str(tmp_path / "bert"), "--pooling", "mean"]) == 0
    pairs = texts(tiny / "pairs.jsonl")[:5]
    ours = [one.reward for one in score_pairs(load_reward_model(tmp_path / "out"), pairs)]
    assert library_scores(tmp_path / "out", pairs) == pytest.approx(ours, abs=1e-4)
