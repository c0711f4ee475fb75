"""What lesson 1 says is what its cells print."""

import re

import pytest

from ..running import printed, run_once

pytestmark = pytest.mark.slow


def test_lesson_1_scores_its_six_texts_as_its_text_claims(shared_folder):
    notebook, _ = run_once("01_reward_modeling", "source", shared_folder)
    text = printed(notebook)
    ranked = re.findall(r"reward +([+-][\d.]+)  (preferred|rejected) +\d+ of \d+ tokens unknown", text)
    rewards = [float(reward) for reward, _ in ranked]
    assert [label for _, label in ranked] == ["preferred", "rejected"] * 3
    assert all(good > bad + 2 for good, bad in zip(rewards[::2], rewards[1::2], strict=True))
    assert float(re.search(r"reward +([+-][\d.]+)  nonsense", text).group(1)) > max(rewards)
    training, held_out = re.findall(r"(?:training|held-out) accuracy {7}([\d.]+) +0.500", text)
    assert float(training) >= 0.99 and float(held_out) >= 0.95
    assert "0.0% unknown words" in text and "files: config.json model-" in text
    assert re.search(r"as the model reads it: gradient - based", text)


def test_lesson_1_shows_what_its_text_claims(shared_folder):
    notebook, _ = run_once("01_reward_modeling", "source", shared_folder)
    text = printed(notebook)

    def number(pattern):
        return float(re.search(pattern, text).group(1))

    assert (
        number(r"difference \+2: loss ([\d.]+)") == 0.1269
        and number(r"difference -2: loss ([\d.]+)") == 2.1269
    )
    assert "loss: 0.3769" in text and "parameters: 88,961" in text
    assert number(r"training accuracy +([\d.]+) +0.500") >= 0.999
    assert 0.63 < number(r"held-out accuracy +([\d.]+) +0.500") < 0.72
    assert 1.5 < number(r"held-out loss +([\d.]+) +0.693") < 2.5
    assert number(r"clustered texts ([\d.]+)") > 0.9
    assert 0.4 < number(r"uniform texts ([\d.]+)") < 0.6
    assert 0.80 < number(r"linear fit ([\d.]+)") < 0.85
    usual, fresh, decay, start, best = map(float, re.findall(r"mean held-out accuracy ([\d.]+)", text))
    assert 0.67 < usual < 0.72 and fresh > 0.92 and decay > 0.80 and start > 0.80 and best >= 0.82
    assert number(r"pairs seen in training: ([\d.]+)") > 0.99 and number(r"pairs really new: ([\d.]+)") < 0.72
