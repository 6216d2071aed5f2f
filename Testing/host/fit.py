"""How much space a widget needs to show its text whole."""

from __future__ import annotations

import re
from typing import Any

from PySide6 import QtCore, QtWidgets

_BUTTONS = (
    QtWidgets.QPushButton,
    QtWidgets.QToolButton,
    QtWidgets.QCheckBox,
    QtWidgets.QRadioButton,
)


def needed(widget: Any) -> QtCore.QSize:
    """Return the least size in pixels; (0, 0) of a widget that has no text of its own."""
    if isinstance(widget, QtWidgets.QLabel):
        return _of_label(widget)
    if isinstance(widget, _BUTTONS):
        return QtCore.QSize(widget.minimumSizeHint.width(), 0)
    if isinstance(widget, QtWidgets.QComboBox):
        return _around(widget, widget.currentText, QtWidgets.QStyle.SC_ComboBoxEditField)
    if isinstance(widget, QtWidgets.QLineEdit):
        text = "" if widget.text else widget.placeholderText
        return QtCore.QSize(_length(widget, text) + 8 if text else 0, 0)
    if isinstance(widget, QtWidgets.QListView) and widget.model() is not None:
        margin = widget.width - widget.viewport().width
        return QtCore.QSize(_of_rows(widget) + margin, 0)
    return QtCore.QSize(0, 0)


def _of_rows(rows: QtWidgets.QListView) -> int:
    """Return the width of the widest row; of its longest word if the list breaks its lines."""
    if not rows.wordWrap:
        return rows.sizeHintForColumn(0)
    model, breaks = rows.model(), re.compile("[\\s\\u200b]")
    texts = [str(model.index(row, 0).data() or "") for row in range(model.rowCount())]
    words = [word for text in texts for word in breaks.split(text)]
    style = rows.style()
    frame = 2 * (style.pixelMetric(QtWidgets.QStyle.PM_FocusFrameHMargin, None, rows) + 1)
    return max((_length(rows, word) for word in words), default=0) + frame


def _of_label(label: QtWidgets.QLabel) -> QtCore.QSize:
    if not label.wordWrap:
        return label.sizeHint if label.text else QtCore.QSize(0, 0)
    return QtCore.QSize(0, label.heightForWidth(label.width))


def _around(combo: QtWidgets.QComboBox, text: str, part: Any) -> QtCore.QSize:
    """Return the size that leaves room for a text beside the arrow."""
    option = QtWidgets.QStyleOptionComboBox()
    combo.initStyleOption(option)
    style = combo.style()
    field = style.subControlRect(QtWidgets.QStyle.CC_ComboBox, option, part, combo)
    return QtCore.QSize(_length(combo, text) + combo.width - field.width(), 0)


def _length(widget: QtWidgets.QWidget, text: str) -> int:
    return widget.fontMetrics().horizontalAdvance(text)
