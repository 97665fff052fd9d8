"""Tables for a terminal."""

from collections.abc import Sequence


def aligned(lines: Sequence[Sequence[str]]) -> tuple[list[str], list[int]]:
    """Lines of cells as text, each column as wide as its widest cell; and these widths.

    >>> aligned([("a", "method"), ("10", "mer")])
    (['a   method', '10  mer'], [2, 6])
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    ], widths


def ruled(text: Sequence[str], above: str = "") -> list[str]:
    """Lines of which the first is a heading, with rules below it and at the end; the rules are as wide as anything."""
    rule = "─" * max(map(len, [*text, above]))
    return [*([above] if above else []), text[0], rule, *text[1:], rule]
