"""Examples in README, docs and docstrings run as tests."""

import os
from pathlib import Path

import pytest
import torch
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser
from sybil.parsers.rest import DocTestParser

import everlearn


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A folder of its own, so that examples may write files."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("examples"))
    yield
    os.chdir(before)


def names(namespace):
    namespace.update(vars(everlearn) | {"torch": torch})


pages = Sybil(parsers=[PythonCodeBlockParser()], patterns=["*.md"], excludes=["*.venv/*"], fixtures=["elsewhere"])
docstrings = Sybil(parsers=[DocTestParser()], pattern="*.py", path="src", setup=names)
pytest_collect_file = (pages + docstrings).pytest()
