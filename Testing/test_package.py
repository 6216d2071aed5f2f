"""The package: light to import, layered as designed, and complete when it is installed."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from Testing.conftest import REPOSITORY

LIBRARY = REPOSITORY / "MedAssistLib"
SOURCES = sorted(LIBRARY.rglob("*.py"))
DATA = sorted(
    p
    for p in LIBRARY.rglob("*")
    if p.suffix in (".json", ".html", ".pt", ".gz") or p.name == "LICENSE.txt"
)

# The floors of the house: a package imports only from below; those of the top one also each other.
FLOORS = [
    {
        "__init__",
        "archive",
        "case",
        "errors",
        "progress",
        "files",
        "geometry",
        "machine",
        "terminology",
        "volumes",
    },
    {"read", "enhance", "measure"},
    {"models"},
    {"segment"},
    {"train"},
    {"check", "export"},
    {"cli", "panel", "scene", "worker", "__main__"},
]
ALLOWED_PARTS = {
    "slicer": {"scene", "panel"},
    "vtk": {"scene", "export", "panel"},
    "vtkmodules": {"scene", "export", "panel"},
    "qt": {"panel"},
    "ctk": {"panel"},
}

_IMPORT = """
import sys, time
began = time.perf_counter()
import MedAssistLib
took = time.perf_counter() - began
print(took, sorted({"torch", "vtk", "vtkmodules", "slicer", "SimpleITK"} & set(sys.modules)))
"""


@pytest.mark.alone
def test_importing_the_library_is_quick_and_loads_nothing_heavy() -> None:
    """Slicer imports it at every start."""
    runs = [
        subprocess.run([sys.executable, "-c", _IMPORT], capture_output=True, text=True, check=True)
        for _ in range(3)
    ]
    seconds, heavy = min(run.stdout.split(" ", 1) for run in runs)
    assert float(seconds) < 0.15
    assert heavy.strip() == "[]"


def test_the_command_line_starts_without_torch_or_vtk() -> None:
    code = (
        "import sys; from MedAssistLib.cli.parser import build_parser; build_parser();"
        "print(sorted({'torch', 'vtkmodules', 'slicer', 'jinja2'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def _part(path: Path) -> str:
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _floor(part: str) -> int:
    return next(number for number, floor in enumerate(FLOORS) if part in floor)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(LIBRARY)))
def test_a_file_imports_only_from_below(path: Path) -> None:
    mine = _part(path)
    for name in _imports(path):
        package, _, rest = name.partition(".")
        if package in ALLOWED_PARTS:
            assert mine in ALLOWED_PARTS[package], f"{mine} imports {name}"
        other = rest.split(".")[0]
        if package != "MedAssistLib" or not other or other in (mine, "__version__"):
            continue
        same_floor_is_fine = _floor(mine) in (0, len(FLOORS) - 1)
        assert _floor(other) < _floor(mine) or (
            same_floor_is_fine and _floor(other) == _floor(mine)
        ), f"{mine} imports {name}"


def _listed(cmake: Path) -> set[str]:
    text = re.sub(r"#.*", "", cmake.read_text("utf-8"))
    named = r"(\.(py|json|html|png|svg|ui|pt|nii\.gz)|/LICENSE\.txt)$"
    return {word for word in text.split() if re.search(named, word)}


def test_every_library_file_is_listed_for_the_extension_package() -> None:
    """Slicer packages only what CMake lists; a file that is not works here and is missing there."""
    expected = {p.relative_to(LIBRARY).as_posix() for p in [*SOURCES, *DATA]}
    assert _listed(LIBRARY / "CMakeLists.txt") == expected


def test_every_module_file_is_listed_for_the_extension_package() -> None:
    module = REPOSITORY / "MedAssist"
    files = [p for p in module.rglob("*") if p.suffix in (".py", ".png", ".svg", ".ui", ".html")]
    expected = {p.relative_to(module).as_posix() for p in files}
    assert _listed(module / "CMakeLists.txt") == expected
    assert not (module / "__init__.py").exists()


def test_the_wheel_holds_every_file(tmp_path: Path) -> None:
    # What an earlier build left there would get into the wheel.
    shutil.rmtree(REPOSITORY / "build", ignore_errors=True)
    subprocess.run(
        [
            sys.executable, "-m", "pip", "wheel", str(REPOSITORY), "--no-deps", "--quiet",
            "--no-build-isolation", "--disable-pip-version-check", "-w", str(tmp_path),
        ],
        check=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("medassist-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith("MedAssistLib/")}
    assert held == {p.relative_to(REPOSITORY).as_posix() for p in [*SOURCES, *DATA]}
