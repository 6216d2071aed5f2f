"""Stand-ins for the widgets of ctk and qMRML, one family a file."""

from __future__ import annotations

from typing import Any

from Testing.host.widgets.containers import ctkCollapsibleButton
from Testing.host.widgets.node_combo import qMRMLNodeComboBox
from Testing.host.widgets.paths import ctkDirectoryButton, ctkPathLineEdit
from Testing.host.widgets.plain import (
    ctkCheckBox,
    ctkComboBox,
    ctkDoubleSpinBox,
    ctkFittedTextBrowser,
    ctkMenuButton,
    ctkMessageBox,
    ctkSearchBox,
)
from Testing.host.widgets.ranges import ctkDoubleRangeSlider, ctkRangeWidget
from Testing.host.widgets.scene_widget import qMRMLWidget
from Testing.host.widgets.sliders import ctkSliderWidget
from Testing.host.widgets.tables import qMRMLSegmentsTableView, qMRMLTableView

STAND_INS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        ctkCheckBox,
        ctkCollapsibleButton,
        ctkComboBox,
        ctkDirectoryButton,
        ctkDoubleRangeSlider,
        ctkDoubleSpinBox,
        ctkFittedTextBrowser,
        ctkMenuButton,
        ctkMessageBox,
        ctkPathLineEdit,
        ctkRangeWidget,
        ctkSearchBox,
        ctkSliderWidget,
        qMRMLNodeComboBox,
        qMRMLSegmentsTableView,
        qMRMLTableView,
        qMRMLWidget,
    )
}
