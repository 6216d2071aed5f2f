"""How long, where and from what a network learns: the lower part of ``Train.ui``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from MedAssistLib.models.formats import TRAINABLE
from MedAssistLib.panel.choices import Choices
from MedAssistLib.panel.context import Context
from MedAssistLib.panel.glue import fill, on, open_folder
from MedAssistLib.panel.settings import Settings, device_texts
from MedAssistLib.panel.text import tr as _

_NAME, _LENGTH, _AMOUNT = "TrainName", "TrainLength", "TrainAmount"
_NETWORKS, _START, _FOLDER = "TrainNetworks", "TrainStart", "TrainFolder"
MINUTES, EPOCHS, PLANNED = "minutes", "epochs", "planned"
_LENGTHS = (MINUTES, EPOCHS, PLANNED)
_USUAL = 30.0


class TrainForm:
    """The options of a training.

    Args:
        context: The panel's.
        ui: The children of the form.
        changed: Called after another folder was chosen.
    """

    def __init__(self, context: Context, ui: Any, changed: Callable[[], None]) -> None:
        self._context, self._ui, self._changed = context, ui, changed
        self._settings = Settings()
        self._models: list[str] = []
        on(ui.modelName.lineEdit(), "editingFinished()", self._name_given)
        on(ui.modelName, "activated(int)", lambda _row: self._name_given())
        fill(ui.length, [_("minutes"), _("epochs each"), _("as planned")], 0)
        on(ui.length, "activated(int)", lambda row: self._keep(_LENGTH, _LENGTHS[row]))
        on(ui.amount, "valueChanged(double)", lambda value: self._keep_number(_AMOUNT, value))
        on(ui.networks, "valueChanged(double)", lambda value: self._keep_number(_NETWORKS, value))
        on(ui.trainDevice, "activated(int)", self._choose_device)
        on(ui.startModel, "activated(int)", self._choose_start)
        on(ui.trainFolder, "editingFinished()", self._folder_given)
        on(ui.chooseTrainFolder, "clicked()", self._choose_folder)

    @property
    def name(self) -> str:
        """What the model is to be called; empty if it is not named yet."""
        return self._text(_NAME)

    @property
    def folder(self) -> str:
        """Where the model is kept besides; empty for nowhere."""
        return self._text(_FOLDER)

    @property
    def device(self) -> str:
        """Where networks learn."""
        return self._settings.device

    def offer(self, models: Sequence[Mapping[str, Any]]) -> None:
        """Take the list of models at hand, to start from."""
        self._models = [str(m["name"]) for m in models if m["format"] in TRAINABLE]

    def options(self) -> dict[str, Any]:
        """Return the fields of :class:`MedAssistLib.train.TrainOptions`."""
        choices = self._context.choices
        amount = choices.number(_AMOUNT, _USUAL) if choices else _USUAL
        length = self._length()
        return {
            "device": self.device,
            "minutes": amount if length == MINUTES else None,
            "epochs": round(amount) if length == EPOCHS else None,
            "folds": round(choices.number(_NETWORKS, 1.0)) if choices else 1,
            "start": self._text(_START) or None,
        }

    def show(self, choices: Choices, stopped: Sequence[str]) -> None:
        """Show the choices as they are.

        Args:
            choices: The scene's.
            stopped: Names of trainings that can go on.
        """
        ui = self._ui
        names = [ui.modelName.itemText(row) for row in range(ui.modelName.count)]
        was = ui.modelName.blockSignals(True)
        if names != list(stopped):
            ui.modelName.clear()
            for name in stopped:
                ui.modelName.addItem(name)
        if ui.modelName.currentText != self.name:
            ui.modelName.setEditText(self.name)
        ui.modelName.blockSignals(was)
        ui.length.currentIndex = _LENGTHS.index(self._length())
        ui.amount.visible = self._length() != PLANNED
        ui.amount.value = choices.number(_AMOUNT, _USUAL)
        ui.networks.value = choices.number(_NETWORKS, 1.0)
        devices = device_texts()
        fill(ui.trainDevice, list(devices.values()), list(devices).index(self.device))
        start = self._text(_START)
        offered = (
            ["", *self._models] if start in ("", *self._models) else ["", *self._models, start]
        )
        fill(ui.startModel, [_("nothing"), *offered[1:]], offered.index(start))
        if ui.trainFolder.text != self.folder:
            ui.trainFolder.text = self.folder

    def _length(self) -> str:
        found = self._text(_LENGTH)
        return found if found in _LENGTHS else MINUTES

    def _text(self, name: str) -> str:
        return self._context.choices.text(name) if self._context.choices else ""

    def _keep(self, name: str, text: str) -> None:
        if self._context.choices:
            self._context.choices.set_text(name, text)

    def _keep_number(self, name: str, value: float) -> None:
        if self._context.choices:
            self._context.choices.set_number(name, value)

    def _name_given(self) -> None:
        self._keep(_NAME, str(self._ui.modelName.currentText).strip())

    def _choose_start(self, row: int) -> None:
        self._keep(_START, self._ui.startModel.itemText(row) if row else "")

    def _choose_device(self, row: int) -> None:
        self._settings.device = list(device_texts())[row]
        if self._context.choices:
            self._context.choices.node.Modified()  # The section Segment shows it too.

    def _folder_given(self) -> None:
        self._keep(_FOLDER, str(self._ui.trainFolder.text).strip())
        self._changed()

    def _choose_folder(self) -> None:
        found = open_folder(_("Where to keep the model"), self._settings.folder)
        if found:
            self._settings.folder = found
            self._keep(_FOLDER, found)
            self._changed()
