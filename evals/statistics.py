"""Error bars for a benchmark of a few dozen items: intervals, paired tests, repeated attempts.

Items of one repository are alike, so what is weighed or flipped here is a whole repository, never a
single item. Everything random has a fixed seed: the same results give the same numbers.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist, fmean

CONFIDENCE = 0.95
"""Of every interval: the custom of the field."""
RESAMPLES = 2_000
"""Of a bootstrap; percentile intervals settle at about a thousand (Efron & Tibshirani 1993)."""
EXACT_CLUSTERS = 14
"""Up to so many clusters all 2**n sign flips are looked at; beyond, `FLIPS` random ones."""
FLIPS = 20_000
"""Random sign flips; the p-value's own error is then below 0.004."""
SEED = 20250301

Interval = tuple[float, float]


def wilson(successes: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """The score interval of a proportion (Wilson 1927), which also holds for few trials.

    Args:
        successes: how many of the trials succeeded.
        n: how many trials there were; none gives the interval (0, 1).
        confidence: in (0, 1).
    """
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = successes / n
    centre = p + z * z / (2 * n)
    spread = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def g_mean(accept: float | None, reject: float | None) -> float:
    """The geometric mean of the results on both classes (Kubat, Holte & Matwin 1998).

    A builder that refuses every session, or accepts every one, has 0, however the classes are
    sized. With one class alone, that class's result.
    """
    if accept is None or reject is None:
        return accept if accept is not None else reject if reject is not None else 0.0
    return math.sqrt(accept * reject)


def clustered_bootstrap(
    strata: Sequence[Mapping[str, Sequence[float]]],
    statistic: Callable[[Sequence[float | None]], float],
    confidence: float = CONFIDENCE,
) -> Interval:
    """A percentile interval by a Bayesian bootstrap over clusters (Rubin 1981).

    Each resample weighs whole clusters at random. A bootstrap alone is sure of itself where all
    values are alike: nine of nine would have the interval (1, 1). So every stratum gets half a
    cluster of 0 and half a cluster of 1 besides; with one success or failure in each cluster that
    makes Jeffreys' interval (Brown, Cai & DasGupta 2001).

    Args:
        strata: for each class, values in [0, 1] by cluster; weighed apart.
        statistic: gets each stratum's mean (None for an empty one), gives the number of interest.
        confidence: in (0, 1).

    Returns:
        The interval; what was observed lies in it.
    """
    draw = random.Random(SEED)  # noqa: S311 (statistics, not a secret)
    sums = [[(sum(v), len(v)) for v in stratum.values() if v] for stratum in strata]
    seen: list[float] = []
    for _ in range(RESAMPLES):
        seen.append(statistic([_weighed(clusters, draw) for clusters in sums]))
    seen.sort()
    tail = (1 - confidence) / 2
    low = seen[math.floor(tail * (RESAMPLES - 1))]
    high = seen[math.ceil((1 - tail) * (RESAMPLES - 1))]
    observed = statistic([_mean(clusters) for clusters in sums])
    return min(low, observed), max(high, observed)


def paired_permutation(differences: Mapping[str, Sequence[float]]) -> float:
    """The two-sided p-value of a paired comparison by flipping signs (Fisher 1935, Pitman 1937).

    Under the null hypothesis the two builders could be exchanged, so the sign of a whole cluster's
    differences is as likely one way as the other.

    Args:
        differences: score of one builder minus that of the other, by cluster.

    Returns:
        The share of sign flips whose total is at least as far from 0; 1 without any difference.
    """
    totals = [sum(values) for values in differences.values()]
    totals = [total for total in totals if total]
    if not totals:
        return 1.0
    limit = abs(sum(totals)) - 1e-9
    if len(totals) <= EXACT_CLUSTERS:
        flips = list(itertools.product((1, -1), repeat=len(totals)))
        hits = sum(abs(_flipped(totals, signs)) >= limit for signs in flips)
        return hits / len(flips)
    draw = random.Random(SEED)  # noqa: S311 (statistics, not a secret)
    hits = sum(
        abs(_flipped(totals, draw.choices((1, -1), k=len(totals)))) >= limit for _ in range(FLIPS)
    )
    return (hits + 1) / (FLIPS + 1)


def pass_at_1(successes: Sequence[Sequence[bool]]) -> float | None:
    """The chance that one attempt at an item succeeds, averaged over items (Chen et al. 2021)."""
    shares = [fmean(item) for item in successes if item]
    return fmean(shares) if shares else None


def pass_hat_k(successes: Sequence[Sequence[bool]], k: int) -> float | None:
    """The chance that k attempts at an item all succeed (pass^k; Yao et al. 2024, tau-bench).

    The unbiased estimate C(c, k) / C(n, k) for c successes in n attempts, averaged over the items
    with at least k attempts; None when there are none.
    """
    enough = [item for item in successes if len(item) >= k]
    if not enough:
        return None
    return fmean(math.comb(sum(item), k) / math.comb(len(item), k) for item in enough)


def _weighed(clusters: Sequence[tuple[float, int]], draw: random.Random) -> float | None:
    """The mean of a stratum in one resample: Gamma weights over their sum are Dirichlet ones."""
    if not clusters:
        return None
    size = sum(count for _, count in clusters) / len(clusters)
    low, high = (size * draw.gammavariate(0.5, 1) for _ in range(2))
    total, weight = high, low + high
    for value, count in clusters:
        share = draw.expovariate(1)
        total += share * value
        weight += share * count
    return total / weight


def _mean(clusters: Sequence[tuple[float, int]]) -> float | None:
    count = sum(count for _, count in clusters)
    return sum(value for value, _ in clusters) / count if count else None


def _flipped(totals: Sequence[float], signs: Sequence[int]) -> float:
    return sum(total * sign for total, sign in zip(totals, signs, strict=True))
