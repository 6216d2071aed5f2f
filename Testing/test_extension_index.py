"""What the Extensions Index of Slicer asks of a repository, as far as a checkout shows it."""

from __future__ import annotations

import json
import re

import pytest

from Testing.conftest import REPOSITORY

ENTRY = REPOSITORY / "Resources" / "MedAssist.json"
CMAKE = (REPOSITORY / "CMakeLists.txt").read_text("utf-8")
_RAW = re.compile(r"https://raw\.githubusercontent\.com/[^/]+/(\w+)/main/(\S+)")


def _set(name: str) -> str:
    """Return a literal string of CMakeLists.txt, found as the index's checker finds it."""
    (found,) = re.findall(rf'set\({name} "([^"$]*)"\)', CMAKE)
    return found


def test_the_entry_is_one_that_the_schema_allows() -> None:
    """The pull request to the index would be refused by its first check."""
    text = ENTRY.read_bytes()
    assert b"\r" not in text
    entry = json.loads(text)
    required = {"$schema", "category", "scm_url"}
    optional = {"scm_revision", "scm_type", "build_dependencies", "build_subdirectory", "enabled"}
    assert required <= set(entry) <= required | optional | {"tier", "dicom_support_rule"}
    assert entry["category"] == "Segmentation"
    assert entry["tier"] in range(1, 6)


def test_the_entry_agrees_with_cmake() -> None:
    """The Extensions Manager would show one thing and build another."""
    entry = json.loads(ENTRY.read_text("utf-8"))
    assert re.search(r"^project\((\w+)\)", CMAKE, re.MULTILINE).group(1) == ENTRY.stem
    assert _set("EXTENSION_DEPENDS").split() == entry["build_dependencies"]
    assert _set("EXTENSION_HOMEPAGE") == entry["scm_url"]
    assert entry["scm_url"].rsplit("/", 1)[1] == f"Slicer{ENTRY.stem}"


@pytest.mark.parametrize("name", ["EXTENSION_ICONURL", "EXTENSION_SCREENSHOTURLS"])
def test_its_pictures_are_in_the_repository(name: str) -> None:
    """The Extensions Manager would show a broken picture."""
    for url in _set(name).split():
        repository, path = _RAW.fullmatch(url).groups()
        assert repository == "SlicerMedAssist"
        assert (REPOSITORY / path).read_bytes().startswith(b"\x89PNG")


def test_the_licence_has_a_name_that_is_found() -> None:
    """LICENSE.md, for one, is not."""
    names = ("LICENSE", "LICENCE", "License.txt", "license.txt", "LICENSE.txt", "COPYING")
    assert any((REPOSITORY / name).is_file() for name in names)
