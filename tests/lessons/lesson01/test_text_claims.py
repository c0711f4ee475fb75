"""What lesson 1 says about its model of real texts is what its cells print."""

import re

import pytest

from tests.lessons.test_lessons import printed, run_once

pytestmark = pytest.mark.slow


def test_lesson_1_scores_its_six_texts_as_its_text_claims():
    notebook, _ = run_once("01_reward_modeling", "source")
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
