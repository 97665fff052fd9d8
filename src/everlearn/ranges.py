"""The ranges that numbers must keep, refused by name when they are left."""

from everlearn.types import InputError


def at_least(least: int, **values: int) -> None:
    """Refuse a value below `least`.

    >>> at_least(1, batches=0)
    Traceback (most recent call last):
    ...
    everlearn.types.InputError: batches must be at least 1, not 0
    """
    for name, value in values.items():
        if value < least:
            raise InputError(f"{name} must be at least {least}, not {value}")


def positive(**values: float) -> None:
    """Refuse a value that is not above 0, or not finite.

    >>> positive(beta=0.0)
    Traceback (most recent call last):
    ...
    everlearn.types.InputError: beta must be above 0 and finite, not 0.0
    """
    for name, value in values.items():
        if not 0 < value < float("inf"):
            raise InputError(f"{name} must be above 0 and finite, not {value}")


def not_negative(**values: float) -> None:
    """Refuse a value below 0, or not finite.

    >>> not_negative(strength=-1.0)
    Traceback (most recent call last):
    ...
    everlearn.types.InputError: strength must be at least 0 and finite, not -1.0
    """
    for name, value in values.items():
        if not 0 <= value < float("inf"):
            raise InputError(f"{name} must be at least 0 and finite, not {value}")
