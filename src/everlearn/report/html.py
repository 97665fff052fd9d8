"""The frame of a self-contained HTML page: opens offline, reads on a phone, light and dark."""

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from string import Template
from typing import Any

_PAGE = Template("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
  :root { color-scheme: light dark; --ink: #1c2024; --soft: #5d6670; --line: #d9dee3; --paper: #fff; --wash: #f3f5f7; }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #e6e9ec; --soft: #9aa4ae; --line: #333a41; --paper: #14171a; --wash: #1d2125; }
  }
  body { margin: 0 auto; max-width: 70rem; padding: 1.5rem 1rem 4rem; background: var(--paper); color: var(--ink);
         font: 1rem/1.5 system-ui, sans-serif; }
  h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .25rem; }
  p { margin: .25rem 0 1rem; color: var(--soft); max-width: 46rem; } p code, abbr { color: var(--ink); }
  .wide { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; }
  table { border-collapse: collapse; width: 100%; white-space: nowrap; font-size: .85rem;
          font-variant-numeric: tabular-nums; }
  th, td { padding: .35rem .5rem; text-align: right; } th:first-child, td:first-child { text-align: left; }
  thead { background: var(--wash); } tbody tr { border-top: 1px solid var(--line); }
  .theirs { color: var(--soft); border-left: 1px solid var(--line); } .theirs ~ td { color: var(--soft); }
  .figures { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); }
  .films { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); }
  .films img { max-width: 100%; border-radius: .25rem; }
  figure { margin: 1rem 0; }
  figcaption { color: var(--soft); font-size: .85rem; }
  figure.one { max-width: 36rem; } svg { width: 100%; height: auto; }
  svg text { font-family: system-ui, sans-serif !important; }
  details { margin: 1rem 0; } summary { cursor: pointer; }
  pre { overflow-x: auto; background: var(--wash); padding: .75rem; border-radius: .5rem; font-size: .8rem; }
</style>
<h1>$title</h1>
$body
</html>
""")


def page(title: str, body: str) -> str:
    """A whole page.

    Args:
        title: in plain text.
        body: HTML.
    """
    return _PAGE.substitute(title=escape(title), body=body)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, above: str = "", theirs: int | None = None) -> str:
    """A table that scrolls where it is too wide for the page.

    Args:
        headings: in plain text, as the cells are.
        rows: as many cells each.
        above: HTML of a row above the headings.
        theirs: the column, counted from 0, from which on figures are another's and set apart.
    """
    classes = [' class="theirs"' if column == theirs else "" for column in range(len(headings))]

    def row(kind: str, cells: Sequence[str]) -> str:
        told = (f"<{kind}{own}>{escape(cell)}</{kind}>" for own, cell in zip(classes, cells, strict=True))
        return f"<tr>{''.join(told)}</tr>"

    body = "\n".join(row("td", cells) for cells in rows)
    return (
        f'<div class="wide"><table>\n<thead>{above}{row("th", headings)}</thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def settings(arms: Iterable[tuple[Mapping[str, Any], Sequence[int], Mapping[str, str]]]) -> str:
    """Of each arm its settings, its seeds and the versions that it ran with, folded away."""
    told = []
    for config, seeds, versions in arms:
        own = {name: value for name, value in config.items() if name != "seed"}
        told.append(json.dumps(own | {"seeds": [*seeds], "versions": dict(versions)}, ensure_ascii=False))
    return f"<details><summary>Settings and versions</summary><pre>{escape(chr(10).join(told))}</pre></details>"
