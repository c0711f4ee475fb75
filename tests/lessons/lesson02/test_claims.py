"""What lesson 2 says in words is what its cells print."""

import re

import pytest

from ..running import printed, quoted, run_once

pytestmark = pytest.mark.slow
LESSON = "02_bradley_terry"


def test_lesson_2_shows_what_its_text_claims(shared_folder):
    text = printed(run_once(LESSON, "source", shared_folder)[0])

    def numbers(pattern):
        found = re.search(pattern, text)
        assert found, pattern
        return [float(number.replace(",", "")) for number in found.groups()]

    # Section 2: Climber has the higher win rate and the lower ability.
    middle, climber = (
        numbers(rf"{name} +win rate ([\d.]+) +ability ([+-][\d.]+)") for name in ("Middle", "Climber")
    )
    assert climber[0] > middle[0] and climber[1] < middle[1]
    assert "Milwaukee" in text and "273 games" in text and re.search(r"Baltimore .* 18\n", text)

    # Section 3: the level can't be seen; an ability that never lost grows by the same amount for each factor of ten.
    assert len(set(re.findall(r"log-likelihood (-[\d.]+)", text))) == 1
    ability = r"ability of A after 10 iterations ([\d.]+), 100 iterations ([\d.]+), 1,000 iterations ([\d.]+), 10,000"
    never, once = (
        numbers(rf"{name}: {ability} iterations ([\d.]+)") for name in ("A never lost", "A lost once")
    )
    steps = [b - a for a, b in zip(never, never[1:], strict=False)]
    assert max(steps) - min(steps) < 0.05 and min(steps) > 1.4 and 6.8 < never[3] < 7
    assert once[1] == once[2] == once[3] and once[3] < 1.6

    # Section 5: a step of 0.1 never arrives, the others do; the printed abilities.
    gaps = {name: numbers(rf"{name} +missing after 5 iterations ([\de.+-]+), after 30 ([\de.+-]+)") for name in
            ("gradient, step 0.1", "gradient, step 0.02", "classical iteration", "Newton")}  # fmt: skip
    assert min(gaps["gradient, step 0.1"]) > 1 and gaps["gradient, step 0.02"][1] < 1e-8
    assert gaps["classical iteration"][1] < 1e-12 and gaps["Newton"][0] < 1e-12
    table = re.findall(r"^(\w[\w ]+?) +[+-][\d.]+ +(-?[\d.]+) +([\d.]+)$", text, re.MULTILINE)
    assert len([row for row in table if row[1] == row[2]]) == 7

    # Section 6: Milwaukee can't be told from four teams, most pairs can't; it comes first in little more than half.
    errors = [
        tuple(map(float, row))
        for row in re.findall(r"[+-]\d\.\d\d +(0\.\d{3}) +(0\.\d{3})$", text, re.MULTILINE)
    ]
    assert len(errors) == 7 and all(0.195 < own < 0.235 for own, _ in errors)
    assert all(0.33 < fixed < 0.345 for _, fixed in errors[:-1]) and errors[-1][1] == 0
    assert numbers(r"pairs told apart: (\d+) of 21") == [9]
    assert 50 < numbers(r"first place in (\d+)% Milwaukee")[0] < 60

    # Section 7: doubling changes no ability, and every standard error by the square root of 2.
    assert numbers(r"two fits: ([\d.]+)") == [0]
    assert numbers(r"games in her table: (\d+), played: (\d+)") == [546, 273]
    assert numbers(r"with your count: (\d+) games, (\d+) pairs told apart") == [273, 9]
    doubled, right = numbers(r"standard error of Milwaukee: ([\d.]+), in place of ([\d.]+)")
    assert right / doubled == pytest.approx(2**0.5, abs=0.01)
    assert numbers(r"pairs told apart: (\d+), in place of (\d+)") == [11, 9]
    assert 0.935 < numbers(r"counted once: coverage ([\d.]+)")[0] < 0.965
    assert 0.81 < numbers(r"counted twice: coverage ([\d.]+)")[0] < 0.835

    # Section 8: the published order effect and deviance.
    assert numbers(r"home advantage ([\d.]+), standard error ([\d.]+) \(published: 0.302, 0.131\)") == [
        0.302,
        0.131,
    ]
    assert numbers(r"between equals: ([\d.]+)") == [0.575]
    without, lower = numbers(
        r"home advantage ([\d.]+) \(published: 44.053\), with it [\d.]+: lower by ([\d.]+)"
    )
    assert without == 44.053 and lower > 3.84
    assert numbers(r"largest change of an ability: ([\d.]+)")[0] < 0.05

    # Section 9: both ways find the scores; only the pairs claim too much.
    number = r"([+-][\d.]+)"
    for way in (r"choices \(Plackett-Luce\)", r"all pairs \(Bradley-Terry\)"):
        assert numbers(rf"{way} +mean estimates {' '.join([number] * 5)}") == pytest.approx(
            [1, 0.5, 0, -0.5, -1], abs=0.04
        )
    (spread, claimed, held), (p_spread, p_claimed, p_held) = (
        map(float, row)
        for row in re.findall(r"spread ([\d.]+), standard error claimed ([\d.]+), coverage ([\d.]+)", text)
    )
    assert abs(spread - claimed) < 0.01 and 0.935 < held < 0.965
    assert spread < p_spread < 1.15 * spread and p_claimed < 0.8 * p_spread and 0.82 < p_held < 0.89

    # Section 10: the table, the embedding and the network agree; a table of texts that occur once is refused.
    assert numbers(r"\nembedding: 7 parameters, .*centred: ([\d.]+)")[0] < 0.001
    assert numbers(r"reward model: 489 parameters, .*centred: ([\d.]+)")[0] < 0.001
    assert "not connected" in text


def test_the_numbers_that_the_text_quotes_are_those_of_the_run(shared_folder):
    text = printed(run_once(LESSON, "source", shared_folder)[0])

    def number(pattern):
        return float(re.search(pattern, text).group(1))

    alpha, percent, even = quoted(LESSON, "Being at home is worth about #, or # % in place of # %")
    assert number(r"home advantage ([\d.]+), standard") == pytest.approx(alpha, abs=0.005) and even == 50
    assert 100 * number(r"between equals: ([\d.]+)") == pytest.approx(percent)
    fell, theory = quoted(LESSON, "Counted twice, it falls to about #, close to the # of theory")
    assert number(r"counted twice: coverage ([\d.]+)") == pytest.approx(fell, abs=0.015) and theory == 0.834
    games, most, pairs = quoted(
        LESSON, "# games, and the teams are up to # log-odds apart. There are # pairs of teams"
    )
    assert (games, pairs) == (273, 21) and number(r"Milwaukee +\+[\d.]+ +([\d.]+)") == pytest.approx(
        most, abs=0.05
    )
