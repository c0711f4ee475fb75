"""What lesson 1 says is what its cells print."""

import re

import pytest

from reward_lab.lessons.lesson01 import predict

from ..running import printed, quoted, run_once

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
    (unknown,) = re.findall(r"([\d.]+)% unknown words", text)  # those of topics that are held out
    assert float(unknown) < 1 and "files: config.json model-" in text
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


def test_the_numbers_that_the_text_quotes_are_those_of_the_run(shared_folder):
    text, lesson = printed(run_once("01_reward_modeling", "source", shared_folder)[0]), "01_reward_modeling"

    def number(pattern):
        return float(re.search(pattern, text).group(1))

    network, linear = (number(rf"held-out accuracy: .*{name} ([\d.]+)") for name in ("network", "linear fit"))
    (more,) = quoted(lesson, "The linear fit beats the network by more than # on the same")
    (last,) = quoted(lesson, "the noise that remains costs the last #")
    assert linear - network > more + 0.02 and 1 - linear == pytest.approx(last, abs=0.025)
    usual, _, _, start, _ = map(float, re.findall(r"mean held-out accuracy ([\d.]+)", text))
    (up,) = quoted(lesson, "The held-out accuracy is up by more than #.")
    assert start - usual > up
    (about,) = quoted(lesson, "it ends at about #, almost three times what")
    loss = number(r"held-out loss +([\d.]+) +0.693")
    assert loss == pytest.approx(about, abs=0.25) and 2.5 < loss / 0.693 < 3.2
    (apart,) = quoted(lesson, "All three pairs come out right, each by more than #.")
    rewards = [float(x) for x in re.findall(r"reward +([+-][\d.]+)  (?:preferred|rejected)", text)]
    assert min(good - bad for good, bad in zip(rewards[::2], rewards[1::2], strict=True)) > apart
    assert (
        number(r"clustered texts ([\d.]+)")
        > quoted(lesson, "a correlation above #. By the usual standard")[0]
    )
    (weights,) = quoted(lesson, "It has 1,000 weights, the network #.")
    assert weights == float(re.search(r"parameters: ([\d,]+)", text).group(1).replace(",", ""))
    right = {name: question.right for name, question in predict.questions.items() if question.choices}
    assert linear > network and right["network_or_linear"] == 2 and right["small_start"] == 2
    assert number(r"difference -2: loss ([\d.]+)") < 2.2 and right["far_left"] == 2
