"""``python -m Testing.host [VOLUME]``: MedAssist's panel in a window, without 3D Slicer.

The window is the host's: the panel on the left, three slice views and a 3D view. Needs a desktop
or Xvfb. ``--screenshot FILE.png`` saves a picture instead of waiting for a person.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

_MODULE = Path(__file__).resolve().parents[2] / "MedAssist" / "MedAssist.py"


def main() -> int:
    """Open the window and return when it is closed."""
    parser = argparse.ArgumentParser(prog="python -m Testing.host", description=__doc__)
    parser.add_argument("volume", nargs="*", help="image files to load, such as scan.nii.gz")
    parser.add_argument("--module", type=Path, default=_MODULE, help="the module's .py file")
    parser.add_argument("--screenshot", type=Path, help="save a picture and exit")
    options = parser.parse_args()

    seen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if options.screenshot is None and sys.platform == "linux" and not seen:
        print("There is no display. Try: xvfb-run -a make panel", file=sys.stderr)
        return 2

    from Testing.host.boot import boot

    host = boot(interactive=options.screenshot is None)
    import slicer

    for path in options.volume:
        slicer.util.loadVolume(path)
    host.load(options.module)
    host.start_up()
    if options.screenshot is not None:
        host.reset_views()
        host.screenshot(options.screenshot)
        host.close()
        return 0
    _add_menu(host)
    host.show()
    host.reset_views()
    status = host.app.exec()
    host.close()
    return int(status)


def _add_menu(host: Any) -> None:
    """Give a person what Slicer's own menus and buttons do."""
    import qt
    import slicer

    def load() -> None:
        path = qt.QFileDialog.getOpenFileName(host.window, "Load a volume")
        if path:
            with slicer.util.tryWithErrorDisplay("The file could not be loaded."):
                slicer.util.loadVolume(path)

    menu = host.window.menuBar().addMenu("&Scene")
    for title, keys, run in (
        ("&Load a volume...", "Ctrl+O", load),
        ("&Centre the views", "Ctrl+R", host.reset_views),
        ("&Close the scene", "Ctrl+W", slicer.mrmlScene.Clear),
        ("&Quit", "Ctrl+Q", host.window.close),
    ):
        action = menu.addAction(title)
        action.shortcut = qt.QKeySequence(keys)
        action.connect("triggered()", lambda run=run: run())


if __name__ == "__main__":
    sys.exit(main())
