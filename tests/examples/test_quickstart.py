"""The README's example is the example file, and its numbers are what it prints."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "examples/quickstart.py").read_text()
README = (ROOT / "README.md").read_text()


def test_the_readme_shows_the_example():
    assert EXAMPLE[EXAMPLE.index("import torch") :] in README


def printed(code):
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()[-1]


def test_the_readmes_numbers_are_what_it_prints():
    sentence = "MER ends at {} on all three; with `method=el.Online()`, plain SGD, it is {}"
    online = EXAMPLE.replace("el.MER()", "el.Online()")
    mer = printed(EXAMPLE)
    assert sentence.format(mer, printed(online)) in README
    assert "`el.ER()`, plain replay, is as good as MER" in README
    assert float(printed(EXAMPLE.replace("el.MER()", "el.ER()"))) >= float(mer)
