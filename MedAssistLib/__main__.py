"""``python -m MedAssistLib``: the same as the ``medassist`` command."""

from __future__ import annotations

import sys

from MedAssistLib.cli import main

if __name__ == "__main__":
    sys.exit(main())
