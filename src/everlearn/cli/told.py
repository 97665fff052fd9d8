"""Errors as a user should read them."""

from everlearn.types import Diverged, InputError


def told(error: Exception) -> str:
    """An error as a user should read it."""
    known = isinstance(error, InputError | Diverged | OSError)
    return str(error) if known else f"{type(error).__name__}: {error}"
