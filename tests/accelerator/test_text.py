"""One's own preferences on a pretrained backbone, on another device: the same vectors, heads and scores as on the CPU."""

import json

import numpy as np
import pytest
import torch

from reward_lab.language import ecosystem
from tests.text.test_nonsense import pairs_file

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    with ecosystem.quiet():
        ecosystem.save_tiny_model(folder)
    return folder


@pytest.fixture
def saving_from_there(monkeypatch):
    """The stand-in's tensors have no storage, which safetensors asks for: the model goes to the CPU while it is saved."""
    from reward_lab.text import backbone_run

    save = backbone_run.save_reward_model

    def moved(model, *rest):
        where = next(model.parameters()).device
        save(model.to("cpu"), *rest)
        model.to(where)

    monkeypatch.setattr(backbone_run, "save_reward_model", moved)


def test_a_head_is_embedded_fitted_saved_and_scores_there(model, device, tmp_path, saving_from_there):
    from reward_lab import load_preferences
    from reward_lab.text.backbone_run import BackboneConfig, train_on_backbone
    from reward_lab.text.scoring import load_reward_model, score_pairs

    path = pairs_file(tmp_path)
    texts = [
        (pair.prompt, side) for pair in load_preferences(path) for side in (pair.preferred, pair.rejected)
    ]
    found = {}
    for where in ("cpu", device):
        out = tmp_path / where
        for pooling in ("last", "mean"):
            config = BackboneConfig(str(model), pooling=pooling)
            run = train_on_backbone(
                load_preferences(path), None, config, out / pooling, where, lambda line: None
            )
            assert {p.device.type for p in run.model.model.parameters()} == {torch.device(where).type}
            again = load_reward_model(out / pooling, where)
            scores = [[one.reward for one in score_pairs(kind, texts)] for kind in (run.model, again)]
            assert scores[0] == pytest.approx(scores[1], abs=1e-5)
            found[where, pooling] = [
                *scores[0],
                run.metrics["held_out"]["loss"],
                run.metrics["spent"]["tokens"],
            ]
    for pooling in ("last", "mean"):
        np.testing.assert_allclose(found[device, pooling], found["cpu", pooling], rtol=1e-3, atol=1e-3)


def test_a_saved_model_is_evaluated_there(model, device, tmp_path):
    from reward_lab import load_preferences
    from reward_lab.text.backbone_run import BackboneConfig, train_on_backbone
    from reward_lab.text.evaluation import Labelled, evaluate
    from reward_lab.text.scorer import load_scorer

    path = pairs_file(tmp_path)
    train_on_backbone(
        load_preferences(path), None, BackboneConfig(str(model)), tmp_path / "out", "cpu", lambda line: None
    )
    reports = [
        evaluate(Labelled(path), {"m": load_scorer(tmp_path / "out", where)}) for where in ("cpu", device)
    ]
    plain = [json.loads(json.dumps(report)) for report in reports]
    assert plain[0]["accuracy"] == plain[1]["accuracy"] and plain[0]["rows"] == 40
    assert plain[1]["length"]["slope"] == pytest.approx(plain[0]["length"]["slope"], abs=1e-4)
