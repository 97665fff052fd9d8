"""Whether two means over seeds differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy.special import stdtr, stdtrit


@dataclass(frozen=True)
class Sample:
    """What some runs gave."""

    mean: float
    deviation: float
    """Standard deviation over the runs."""
    size: int
    """How many runs."""


def sample(values: Sequence[float]) -> Sample:
    """The sample that some values are.

    >>> sample([1.0, 2.0, 3.0])
    Sample(mean=2.0, deviation=1.0, size=3)
    """
    return Sample(fmean(values), stdev(values), len(values))


@dataclass(frozen=True)
class Difference:
    """A difference of means and the half-width of its confidence interval."""

    mean: float
    half: float
    p: float
    """How likely one as far from 0 would be, were there none: two-sided."""

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval does."""
        return abs(self.mean) > self.half


def difference(one: Sample, other: Sample, confidence: float = 0.99) -> Difference:
    """one − other, by Welch's t-test: the deviations may differ (Welch 1947).

    >>> gap = difference(Sample(70.0, 1.5, 5), Sample(71.0, 1.2, 25))
    >>> round(gap.mean, 2), round(gap.half, 2), gap.excludes_zero
    (-1.0, 2.85, False)
    """
    shares = [sample.deviation**2 / sample.size for sample in (one, other)]
    if not any(shares):
        return _exact(one.mean - other.mean)
    freedom = sum(shares) ** 2 / sum(
        share**2 / (sample.size - 1) for share, sample in zip(shares, (one, other), strict=True)
    )
    return _by_t(one.mean - other.mean, sum(shares) ** 0.5, freedom, confidence)


def paired_difference(ones: Sequence[float], others: Sequence[float], confidence: float = 0.99) -> Difference:
    """The mean of one − other over pairs, such as runs of equal seeds, by Student's t.

    >>> gap = paired_difference([2.0, 3.0, 4.5], [1.0, 2.0, 3.0], confidence=0.95)
    >>> round(gap.mean, 3), round(gap.half, 3)
    (1.167, 0.717)
    """
    gaps = sample([one - other for one, other in zip(ones, others, strict=True)])
    if not gaps.deviation:
        return _exact(gaps.mean)
    return _by_t(gaps.mean, gaps.deviation / gaps.size**0.5, gaps.size - 1, confidence)


def _by_t(mean: float, error: float, freedom: float, confidence: float) -> Difference:
    return Difference(
        mean,
        float(stdtrit(freedom, (1 + confidence) / 2) * error),
        float(2 * stdtr(freedom, -abs(mean) / error)),
    )


def _exact(mean: float) -> Difference:
    return Difference(mean, 0.0, 0.0 if mean else 1.0)


def holm(found: Sequence[float], level: float = 0.05) -> list[bool]:
    """Which of some tests reject, such that one in twenty times any of them does wrongly (Holm 1979).

    Args:
        found: their p-values.
        level: how often at most.

    >>> holm([0.04, 0.01, 0.03])
    [False, True, False]
    """
    order = sorted(range(len(found)), key=found.__getitem__)
    rejected = [False] * len(found)
    for passed, at in enumerate(order):
        if found[at] > level / (len(found) - passed):
            break
        rejected[at] = True
    return rejected
