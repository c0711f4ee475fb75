"""Saved models: they come back whole or not at all."""

import json
import os
import shutil
import subprocess
import sys
import textwrap

import pytest
import torch

import reward_lab as rl
from reward_lab.checkpoint import Checkpoint
from reward_lab.text import WordTokenizer

TEXTS = ["the cat", "", "🙂 שלום the", "zebra", "cat " * 50]


def make(seed=0, words="the cat the cat 🙂 🙂", dtype=torch.float32):
    tokenizer = WordTokenizer.train([words], max_length=20)
    torch.manual_seed(seed)
    model = rl.RewardModel(tokenizer.vocab_size, 8, 16, padding_id=0).to(dtype)
    model.tokenizer = tokenizer
    return model.eval()


def rewards(model):
    return [score.reward for score in rl.score_texts(model, TEXTS, "the")]


@pytest.fixture
def saved(tmp_path):
    model = make()
    model.save_pretrained(tmp_path / "model")
    return model, tmp_path / "model"


def test_a_model_comes_back_with_its_scores_its_tokenizer_and_in_evaluation_mode(saved):
    model, folder = saved
    again = rl.RewardModel.from_pretrained(folder)
    assert rewards(again) == rewards(model) and not again.training
    assert again.tokenizer.to_json() == model.tokenizer.to_json()
    assert all(p.requires_grad and p.device.type == "cpu" for p in again.parameters())
    assert {path.suffix for path in folder.iterdir()} == {".json", ".safetensors"}


def test_the_weights_are_plain_safetensors_and_the_config_says_what_the_model_is(saved):
    from safetensors.torch import load_file

    model, folder = saved
    (weights,) = folder.glob("*.safetensors")
    tensors = load_file(weights)
    assert all(torch.equal(tensors[name], value) for name, value in model.state_dict().items())
    config = json.loads((folder / "config.json").read_text())
    assert config["model"] == {"vocab_size": 5, "embed_dim": 8, "hidden_dim": 16, "padding_id": 0}
    assert "not an AutoModelForSequenceClassification" in config["note"]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_dtype_is_kept_and_loading_draws_no_random_number(tmp_path, dtype):
    model = make(dtype=dtype)
    model.save_pretrained(tmp_path)
    torch.manual_seed(5)
    again = rl.RewardModel.from_pretrained(str(tmp_path))
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))
    assert {p.dtype for p in again.parameters()} == {dtype} and rewards(again) == rewards(model)


def test_a_model_of_token_ids_needs_no_tokenizer(tmp_path):
    model = rl.RewardModel(10, 4, 8)
    model.save_pretrained(tmp_path)
    again = rl.RewardModel.from_pretrained(tmp_path)
    tokens = torch.randint(10, (5, 6))
    assert torch.equal(again(tokens), model(tokens)) and again.encoder.padding_id is None
    with pytest.raises(ValueError, match="no tokenizer"):
        rl.score_texts(again, ["a"])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA on this machine")
def test_a_model_moves_between_devices(saved, tmp_path):
    model, folder = saved
    on_cuda = rl.RewardModel.from_pretrained(folder, "cuda")
    assert next(on_cuda.parameters()).is_cuda
    assert rewards(on_cuda) == pytest.approx(rewards(model), abs=1e-5)
    on_cuda.save_pretrained(tmp_path / "cuda")
    assert rewards(rl.RewardModel.from_pretrained(tmp_path / "cuda")) == rewards(model)


def test_a_new_model_takes_the_place_of_the_old_one_and_other_files_stay(saved):
    _, folder = saved
    (folder / "notes.txt").write_text("mine")
    (folder / ".model-0.safetensors.tmp").write_text("left by a killed program")
    new = make(seed=1, words="other words other words")
    new.save_pretrained(folder)
    assert rewards(rl.RewardModel.from_pretrained(folder)) == rewards(new)
    assert len(list(folder.iterdir())) == 4 and (folder / "notes.txt").read_text() == "mine"


# Damaged and foreign folders


def refused(folder, error=ValueError):
    with pytest.raises(error) as caught:
        rl.RewardModel.from_pretrained(folder)
    return str(caught.value)


def test_a_folder_without_a_model_is_named(tmp_path):
    assert "no config.json" in refused(tmp_path, FileNotFoundError)
    assert "nowhere" in refused(tmp_path / "nowhere", FileNotFoundError)


@pytest.mark.parametrize("pattern", ["*.safetensors", "tokenizer-*.json"])
def test_a_flipped_bit_a_short_file_and_a_missing_file_are_seen(saved, pattern):
    _, folder = saved
    (path,) = folder.glob(pattern)
    whole = path.read_bytes()
    path.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    assert f"{path.name} is damaged" in refused(folder)
    path.write_bytes(whole[:-1])
    assert "is damaged" in refused(folder)
    path.unlink()
    assert "missing" in refused(folder)


def test_a_damaged_config_is_seen(saved):
    _, folder = saved
    path = folder / "config.json"
    config = json.loads(path.read_text())
    path.write_text(path.read_text()[:-20])
    assert "config.json is damaged" in refused(folder)
    path.write_bytes(b"\xff")
    assert "config.json is damaged" in refused(folder)

    def with_change(change):
        changed = json.loads(json.dumps(config))
        change(changed)
        path.write_text(json.dumps(changed))
        return refused(folder)

    assert "update reward-lab" in with_change(lambda c: c.update(version=2))
    assert "does not fit" in with_change(lambda c: c["model"].update(hidden_dim=17))
    assert "does not fit" in with_change(lambda c: c["model"].update(vocab_size=10**12))
    assert "does not fit" in with_change(lambda c: c["model"].update(layers=3))
    assert "names no file" in with_change(lambda c: c["files"].pop("weights"))
    assert "names no file" in with_change(lambda c: c["files"]["weights"].update(name="../x.safetensors"))
    assert "expected `model` and `files`" in with_change(lambda c: c.pop("model"))


def test_a_foreign_folder_is_neither_read_nor_overwritten(tmp_path):
    foreign = json.dumps({"model_type": "bert", "architectures": ["BertForSequenceClassification"]})
    (tmp_path / "config.json").write_text(foreign)
    assert "transformers model (bert)" in refused(tmp_path)
    with pytest.raises(ValueError, match="another kind"):
        make().save_pretrained(tmp_path)
    assert os.listdir(tmp_path) == ["config.json"] and (tmp_path / "config.json").read_text() == foreign
    for text in ("[]", "{}", "3"):
        (tmp_path / "config.json").write_text(text)
        assert "another kind" in refused(tmp_path)


def test_transformers_refuses_our_folder(saved):
    transformers = pytest.importorskip("transformers")
    with pytest.raises(ValueError, match="model_type|Unrecognized"):
        transformers.AutoModelForSequenceClassification.from_pretrained(saved[1])


# Interrupted saving


class Died(Exception):
    pass


@pytest.mark.parametrize("call", ["replace", "fsync"])
@pytest.mark.parametrize("moment", range(1, 4))
def test_whenever_saving_stops_the_last_good_model_stays(saved, monkeypatch, call, moment):
    model, folder = saved
    new, calls, whole = make(seed=1, words="new new"), [], getattr(os, call)

    def dying(*arguments):
        calls.append(arguments)
        if len(calls) == moment:
            raise Died
        return whole(*arguments)

    monkeypatch.setattr(os, call, dying)
    with pytest.raises(Died):
        new.save_pretrained(folder)
    monkeypatch.undo()
    assert rewards(rl.RewardModel.from_pretrained(folder)) == rewards(model)
    new.save_pretrained(folder)
    assert rewards(rl.RewardModel.from_pretrained(folder)) == rewards(new)
    assert len(list(folder.iterdir())) == 3


KILLED = """
import os, random, signal, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
import reward_lab as rl

folder, rounds, rng = Path(sys.argv[1]), 60, random.Random(0)
models = []
for seed in range(2):
    torch.manual_seed(seed)
    models.append(rl.RewardModel(3000, 32, 16).eval())
tokens = torch.randint(3000, (4, 9))
expected = [model(tokens) for model in models]
models[0].save_pretrained(folder)
cut_short, seen = 0, set()
for number in range(rounds):
    child = os.fork()
    if child == 0:
        while True:
            for model in models:
                model.save_pretrained(folder)
    time.sleep(rng.uniform(0.005, 0.05))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    loaded = rl.RewardModel.from_pretrained(folder)(tokens)
    seen |= {index for index, right in enumerate(expected) if torch.equal(loaded, right)}
    assert any(torch.equal(loaded, right) for right in expected), number
    cut_short += len(list(folder.iterdir())) != 2
print(cut_short, len(seen))
"""


@pytest.mark.slow
def test_sigkill_during_saving_leaves_a_whole_model_each_of_sixty_times(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "model")],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    cut_short, models_seen = map(int, run.stdout.split())
    assert (
        cut_short >= 5 and models_seen == 2
    )  # the kills did strike in the middle, and both models were there


# Checkpoints


def test_a_checkpoint_is_of_one_run_and_a_damaged_one_is_refused(tmp_path):
    path = tmp_path / "checkpoint.pt"
    assert Checkpoint(path, "a").load() is None
    Checkpoint(path, "a").save({"x": torch.arange(3), "n": [1.5]})
    state = Checkpoint(path, "a").load()
    assert state["x"].tolist() == [0, 1, 2] and state["n"] == [1.5]
    with pytest.raises(ValueError, match="other data or settings"):
        Checkpoint(path, "b").load()
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="delete it to start anew"):
        Checkpoint(path, "a").load()
    Checkpoint(path, "a").delete()
    Checkpoint(path, "a").delete()
    assert Checkpoint(path, "a").load() is None


def test_a_checkpoint_runs_no_code(tmp_path):
    class Attack:
        def __reduce__(self):
            return (shutil.rmtree, (str(tmp_path / "precious"),))

    (tmp_path / "precious").mkdir()
    torch.save({"run": "a", "state": Attack()}, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="damaged"):
        Checkpoint(tmp_path / "checkpoint.pt", "a").load()
    assert (tmp_path / "precious").exists()
