"""What damages files, how often, and what must hold of whatever is read of them all the same.

Quick by default. With ``MEDASSIST_FUZZ_SECONDS=600``, pytest goes on with ever new damage for that
long, which the chosen properties share::

    pytest Testing/test_fuzz_read_files.py Testing/test_fuzz_read_series.py

The file that was read last stays in pytest's temporary folder, so that a crash of a native library
can be repeated.
"""

from __future__ import annotations

import faulthandler
import os
import re
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st

from MedAssistLib import geometry
from MedAssistLib.case import Scan
from MedAssistLib.errors import MedAssistError
from MedAssistLib.read import Listing, ReadOptions, list_scans, read_scan

SPACING = (0.5, 1.25, 2.0)

_SECONDS = float(os.environ.get("MEDASSIST_FUZZ_SECONDS", "0"))
_EXAMPLES = 500 if _SECONDS else 60
_HANGS_AFTER_S = 120
# Header bytes matter most: that far into a file damage is tried more often.
_HEADER = 600
_ODD_NUMBERS = ("0", "-1", "nan", "inf", "1e308", "1e-308", "65535", "4294967296", "", "x", "1 1")
_PLACES = st.one_of(st.integers(0, _HEADER), st.integers(0, 1 << 16))
_EDITS = st.one_of(
    st.tuples(st.just("set"), _PLACES, st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("cut"), _PLACES, st.just(b"")),
    st.tuples(st.just("insert"), _PLACES, st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("remove"), _PLACES, st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("number"), _PLACES, st.sampled_from(_ODD_NUMBERS).map(str.encode)),
)
DAMAGE = st.lists(_EDITS, min_size=1, max_size=4)
"""Edits to a file's bytes: what is done, about where, and with which bytes."""


def damaged(content: bytes, edits: list[tuple[str, int, bytes]]) -> bytes:
    """Return a file's bytes after some edits."""
    raw = bytearray(content)
    for kind, wish, value in edits:
        place = wish % (len(raw) + 1)
        if kind == "set":
            raw[place : place + len(value)] = value
        elif kind == "cut":
            del raw[place:]
        elif kind == "insert":
            raw[place:place] = value
        elif kind == "remove":
            del raw[place : place + len(value)]
        else:  # The next number of a text header becomes an odd one.
            found = re.search(rb"-?\d[\d.e+-]*", bytes(raw[place:]))
            if found:
                raw[place + found.start() : place + found.end()] = value
    return bytes(raw)


def place_of(scan: Scan) -> np.ndarray:
    """Return 3×4 from index to LPS mm."""
    return geometry.index_to_lps(scan.image)[:3]


def listed_and_read(path: Path) -> tuple[Listing | None, Scan | None]:
    """List and read as a user would; anything but a refusal escapes."""
    listing = None
    faulthandler.dump_traceback_later(_HANGS_AFTER_S, exit=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            listing = list_scans(path)
            chosen = "1" if len(listing.scans) > 1 else ""
            spacing = SPACING if listing.scans and listing.scans[0].spacing is None else None
            return listing, read_scan(path, ReadOptions(series=chosen, spacing=spacing))
    except MedAssistError:
        return listing, None
    finally:
        faulthandler.cancel_dump_traceback_later()


def require_sound(scan: Scan) -> None:
    """Check what every verb takes for granted of a scan."""
    size, spacing = scan.image.GetSize(), scan.image.GetSpacing()
    assert min(size) >= 2
    assert all(0.0 < value < np.inf for value in spacing)
    assert np.isfinite(place_of(scan)).all()
    axes = geometry.direction(scan.image)
    assert np.allclose(axes.T @ axes, np.eye(3), atol=2e-3)


def effort() -> settings:
    """Return how many examples are tried at a time."""
    return settings(
        max_examples=_EXAMPLES,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


def for_a_while(check: Callable[[], None], request: pytest.FixtureRequest) -> None:
    """Run a property once, or with ever new seeds for its share of the time.

    Args:
        check: The property.
        request: Of the test; it tells how many tests share the time.
    """
    sharing = sum(item.path.name.startswith("test_fuzz_read") for item in request.session.items)
    end = time.monotonic() + _SECONDS / sharing
    number = 0
    while number == 0 or time.monotonic() < end:
        seed(number)(check)()
        number += 1
