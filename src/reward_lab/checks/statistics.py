"""Statistical checks that almost never reject a right answer, and say how rarely."""

import math
from collections.abc import Mapping

FALSE_ALARM = 1e-8
"""Bound on the probability that one call of `surprising` rejects counts that have the stated law."""


def surprising(counts: Mapping, probabilities: Mapping) -> object | None:
    """The outcome whose count is least believable, or None if all counts are believable.

    A count X out of n with probability p satisfies P(X/n beyond q) <= exp(-n KL(q || p)) on either side
    (Chernoff, 1952; Boucheron, Lugosi, Massart, Concentration Inequalities, 2013, section 2.2). It is an
    inequality and no approximation, so with a union over outcomes and sides the whole call rejects
    right counts with probability at most FALSE_ALARM.

    Args:
        counts: outcome -> how often it came; missing ones came 0 times.
        probabilities: outcome -> probability under the stated law; they sum to 1.

    Returns:
        An outcome, or None. An outcome that has no probability is always surprising.
    """
    impossible = [outcome for outcome, count in counts.items() if count and not probabilities.get(outcome)]
    if impossible:
        return impossible[0]
    n = sum(counts.values())
    divergence = {o: _binary_kl(counts.get(o, 0) / n, p) for o, p in probabilities.items()}
    worst = max(divergence, key=divergence.get)
    return worst if n * divergence[worst] > math.log(2 * len(probabilities) / FALSE_ALARM) else None


def _binary_kl(q: float, p: float) -> float:
    """KL divergence in nats between Bernoulli(q) and Bernoulli(p), for 0 < p < 1 or q == p."""
    return sum(a * math.log(a / b) for a, b in ((q, p), (1 - q, 1 - p)) if a > 0)
