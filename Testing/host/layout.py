"""``slicer.app.layoutManager()``: three slice views and a 3D view."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets

from Testing.host.canvas import Canvas
from Testing.host.mrml import Mrml
from Testing.host.views import SLICES, SliceWidget, ThreeDWidget


class LayoutManager(QtCore.QObject):
    """Stands in for the layout manager; its layout is always the four views.

    Args:
        mrml: The scene and its logics.
    """

    def __init__(self, mrml: Mrml) -> None:
        super().__init__()
        self._logics = mrml.application.GetSliceLogics()
        self._slices = {name: SliceWidget(name, mrml) for name in SLICES}
        self._three_d = ThreeDWidget(mrml)
        self._viewport = QtWidgets.QWidget()
        grid = QtWidgets.QGridLayout(self._viewport)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(2)
        widgets = (
            self._slices["Red"],
            self._three_d,
            self._slices["Green"],
            self._slices["Yellow"],
        )
        for place, widget in enumerate(widgets):
            grid.addWidget(widget, place // 2, place % 2)

    threeDViewCount = property(lambda _self: 1)
    tableViewCount = plotViewCount = property(lambda _self: 0)

    def viewport(self) -> Any:
        """Return the widget that holds the views."""
        return self._viewport

    def sliceViewNames(self) -> tuple[str, ...]:
        """Return the names of the slice views."""
        return tuple(self._slices)

    def sliceWidget(self, name: str) -> SliceWidget | None:
        """Return a slice widget or None."""
        return self._slices.get(name)

    def threeDWidget(self, place: int) -> ThreeDWidget | None:
        """Return the 3D widget or None."""
        return self._three_d if place in (0, "View1", "1") else None

    def mrmlSliceLogics(self) -> Any:
        """Return the slice logics."""
        return self._logics

    def resetSliceViews(self) -> None:
        """Show all of the backgrounds."""
        for widget in self._slices.values():
            widget.fitSliceToBackground()

    def resetThreeDViews(self) -> None:
        """Look at the middle of what is there, so that all of it fits."""
        self._three_d.threeDView().resetFocalPoint()
        self._three_d.threeDView().resetCamera()

    def reset(self) -> None:
        """Let every slice view look its own way again."""
        for name, widget in self._slices.items():
            widget.mrmlSliceNode().SetOrientation(SLICES[name][0])

    def pause(self, *, paused: bool) -> None:
        """Stop or go on drawing."""
        for view in self.views():
            view.pause(paused=paused)

    def views(self) -> list[Canvas]:
        """Return the four views."""
        return [*(w.sliceView() for w in self._slices.values()), self._three_d.threeDView()]
