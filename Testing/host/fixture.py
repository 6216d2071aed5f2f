"""The pytest fixture ``host``: a clean host for each test, and a report of what it left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def host() -> Iterator[Any]:
    """Give the host; afterwards fail on timers, processes, observers and exceptions left over."""
    from Testing.host.boot import boot

    made = boot()
    with made.watching():
        yield made
        left = made.close()
    assert not left, "left behind:\n" + "\n".join(left)
