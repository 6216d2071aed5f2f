"""Translation of what the user reads; outside Slicer the English text itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:

    def tr(text: str) -> str:
        """Return the text in the user's language."""

else:
    # Slicer's function looks at who calls it, so that it must not be wrapped.
    try:
        from slicer.i18n import tr
    except ImportError:

        def tr(text):
            """Return the text."""
            return text


__all__ = ["tr"]
