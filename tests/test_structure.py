"""The plan of the house, held: reach, exports, names, light imports."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import everlearn
from everlearn import memory, methods, models, streams

SOURCE = Path(everlearn.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text()) for path in FILES}


def module_file(name):
    path = SOURCE.parent / Path(*name.split("."))
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.exists()), None)


def imported(path):
    """First-party files that a file's import statements name."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("everlearn"):
            for alias in node.names:
                file = module_file(f"{node.module}.{alias.name}") or module_file(node.module)
                if file is not None:
                    yield file


def code_lines(path):
    """Lines of code, without blank lines, comments and docstrings."""
    strings = {
        line
        for node in ast.walk(TREES[path])
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, node.end_lineno + 1)
    }
    lines = enumerate(path.read_text().splitlines(), 1)
    return sum(1 for n, line in lines if n not in strings and line.strip() and not line.strip().startswith("#"))


METHOD_FILES = sorted((SOURCE / "methods").glob("[!_]*.py"))


@pytest.mark.parametrize("path", METHOD_FILES, ids=lambda path: path.stem)
def test_a_method_is_understood_from_few_files(path):
    reached, waiting = set(), [path]
    while waiting:
        file = waiting.pop()
        if file not in reached:
            reached.add(file)
            waiting += imported(file)
    assert len(reached) <= 10
    assert sum(map(code_lines, reached)) <= 600
    assert len(path.read_text().splitlines()) <= 120


@pytest.mark.parametrize("package", [methods, memory, models, streams], ids=lambda package: package.__name__)
def test_what_a_folder_exports_is_exported_at_the_top(package):
    for name in package.__all__:
        assert name in everlearn.__all__
        assert getattr(everlearn, name) is getattr(package, name)


def test_every_method_file_is_exported():
    homes = {getattr(methods, name).__module__.rpartition(".")[2] for name in methods.__all__}
    assert homes == {path.stem for path in METHOD_FILES}


def test_the_public_names_are_sorted_and_there():
    order = sorted(everlearn.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert everlearn.__all__ == order
    assert all(hasattr(everlearn, name) for name in everlearn.__all__)


def public_things():
    for path in FILES:
        relative = path.relative_to(SOURCE.parent).with_suffix("")
        module = importlib.import_module(".".join(relative.parts).removesuffix(".__init__"))
        yield module.__name__, module
        for node in TREES[path].body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                yield f"{module.__name__}.{node.name}", getattr(module, node.name)


@pytest.mark.parametrize(("name", "thing"), list(public_things()))
def test_everything_public_has_a_docstring(name, thing):
    assert thing.__doc__


def test_no_file_has_a_name_that_says_nothing():
    assert not {path.stem for path in FILES} & {"utils", "util", "common", "helpers", "base", "manager", "misc"}


def test_nothing_asks_what_attributes_a_thing_has():
    asking = [
        f"{path.name}:{node.lineno}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "hasattr"
        and ast.unparse(node.args[0]) != "os"
    ]
    assert asking == []


def test_no_class_of_ours_inherits_from_another():
    allowed = {
        "Protocol",
        "ValueError",
        "FloatingPointError",
        "Exception",
        "AssertionError",
        "pickle.Unpickler",
        "Mapping[str, Tensor]",
        "NamedTuple",
        # Only adds a constructor, and what a rule alone can tell.
        "BoundedMemory",
        # Interfaces of others, which they know by inheritance.
        "TrainerCallback",
        "VectorEnv",
        "gymnasium.Env[np.ndarray, Any]",
        "gymnasium.Wrapper",
    }
    inherited = [
        f"{node.name}({ast.unparse(parent)})"
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for parent in node.bases
        if ast.unparse(parent) not in allowed | {"nn.Module"}
    ]
    assert inherited == []


def test_importing_the_library_loads_no_library_of_the_upper_floors():
    code = "import torch, sys; before = set(sys.modules); import everlearn; print(*set(sys.modules) - before)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    outside = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names
    assert outside <= {"everlearn", "filelock", "numpy", "safetensors", "torch"}


def test_every_test_file_mirrors_a_source_file_or_folder():
    tests = Path(__file__).parent
    for path in tests.glob("*/test_*.py"):
        assert path.parent.name in {"contracts", "reference", "examples"} or (SOURCE / path.parent.name).is_dir()
