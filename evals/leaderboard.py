"""What a run's results say of each builder: one headline number, its interval, and all the rest.

The headline is the geometric mean of two means: of the scores over the accept items, and over the
reject items (`evals.statistics.g_mean`). Each item counts once, however often it was attempted, and
attempts that were not run count nowhere.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from evals import formula
from evals.results import Key, Result
from evals.score import Score
from evals.statistics import (
    Interval,
    clustered_bootstrap,
    g_mean,
    paired_permutation,
    pass_at_1,
    pass_hat_k,
    wilson,
)


@dataclass(frozen=True)
class Row:
    """One builder.

    Attributes:
        builder: its name.
        control: whether it is one of the controls.
        headline: in [0, 1].
        interval: of the headline, 95 %; see `evals.statistics.clustered_bootstrap`.
        accept: mean score over accept items; None without any.
        reject: the same over reject items.
        public: the headline over items that come with Kettle.
        held_out: the headline over the others.
        items: how many items were scored.
        attempts: how many attempts were scored.
        not_run: how many attempts were not run.
        qualified: share of items with the right verdict and reason.
        valid: how many attempts are without any fault.
        valid_interval: of their share, 95 %, Wilson.
        pass_1: see `evals.statistics.pass_at_1`.
        pass_k: see `evals.statistics.pass_hat_k`, for the k below.
        k: the most attempts that any item had.
        claim_gap: share that was claimed to be accepted minus share that really is valid.
        gates: share of the environments that pass each gate, of those that came to it.
        rates: means of the rates that were measured.
        start_exact: share of the environments with exactly the true start state.
        dollars: USD an attempt.
        tokens: tokens an attempt.
        turns: queries an attempt.
        minutes: minutes an attempt, building only.
        image_mb: mean image size in MiB.
        failures: how often each first fault was seen.
    """

    builder: str
    control: bool
    headline: float
    interval: Interval
    accept: float | None
    reject: float | None
    public: float | None
    held_out: float | None
    items: int
    attempts: int
    not_run: int
    qualified: float
    valid: int
    valid_interval: Interval
    pass_1: float | None
    pass_k: float | None
    k: int
    claim_gap: float
    gates: Mapping[str, float | None]
    rates: Mapping[str, float | None]
    start_exact: float | None
    dollars: float
    tokens: float
    turns: float
    minutes: float
    image_mb: float | None
    failures: Mapping[str, int]


@dataclass(frozen=True)
class Comparison:
    """Two builders on the items that both were scored on.

    Attributes:
        first: name of the one.
        second: name of the other.
        items: how many items they share.
        first_headline: over these items.
        second_headline: over these items.
        difference: mean difference of the items' scores, first minus second.
        p_value: two-sided, by a paired permutation over repositories.
        better: items where the first scores higher.
        worse: items where the second does.
    """

    first: str
    second: str
    items: int
    first_headline: float
    second_headline: float
    difference: float
    p_value: float
    better: tuple[str, ...]
    worse: tuple[str, ...]


def rows(results: Iterable[Result]) -> list[Row]:
    """All builders, models first, the best first."""
    by_builder: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_builder[result.builder].append(result)
    made = [_row(name, found) for name, found in by_builder.items()]
    return sorted(made, key=lambda r: (r.control, -r.headline, r.builder))


def compare(results: Iterable[Result], first: str, second: str) -> Comparison:
    """Two builders on the same items; see `Comparison`.

    Raises:
        ValueError: they share no scored item.
    """
    scored = [r for r in results if r.status == "scored"]
    one = _by_item(r for r in scored if r.builder == first)
    two = _by_item(r for r in scored if r.builder == second)
    shared = sorted(one.keys() & two.keys())
    if not shared:
        raise ValueError(f"{first} and {second} share no scored item.")
    place = {r.item: r.repository for r in scored}
    differences: dict[str, list[float]] = defaultdict(list)
    for item in shared:
        differences[place[item]].append(_value(one[item]) - _value(two[item]))
    return Comparison(
        first=first,
        second=second,
        items=len(shared),
        first_headline=_headline([one[i] for i in shared]) or 0.0,
        second_headline=_headline([two[i] for i in shared]) or 0.0,
        difference=fmean(d for values in differences.values() for d in values),
        p_value=paired_permutation(differences),
        better=tuple(i for i in shared if _value(one[i]) > _value(two[i])),
        worse=tuple(i for i in shared if _value(one[i]) < _value(two[i])),
    )


def matrix(results: Iterable[Result]) -> dict[str, dict[str, list[Result]]]:
    """Results by item and builder, attempts in their order."""
    cells: dict[str, dict[str, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for result in sorted(results, key=lambda r: (r.item, r.attempt)):
        cells[result.item][result.builder].append(result)
    return cells


def merged(logs: Iterable[Mapping[Key, Result]]) -> list[Result]:
    """The results of several runs as those of one.

    Raises:
        ValueError: two runs have the same attempt, or another version of an item.
    """
    found: dict[Key, Result] = {}
    digests: dict[str, str] = {}
    for log in logs:
        for key, result in log.items():
            if key in found:
                if found[key].control and result.control:
                    continue  # every run brings its own controls
                raise ValueError(f"{key[0]} at {key[1]}, attempt {key[2]}, is in two of the runs.")
            if digests.setdefault(result.item, result.item_digest) != result.item_digest:
                raise ValueError(f"The runs have different versions of the item {result.item}.")
            found[key] = result
    return list(found.values())


def _row(builder: str, results: Sequence[Result]) -> Row:
    scored = [r for r in results if r.status == "scored" and r.score is not None]
    by_item = _by_item(scored)
    scores = [r.score for r in scored if r.score is not None]
    place = {r.item: r.repository for r in scored}
    strata = []
    for expected in ("accept", "reject"):
        clusters: dict[str, list[float]] = defaultdict(list)
        for item, found in by_item.items():
            if found[0].expected == expected:
                clusters[place[item]].append(_value(found))
        strata.append(clusters)
    accept, reject = (
        fmean(v for values in stratum.values() for v in values) if stratum else None
        for stratum in strata
    )
    environments = [s for s in scores if s.gates]
    valid = sum(s.valid for s in scores)
    successes = [[s.valid for s in found] for found in by_item.values()]
    k = max((len(found) for found in successes), default=0)
    built = [r.built for r in scored if r.built is not None]
    public = {r.item for r in scored if r.public}
    return Row(
        builder=builder,
        control=any(r.control for r in results),
        headline=g_mean(accept, reject),
        interval=clustered_bootstrap(strata, lambda means: g_mean(means[0], means[1])),
        accept=accept,
        reject=reject,
        public=_headline([s for item, s in by_item.items() if item in public]),
        held_out=_headline([s for item, s in by_item.items() if item not in public]),
        items=len(by_item),
        attempts=len(scored),
        not_run=len(results) - len(scored),
        qualified=fmean(fmean(s.qualified for s in found) for found in by_item.values())
        if by_item
        else 0.0,
        valid=valid,
        valid_interval=wilson(valid, len(scores)),
        pass_1=pass_at_1(successes),
        pass_k=pass_hat_k(successes, k) if k else None,
        k=k,
        claim_gap=fmean(s.claim_gap for s in scores) if scores else 0.0,
        gates={
            name: _mean(s.gates[name].passed for s in environments if name in s.gates)
            for name in formula.GATES
        },
        rates={
            name: _mean(v for s in environments if (v := s.rates.get(name)) is not None)
            for name in formula.RATES
        },
        start_exact=_mean(s.start_exact for s in environments if s.start_exact is not None),
        dollars=_mean(b.dollars for b in built) or 0.0,
        tokens=_mean(b.tokens for b in built) or 0.0,
        turns=_mean(b.turns for b in built) or 0.0,
        minutes=(_mean(b.seconds for b in built) or 0.0) / 60,
        image_mb=_mean(s.image_mb for s in environments if s.image_mb is not None),
        failures=Counter(s.failure for s in scores if s.failure),
    )


def _by_item(results: Iterable[Result]) -> dict[str, list[Score]]:
    found: dict[str, list[Score]] = defaultdict(list)
    for result in sorted(results, key=lambda r: r.attempt):
        if result.score is not None:
            found[result.item].append(result.score)
    return found


def _headline(items: Sequence[Sequence[Score]]) -> float | None:
    if not items:
        return None
    means = [
        _mean(_value(found) for found in items if found[0].expected == expected)
        for expected in ("accept", "reject")
    ]
    return g_mean(means[0], means[1])


def _value(scores: Sequence[Score]) -> float:
    return fmean(score.value for score in scores)


def _mean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return fmean(listed) if listed else None
