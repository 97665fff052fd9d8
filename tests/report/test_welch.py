"""Differences of means, against scipy's own tests on the raw values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from everlearn.report.welch import difference, paired_difference, sample

VALUES = st.lists(st.integers(0, 1000).map(float), min_size=2, max_size=8, unique=True)


@given(ones=VALUES, others=VALUES, confidence=st.sampled_from([0.9, 0.95, 0.99]))
def test_welchs_interval_is_scipys(ones, others, confidence):
    low, high = stats.ttest_ind(ones, others, equal_var=False).confidence_interval(confidence)
    gap = difference(sample(ones), sample(others), confidence)
    assert (gap.mean - gap.half, gap.mean + gap.half) == pytest.approx((low, high), abs=1e-6)
    assert gap.excludes_zero == (low > 0 or high < 0)


@given(ones=st.lists(st.integers(0, 1000).map(float), min_size=3, max_size=8, unique=True))
def test_the_paired_interval_is_scipys(ones):
    others = [one**0.5 for one in ones]
    low, high = stats.ttest_rel(ones, others).confidence_interval(0.99)
    gap = paired_difference(ones, others)
    assert (gap.mean - gap.half, gap.mean + gap.half) == pytest.approx((low, high), abs=1e-6)


def test_samples_that_do_not_vary_differ_for_sure():
    gap = difference(sample([1.0, 1.0]), sample([2.0, 2.0, 2.0]))
    assert (gap.mean, gap.half, gap.excludes_zero) == (-1.0, 0.0, True)


def test_pairs_must_be_pairs():
    with pytest.raises(ValueError, match="shorter"):
        paired_difference([1.0, 2.0], [1.0])
