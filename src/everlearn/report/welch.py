"""Whether two means over seeds differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from scipy.special import stdtrit


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
        return Difference(one.mean - other.mean, 0.0)
    freedom = sum(shares) ** 2 / sum(
        share**2 / (sample.size - 1) for share, sample in zip(shares, (one, other), strict=True)
    )
    return Difference(one.mean - other.mean, float(stdtrit(freedom, (1 + confidence) / 2) * sum(shares) ** 0.5))


def paired_difference(ones: Sequence[float], others: Sequence[float], confidence: float = 0.99) -> Difference:
    """The mean of one − other over pairs, such as runs of equal seeds, by Student's t.

    >>> gap = paired_difference([2.0, 3.0, 4.5], [1.0, 2.0, 3.0], confidence=0.95)
    >>> round(gap.mean, 3), round(gap.half, 3)
    (1.167, 0.717)
    """
    gaps = sample([one - other for one, other in zip(ones, others, strict=True)])
    half = stdtrit(gaps.size - 1, (1 + confidence) / 2) * gaps.deviation / gaps.size**0.5
    return Difference(gaps.mean, float(half))
