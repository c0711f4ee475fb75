"""What the tests of every lesson's checks share: a check asked about an answer, and the seeds it is asked with."""

import pytest

from reward_lab.checks.naming import ways
from reward_lab.checks.subject import LocalSubject

SEEDS = ["public", *(f"secret-{number}" for number in range(6))]


def reports_of(checks):
    """report_on(name, answer, seed, device) for the exercises of a lesson's module of checks."""

    def report_on(name, answer, seed="public", device="cpu"):
        return getattr(checks, name).report(lambda s: LocalSubject(answer, device, s), seed)

    return report_on


def known(tables, program=lambda mistake: mistake):
    """Rows (exercise, sentence, answer) for each way to make each mistake in these tables, exercise -> mistakes."""
    return [
        pytest.param(name, said, program(mistake), id=f"{name}-{number}")
        for name, mistakes in tables.items()
        for number, (said, mistake) in enumerate(ways(mistakes))
    ]
