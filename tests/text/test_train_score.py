"""From a preference file to scores: the command line, the loop behind it, and the ecosystem's border."""

import json
import os
import signal
import subprocess
import sys

import matplotlib.image
import numpy as np
import pytest
import torch

import reward_lab as rl
from reward_lab import score, train
from reward_lab.checkpoint import Checkpoint
from reward_lab.text import WordTokenizer
from reward_lab.text.splitting import held_out_rows
from reward_lab.text.token_pairs import TokenPairs
from reward_lab.text.training import measure, pair_calibration
from tests.text.test_preferences import ODD, message, written
from tests.text.test_saving import make

EXAMPLE = str(rl.EXAMPLE_PREFERENCES)


@pytest.fixture(autouse=True)
def one_thread():
    yield
    torch.set_num_threads(1)


def rows(count, seed=0):
    """Pairs of which the text with the word good is chosen."""
    rng = np.random.default_rng(seed)
    filler = ["red", "green", "blue", "small", "large"]
    for number in range(count):
        one, other = (" ".join(rng.choice(filler, 4)) for _ in range(2))
        yield {"prompt": f"Number {number}?", "chosen": f"{one} good", "rejected": f"{other} bad"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The output folder of a run on the file that comes with the package, and what it printed."""
    folder = tmp_path_factory.mktemp("run") / "out"
    command = [sys.executable, "-m", "reward_lab.train", "--train-file", EXAMPLE, "--output-dir", str(folder)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return folder, run


# Training from the command line


def test_a_run_leaves_a_model_a_metrics_file_and_a_figure_and_nothing_else(trained):
    folder, run = trained
    names = sorted(path.name.split("-")[0] for path in folder.iterdir())
    assert names == ["config.json", "metrics.json", "model", "tokenizer", "training.png"]
    pixels = matplotlib.image.imread(folder / "training.png")
    assert min(pixels.shape[:2]) > 300 and np.std(pixels[..., :3]) > 0.02
    assert run.stderr == ""  # no warning, and no bar where there is no terminal


def test_a_run_prints_what_it_read_a_line_an_epoch_and_held_out_beside_training(trained):
    lines = trained[1].stdout.splitlines()
    assert lines[0].startswith("400 pairs from plain_words.jsonl")
    assert sum(line.startswith("epoch ") and "held-out: loss" in line for line in lines) == 20
    table = lines[-5:-1]
    assert table[0].split() == ["loss", "accuracy", "margin", "confidence", "calibration", "error"]
    assert [line.split()[0] for line in table[1:]] == ["training", "held-out", "guessing"]
    assert float(table[2].split()[2]) > 0.95


def test_the_metrics_are_those_of_the_saved_model(trained):
    folder, _ = trained
    metrics = json.loads((folder / "metrics.json").read_text())
    model = rl.RewardModel.from_pretrained(folder)
    preferences = rl.load_preferences(EXAMPLE)
    hold = held_out_rows(preferences, 0.1, 10_000).held_out
    differences = []
    for held, pair in zip(hold, preferences, strict=True):
        if held:
            first, second = rl.score_texts(model, [pair.preferred, pair.rejected], pair.prompt)
            differences.append(first.reward - second.reward)
    differences = np.array(differences)
    got = metrics["held_out"]
    assert got["pairs"] == len(differences) == metrics["data"]["held_out_pairs"]
    assert got["loss"] == pytest.approx(np.logaddexp(0, -differences).mean(), rel=1e-4)
    assert got["accuracy"] == (differences > 0).mean() and got["margin"] == pytest.approx(
        differences.mean(), rel=1e-5
    )
    assert metrics["guessing"]["loss"] == pytest.approx(np.log(2))
    assert metrics["best_epoch"] == np.argmin(metrics["history"]["held_out_loss"]) + 1


def run_main(folder, path, *arguments):
    return train.main(["--train-file", str(path), "--output-dir", str(folder), *map(str, arguments)])


def test_training_stops_early_and_keeps_the_best_epoch(tmp_path, capsys):
    """Pairs ranked by a coin: nothing can be learnt, so the held-out loss soon rises."""
    rng = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(300)])
    noise = [
        {"chosen": " ".join(rng.choice(words, 8)), "rejected": " ".join(rng.choice(words, 8))}
        for _ in range(300)
    ]
    path = written(tmp_path, *noise)
    assert run_main(tmp_path / "out", path, "--epochs", 60, "--learning-rate", 0.01, "--patience", 2) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["epochs"] == metrics["best_epoch"] + 2 < 60
    history = metrics["history"]
    assert metrics["held_out"]["loss"] == pytest.approx(min(history["held_out_loss"]), rel=1e-5)
    assert (
        history["train_loss"][-1] < metrics["train"]["loss"]
    )  # the last weights fitted better, and were given up
    assert f"best epoch {metrics['best_epoch']} of {metrics['epochs']}" in capsys.readouterr().out


def test_held_out_pairs_of_a_file_are_used_and_shared_prompts_are_warned_of(tmp_path, capsys):
    path = written(tmp_path, *rows(60))
    other = written(tmp_path, *rows(20, seed=1), name="eval.jsonl")
    assert run_main(tmp_path / "out", path, "--eval-file", other, "--epochs", 2) == 0
    printed = capsys.readouterr().out
    assert (
        "warning: 20 of 20 held-out pairs have a prompt or a text that is also in the training file"
        in printed
    )
    data = json.loads((tmp_path / "out" / "metrics.json").read_text())["data"]
    assert (data["training_pairs"], data["held_out_pairs"]) == (60, 20)


def test_the_vocabulary_is_made_of_training_pairs_alone(tmp_path):
    preferences = rl.load_preferences(written(tmp_path, *rows(100)))
    hold = held_out_rows(preferences, 0.1, 10_000).held_out
    run = rl.train_on_preferences(
        preferences, config=rl.TextConfig(epochs=1, log_every=0), say=lambda line: None
    )
    held_number = str(np.flatnonzero(hold)[0])
    assert run.model.tokenizer.words(f"{held_number} good zebra") == ["[UNK]", "good", "[UNK]"]


def test_bad_rows_stop_the_run_with_their_line_or_are_skipped_and_listed(tmp_path, capsys):
    path = written(tmp_path, *rows(40), b"{bad", {"chosen": "a", "rejected": "a"})
    assert run_main(tmp_path / "out", path) == 1
    error = capsys.readouterr().err
    assert "prefs.jsonl, line 41: not JSON" in error and "Traceback" not in error
    assert run_main(tmp_path / "out", path, "--skip-bad-rows", "--epochs", 1) == 0
    printed = capsys.readouterr().out
    assert "1 identical pairs dropped" in printed and "1 bad rows skipped (line 41: not JSON" in printed
    data = json.loads((tmp_path / "out" / "metrics.json").read_text())["data"]
    assert data["bad_rows"][0][0] == 41 and data["identical_pairs_dropped"] == 1


def test_odd_texts_train_and_score(tmp_path):
    odd = [{"prompt": f"{i} {a}", "chosen": a + "!", "rejected": b} for i, a in enumerate(ODD) for b in ODD]
    odd.append({"chosen": "a " * 500_000, "rejected": ""})
    path = written(tmp_path, *odd, end="\r\n", start=b"\xef\xbb\xbf")
    assert run_main(tmp_path / "out", path, "--epochs", 2, "--max-length", 16) == 0
    model = rl.RewardModel.from_pretrained(tmp_path / "out")
    scores = rl.score_texts(model, [*ODD, "a " * 500_000])
    assert all(np.isfinite(one.reward) for one in scores)
    assert scores[-1].truncated and scores[-1].tokens == 16


def model_bytes(folder):
    (path,) = folder.glob("model-*.safetensors")
    return path.read_bytes()


def test_an_interrupted_run_goes_on_and_ends_as_if_nothing_had_happened(tmp_path, monkeypatch, capsys):
    path = written(tmp_path, *rows(100))
    assert run_main(tmp_path / "whole", path, "--epochs", 6) == 0
    saves, whole_save = [], Checkpoint.save

    def interrupted(checkpoint, state):
        whole_save(checkpoint, state)
        saves.append(1)
        if len(saves) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "save", interrupted)
    assert run_main(tmp_path / "cut", path, "--epochs", 6) == 130
    monkeypatch.undo()
    assert [p.name for p in (tmp_path / "cut").iterdir()] == ["checkpoint.pt"]
    capsys.readouterr()
    assert run_main(tmp_path / "cut", path, "--epochs", 6) == 0
    assert "going on after epoch 3" in capsys.readouterr().out
    assert model_bytes(tmp_path / "cut") == model_bytes(tmp_path / "whole")
    histories = [
        json.loads((tmp_path / name / "metrics.json").read_text())["history"] for name in ("cut", "whole")
    ]
    for history in histories:
        history.pop("seconds")
    assert histories[0] == histories[1]


def test_another_file_or_other_settings_do_not_go_on_from_a_checkpoint(tmp_path, monkeypatch, capsys):
    path = written(tmp_path, *rows(100))

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rl.RewardModel, "save_pretrained", stop)
        assert run_main(tmp_path / "out", path, "--epochs", 2) == 130
    for arguments in ([path, "--seed", 7], [written(tmp_path, *rows(100, seed=3), name="other.jsonl")]):
        assert run_main(tmp_path / "out", *arguments, "--epochs", 2) == 1
        assert "a run with other data or settings" in capsys.readouterr().err
    assert run_main(tmp_path / "out", path, "--epochs", 3) == 0  # more epochs are the same run


@pytest.mark.slow
def test_a_killed_run_goes_on(tmp_path):
    path = written(tmp_path, *rows(2000))
    folder = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "reward_lab.train",
        "--train-file",
        str(path),
        "--output-dir",
        str(folder),
    ]
    command += ["--epochs", "400", "--patience", "400"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in child.stdout:
        if line.startswith("epoch   3/"):
            os.kill(child.pid, signal.SIGKILL)
            break
    child.wait()
    child.stdout.close()
    assert child.returncode == -signal.SIGKILL and not (folder / "metrics.json").exists()
    command[-3:] = ["12", "--patience", "400"]
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0 and "going on after epoch" in again.stdout, again.stderr
    assert json.loads((folder / "metrics.json").read_text())["epochs"] >= 12


# The loop


def stored(pairs, margins=None):
    """Pairs of one length as TokenPairs."""
    both = torch.stack(pairs, dim=1).reshape(-1, pairs[0].shape[1])  # preferred, rejected, preferred, ...
    offsets = np.arange(len(both) + 1) * both.shape[1]
    return TokenPairs(both.flatten().int().numpy(), offsets, margins, np.arange(len(pairs[0])))


def test_pairs_on_disk_train_like_pairs_in_memory():
    pairs = rl.SyntheticPreferenceDataset(200, 6, 30, seed=5).pairs
    histories = []
    for given in (pairs, stored(pairs)):
        torch.manual_seed(0)
        model = rl.RewardModel(30, 8, 16)
        config = rl.TrainConfig(epochs=3, log_every=0, patience=2)
        histories.append(rl.train_reward_model(model, given, given, config))
    assert histories[0].held_out_loss == histories[1].held_out_loss


def test_margins_ask_for_a_lead_and_the_loss_counts_it():
    """One pair whose rewards differ by d: with margin m the loss is log(1 + exp(m - d)), by hand."""
    pairs = torch.tensor([[1, 1]]), torch.tensor([[2, 2]])
    torch.manual_seed(0)
    model = rl.RewardModel(3, 4, 8)
    margins = np.array([1.5], dtype=np.float32)
    config = rl.TrainConfig(epochs=1, learning_rate=0.0, log_every=0)
    loss = rl.train_reward_model(model, stored(pairs, margins), stored(pairs, margins), config).held_out_loss[
        0
    ]
    d = (model(pairs[0]) - model(pairs[1])).item()
    assert loss == pytest.approx(np.log1p(np.exp(1.5 - d)), rel=1e-5)
    assert measure(model, stored(pairs, margins))["loss"] == pytest.approx(loss, rel=1e-5)
    leads = []
    for given in (stored(pairs), stored(pairs, np.array([8.0], dtype=np.float32))):
        torch.manual_seed(0)
        model = rl.RewardModel(3, 4, 8)
        rl.train_reward_model(model, given, given, rl.TrainConfig(epochs=200, log_every=0))
        leads.append((model(pairs[0]) - model(pairs[1])).item())
    assert leads[1] > leads[0] + 3


def test_the_calibration_error_is_counted_by_hand_and_falls_on_honest_probabilities():
    # Confidences .6 .6 .6 .9: the first three are right twice (|2/3 - .6|), the last is wrong (|0 - .9|).
    logit = np.log([0.6 / 0.4, 0.6 / 0.4, 0.4 / 0.6, 0.1 / 0.9])
    confidence, error = pair_calibration(torch.tensor(logit), bins=5)
    assert confidence == pytest.approx((3 * 0.6 + 0.9) / 4)
    assert error == pytest.approx((3 * abs(2 / 3 - 0.6) + 0.9) / 4)
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(200_000, generator=generator, dtype=torch.float64)
    won = torch.rand(200_000, generator=generator, dtype=torch.float64) < torch.sigmoid(truth)
    honest = torch.where(won, truth, -truth)
    assert pair_calibration(honest)[1] < 0.005 < 0.05 < pair_calibration(3 * honest)[1]
    assert pair_calibration(torch.zeros(4, dtype=torch.float64)) == (0.5, 0.0)


# Scoring


def scored(folder, tmp_path, text):
    (tmp_path / "in.jsonl").write_bytes(text)
    out = tmp_path / "out.jsonl"
    assert (
        score.main(["--model", str(folder), "--input", str(tmp_path / "in.jsonl"), "--output", str(out)]) == 0
    )
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    make().save_pretrained(path)
    return path


def test_completions_of_one_prompt_come_out_ranked_wherever_they_stand(folder, tmp_path):
    lines = [
        {"prompt": "p", "completion": "the the"},
        {"prompt": "q", "completions": ["cat", "the", ""]},
        {"prompt": "p", "completion": "cat cat"},
        {"completion": "alone"},
        {"prompt": [message("p", "user")], "completion": [message("🙂")]},
    ]
    text = "\r\n".join(map(json.dumps, lines)).encode()
    out = scored(folder, tmp_path, b"\xef\xbb\xbf" + text)
    assert [(row["prompt"], row["rank"]) for row in out] == [
        ("p", 1), ("p", 2), ("p", 3), ("q", 1), ("q", 2), ("q", 3), ("", None),
    ]  # fmt: skip
    assert sorted(row["line"] for row in out) == [1, 2, 2, 2, 3, 4, 5]
    for prompt in "pq":
        rewards = [row["score"] for row in out if row["prompt"] == prompt]
        assert rewards == sorted(rewards, reverse=True)
    model = rl.RewardModel.from_pretrained(folder)
    for row in out:
        assert row["score"] == pytest.approx(
            rl.score_texts(model, [row["completion"]], row["prompt"])[0].reward, abs=1e-6
        )
    assert next(row["unknown"] for row in out if row["completion"] == "alone") == 1


def test_a_score_does_not_depend_on_what_is_scored_with_it(folder):
    model = rl.RewardModel.from_pretrained(folder)
    texts = ["the cat", "", "cat " * 19] * 100
    together = [one.reward for one in rl.score_texts(model, texts)]
    alone = [rl.score_texts(model, [text])[0].reward for text in texts]
    assert together == pytest.approx(alone, abs=1e-6)
    assert rl.score_texts(model, []) == []


def test_plain_lines_are_completions_and_a_pipe_works_as_a_whole(folder):
    command = [sys.executable, "-m", "reward_lab.score", "--model", str(folder), "--plain", "--prompt", "the"]
    run = subprocess.run(command, input="cat\nthe שלום\n".encode(), capture_output=True)
    out = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0 and run.stderr == b""
    assert {row["completion"] for row in out} == {"cat", "the שלום"} and [row["rank"] for row in out] == [
        1,
        2,
    ]


@pytest.mark.parametrize(
    "line, problem",
    [
        (b"{", "line 1: not JSON"),
        (b'{"prompt": "a"}', "line 1: `completion` is missing"),
        (b'{"completions": "a"}', "line 1: `completions` must be a list, got text"),
        (b'{"completion": "a", "completions": ["a"]}', "keep one"),
        (b'{"completions": [3]}', "must be text or a list of chat messages, got a number"),
    ],
)
def test_a_bad_row_to_score_is_named(folder, tmp_path, capsys, line, problem):
    path = written(tmp_path, line)
    assert score.main(["--model", str(folder), "--input", str(path)]) == 1
    assert problem in capsys.readouterr().err


def test_files_can_be_given_and_a_wrong_folder_is_named(folder, tmp_path, capsys):
    path, out = written(tmp_path, {"completion": "the"}), tmp_path / "scores.jsonl"
    assert score.main(["--model", str(folder), "--input", str(path), "--output", str(out)]) == 0
    assert json.loads(out.read_text())["completion"] == "the"
    assert score.main(["--model", str(tmp_path), "--input", str(path)]) == 1
    assert "no reward model here" in capsys.readouterr().err


# The lesson's claims


def test_the_models_of_five_seeds_rank_the_lessons_texts_and_fall_for_nonsense():
    import ast

    from grader.build import ROOT

    source = (ROOT / "solutions" / "01_reward_modeling.py").read_text(encoding="utf-8")
    start = source.index("preference_data = [")
    pairs = ast.literal_eval(source[start + len("preference_data = ") : source.index("]\n", start) + 1])
    preferences = rl.load_preferences(EXAMPLE)
    own = {text for pair in preferences for text in (pair.preferred, pair.rejected)}
    assert len(pairs) == 3 and not own & {pair[key] for pair in pairs for key in ("preferred", "rejected")}
    for seed in range(5):
        config = rl.TextConfig(seed=seed, log_every=0)
        run = rl.train_on_preferences(preferences, config=config, say=lambda line: None)
        assert run.metrics["held_out"]["accuracy"] >= 0.97
        rewards = []
        for pair in pairs:
            good, bad = rl.score_texts(run.model, [pair["preferred"], pair["rejected"]], pair["prompt"])
            assert good.reward > bad.reward + 2
            rewards.append(good.reward)
        nonsense = "like like a dog a dog guitar telephone like like"
        assert rl.score_texts(run.model, [nonsense], pairs[0]["prompt"])[0].reward > max(rewards)


# The ecosystem's border


@pytest.fixture
def ecosystem(tmp_path, monkeypatch):
    """datasets and trl, without a network and with their caches in a temporary folder."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    trl = pytest.importorskip("trl")
    transformers = pytest.importorskip("transformers")
    datasets.disable_progress_bars()

    def load(path):
        return datasets.load_dataset(
            "json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache")
        )

    def step(rows):
        """One epoch of TRL's RewardTrainer with a tiny model; the tokens that it made of the rows."""
        import tokenizers

        words = WordTokenizer.train(["user assistant why because no good bad red green blue"] * 2)
        fast = transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizers.Tokenizer.from_str(words.to_json()),
            pad_token="[PAD]", unk_token="[UNK]", eos_token="[PAD]",
            chat_template="{% for message in messages %}{{ message['content'] }}\n{% endfor %}",
        )  # fmt: skip
        config = transformers.LlamaConfig(
            vocab_size=words.vocab_size, hidden_size=8, intermediate_size=8, num_hidden_layers=1,
            num_attention_heads=1, num_labels=1, pad_token_id=0, eos_token_id=0,
        )  # fmt: skip
        arguments = trl.RewardConfig(
            output_dir=str(tmp_path / "trl"), num_train_epochs=1, use_cpu=True, bf16=False, report_to=[],
            save_strategy="no", disable_tqdm=True, gradient_checkpointing=False,
        )  # fmt: skip
        model = transformers.LlamaForSequenceClassification(config)
        trainer = trl.RewardTrainer(model=model, args=arguments, train_dataset=rows, processing_class=fast)
        assert np.isfinite(trainer.train().training_loss)
        return trainer.train_dataset

    return load, step


ASK, ONE, OTHER = message("why", "user"), message("because good"), message("no bad")
FORMS = {
    "text with a prompt": {"prompt": "why", "chosen": " because good", "rejected": " no bad"},
    "text without a prompt": {"chosen": "why because good", "rejected": "why no bad"},
    "chat with a prompt": {"prompt": [ASK], "chosen": [ONE], "rejected": [OTHER]},
    "chat without a prompt": {"chosen": [ASK, ONE], "rejected": [ASK, OTHER]},
    "with a margin": {"prompt": "why", "chosen": " because good", "rejected": " no bad", "margin": 0.5},
}


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_each_form_that_trl_takes_loads_here_unchanged_with_the_same_words(tmp_path, ecosystem, form):
    load, step = ecosystem
    path = written(tmp_path, *[FORMS[form]] * 3)
    tokens = step(load(path))
    for pair in rl.load_preferences(path):
        ours = [f"{pair.prompt} {text}".split() for text in (pair.preferred, pair.rejected)]
        assert ours == [["why", "because", "good"], ["why", "no", "bad"]]
        assert pair.margin == FORMS[form].get("margin", 0)
    # TRL may add an end-of-text token, nothing else.
    for row in tokens:
        assert [len([t for t in row[name] if t > 1]) for name in ("chosen_ids", "rejected_ids")] == [3, 3]


@pytest.mark.slow
def test_the_file_that_comes_with_the_package_loads_and_trains_there(ecosystem):
    load, step = ecosystem
    loaded = load(EXAMPLE)
    assert loaded.column_names == ["prompt", "chosen", "rejected"]
    ours = [(pair.prompt, pair.preferred, pair.rejected) for pair in rl.load_preferences(EXAMPLE)]
    assert ours == [(row["prompt"], row["chosen"], row["rejected"]) for row in loaded]
    step(loaded.select(range(8)))


def test_a_file_that_datasets_writes_loads_here(tmp_path, ecosystem):
    load, _ = ecosystem
    path = written(tmp_path, {**FORMS["with a margin"], "note": "x"}, FORMS["text with a prompt"], *[
        {"prompt": text, "chosen": text + "+", "rejected": text} for text in ODD if "\x00" not in text
    ])  # fmt: skip
    load(path).to_json(tmp_path / "again.jsonl")  # fills what is missing with null
    assert "null" in (tmp_path / "again.jsonl").read_text()
    assert list(rl.load_preferences(tmp_path / "again.jsonl")) == list(rl.load_preferences(path))
