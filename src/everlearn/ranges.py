"""The ranges that numbers must keep, refused by name when they are left."""

from collections.abc import Iterable
from math import inf, isnan
from numbers import Integral, Real
from typing import Any

from everlearn.types import InputError


def at_least(least: int, **values: int) -> None:
    """Refuse what is no whole number, or one below `least`.

    >>> at_least(1, batches=0)
    Traceback (most recent call last):
    ...
    everlearn.types.InputError: batches must be at least 1, not 0
    """
    for name, value in values.items():
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise InputError(f"{name} must be a whole number, not {value!r:.80}")
        if value < least:
            raise InputError(f"{name} must be at least {least}, not {value}")


def positive(**values: float) -> None:
    """Refuse what is no number, or one that is not above 0, or not finite.

    >>> positive(beta=0.0)
    Traceback (most recent call last):
    ...
    everlearn.types.InputError: beta must be above 0 and finite, not 0.0
    """
    for name, value in values.items():
        if not 0 < _real(name, value) < inf:
            raise InputError(f"{name} must be above 0 and finite, not {value}")


def not_negative(**values: float) -> None:
    """Refuse what is no number, or one below 0, or not finite.

    >>> not_negative(strength=-1.0)
    Traceback (most recent call last):
    ...
    everlearn.types.InputError: strength must be at least 0 and finite, not -1.0
    """
    for name, value in values.items():
        if not 0 <= _real(name, value) < inf:
            raise InputError(f"{name} must be at least 0 and finite, not {value}")


def true_or_false(**values: bool) -> None:
    """Refuse what is neither.

    >>> true_or_false(mirrored="no")
    Traceback (most recent call last):
    ...
    everlearn.types.InputError: mirrored must be True or False, not 'no'
    """
    for name, value in values.items():
        if value not in (True, False):
            raise InputError(f"{name} must be True or False, not {value!r:.80}")


def one_of(options: Iterable[Any], **values: Any) -> None:
    """Refuse what is none of some options.

    >>> one_of(("after", "before"), add="never")
    Traceback (most recent call last):
    ...
    everlearn.types.InputError: add must be one of after, before, not 'never'
    """
    known = tuple(options)
    for name, value in values.items():
        if value not in known:
            raise InputError(f"{name} must be one of {', '.join(map(str, known))}, not {value!r:.80}")


def number(name: str, value: Any) -> float:
    """The value, where it is a number.

    >>> number("older_than", None)
    Traceback (most recent call last):
    ...
    everlearn.types.InputError: older_than must be a number, not None
    """
    if isnan(_real(name, value)):
        raise InputError(f"{name} must be a number, not {value}")
    return value


def _real(name: str, value: Any) -> float:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise InputError(f"{name} must be a number, not {value!r:.80}")
    return float(value)
