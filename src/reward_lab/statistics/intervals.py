"""Means of values that come in groups, such as pairs of one prompt: standard errors, intervals, tests."""

import math

import numpy as np


def clustered_se(values: np.ndarray, clusters: np.ndarray) -> float:
    """Standard error of a mean, where values of one cluster may depend on each other.

    sqrt(G / (G - 1) * sum over clusters of (sum over the cluster of (value - mean))^2) / n: Liang and Zeger, Longitudinal
    data analysis using generalized linear models (1986), for a mean, with the usual factor for G clusters; for
    evaluations of language models see Miller, Adding error bars to evals (2024).

    Args:
        values: (n,) numbers.
        clusters: (n,) anything that can be compared; equal ones are one cluster.

    Raises:
        ValueError: there is one cluster only, so that nothing can be said.
    """
    _, number = np.unique(clusters, return_inverse=True)
    count = number.max(initial=-1) + 1
    if count < 2:
        raise ValueError(f"clustered_se: {count} cluster: at least 2 prompts are needed for a standard error")
    sums = np.bincount(number, np.asarray(values, float) - np.mean(values))
    return math.sqrt(count / (count - 1) * np.square(sums).sum()) / len(values)


def mean_interval(values: np.ndarray, clusters: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Confidence interval of a mean of values from 0 to 1, such as an accuracy, which counts clusters.

    Wilson's interval (Probable inference, 1927) at the effective number of values (Korn and Graubard, Confidence
    intervals for proportions with small expected number of positive counts, 1998): m (1 - m) / clustered_se^2, at most n.
    The quantile is Student's, with clusters - 1 degrees of freedom. Where all values are 0, or all 1, the effective number
    is that of the clusters. It stays inside 0 and 1, and has a length where every value is right.

    Args:
        values: (n,) from 0 to 1.
        clusters: (n,), see clustered_se.
        level: the share of such intervals that hold the true mean.

    Raises:
        ValueError: there is one cluster only.
    """
    mean, error = float(np.mean(values)), clustered_se(values, clusters)
    groups = len(np.unique(clusters))
    # A plain rounding error must not become a huge effective number.
    number = min(len(values), mean * (1 - mean) / error**2) if error > 1e-12 else groups
    z = student_quantile((1 + level) / 2, groups - 1)
    middle = (mean + z**2 / (2 * number)) / (1 + z**2 / number)
    half = z / (1 + z**2 / number) * math.sqrt(mean * (1 - mean) / number + z**2 / (4 * number**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def mean_with_error(values: np.ndarray, clusters: np.ndarray, level: float = 0.95) -> dict[str, float | None]:
    """`value`, the mean of any numbers; its clustered standard error `se`; and the interval from `low` to `high`.

    The interval is mean +- t * se, with Student's t of clusters - 1 degrees of freedom. One cluster: None for all three.
    """
    mean, groups = float(np.mean(values)), len(np.unique(clusters))
    if groups < 2:
        return {"value": mean, "se": None, "low": None, "high": None}
    error = clustered_se(values, clusters)
    half = student_quantile((1 + level) / 2, groups - 1) * error
    return {"value": mean, "se": error, "low": mean - half, "high": mean + half}


def clustered_slope(x: np.ndarray, y: np.ndarray, clusters: np.ndarray) -> tuple[float, float]:
    """Slope of the least-squares line of y on x, with an intercept, and its clustered standard error.

    sqrt(G / (G - 1) * sum over clusters of (sum of (x - mean) * residual)^2) / sum of (x - mean)^2 (Liang and Zeger, 1986).

    Raises:
        ValueError: all x are equal, or there is one cluster only.
    """
    _, number = np.unique(clusters, return_inverse=True)
    count, centred = number.max(initial=-1) + 1, x - np.mean(x)
    spread = np.square(centred).sum()
    if count < 2 or not spread > 0:
        raise ValueError("clustered_slope: expected at least two clusters, and x that differ")
    slope = float((centred * y).sum() / spread)
    sums = np.bincount(number, centred * (y - np.mean(y) - slope * centred))
    return slope, math.sqrt(count / (count - 1) * np.square(sums).sum()) / float(spread)


def clustered_test(difference: np.ndarray, clusters: np.ndarray, draws: int = 10_000, seed: int = 0) -> float:
    """Two-sided p-value of a paired randomisation test: is the mean of these differences 0?

    If it makes no difference which of two models is which, every cluster's sum may as well have the other sign (Fisher, The
    design of experiments, 1935, section 21). The p-value is the share of random signs whose sum is at least as far from 0
    as the one observed, that one counted (Phipson and Smyth, Permutation p-values should never be zero, 2010). With one
    value of -1, 0 or 1 a cluster it estimates the exact McNemar test, `paired_test`.

    Args:
        difference: (n,) what the first model has more than the second, on each pair.
        clusters: (n,), see clustered_se.
        draws: random signs; the least p-value is 1 / (draws + 1).
        seed: of the signs.
    """
    _, number = np.unique(clusters, return_inverse=True)
    sums = np.bincount(number, np.asarray(difference, float))
    sums = sums[sums != 0]
    rng, extreme = np.random.default_rng(seed), 0
    for start in range(0, draws, 500):
        signs = rng.integers(0, 2, (min(500, draws - start), len(sums)), dtype=np.int8)
        flipped = (2.0 * signs - 1) @ sums
        extreme += int((np.abs(flipped) >= abs(sums.sum()) - 1e-9).sum())
    return (extreme + 1) / (draws + 1)


def student_quantile(probability: float, degrees: int) -> float:
    """The t below which Student's distribution has this probability, above 0.5; the normal one from 200 degrees on.

    By halving, on the finite sums of Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    if degrees >= 200:
        from statistics import NormalDist

        z = NormalDist().inv_cdf(probability)
        return z + (z**3 + z) / (4 * degrees)  # the first term of Fisher's expansion, 26.7.5
    low, high = 0.0, 1e4
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if _student_two_sided(middle, degrees) < 2 * probability - 1 else (low, middle)
        )
    return high


def _student_two_sided(t: float, degrees: int) -> float:
    """P(|T| < t)."""
    angle = math.atan(t / math.sqrt(degrees))
    term, total = (math.cos(angle), 0.0) if degrees % 2 else (1.0, 0.0)
    for k in range(1 + degrees % 2, degrees, 2):
        total += term
        term *= math.cos(angle) ** 2 * k / (k + 1)
    total *= math.sin(angle)
    return 2 / math.pi * (angle + total) if degrees % 2 else total
