"""What tests of language models share: short texts."""

import pytest

from everlearn.lm import rows, texts


@pytest.fixture
def told(monkeypatch):
    """Three short texts in place of the long ones."""
    own = {
        "english": lambda: b"The quick brown fox jumps over the lazy dog, and then again. " * 3000,
        "german": lambda: "Über den Wolken muß die Freiheit wohl grenzenlos sein. ".encode() * 3000,
        "python": lambda: b"def f(x):\n    return x + 1\n\n\n" * 6000,
    }
    monkeypatch.setattr(texts, "TEXTS", own)
    for cached in (texts.text, rows.cut, rows._pairs):
        cached.cache_clear()
    yield own
    for cached in (texts.text, rows.cut, rows._pairs):
        cached.cache_clear()
