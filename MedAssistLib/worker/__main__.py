"""``python -m MedAssistLib.worker``."""

from __future__ import annotations

import io
import os
import sys

from MedAssistLib.worker.loop import Worker


def main() -> None:
    """Serve standard input until it is closed."""
    # Whatever a library prints goes to standard error: standard output holds messages only.
    messages = io.TextIOWrapper(io.FileIO(os.dup(1), "w"), encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    requests = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8")
    Worker(messages).serve(requests)
    # A network in the middle of a layer cannot be stopped otherwise.
    os._exit(0)


if __name__ == "__main__":
    main()
