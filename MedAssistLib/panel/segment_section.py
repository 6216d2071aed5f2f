"""The section "Segment": which model, on what, how; and off it goes."""

from __future__ import annotations

from typing import Any

from MedAssistLib.panel.channels import ChannelForm
from MedAssistLib.panel.classes_list import ClassesList
from MedAssistLib.panel.context import Context
from MedAssistLib.panel.estimates import Estimates
from MedAssistLib.panel.glue import breakable, fill, load_ui, on, set_text
from MedAssistLib.panel.handover import modality_of
from MedAssistLib.panel.jobs import Job, State
from MedAssistLib.panel.model_buttons import ModelButtons
from MedAssistLib.panel.model_list import Model, ModelList, memory_text
from MedAssistLib.panel.region import box_of
from MedAssistLib.panel.runs import Runs
from MedAssistLib.panel.settings import Settings, device_texts
from MedAssistLib.panel.setup_box import SetupBox
from MedAssistLib.panel.text import tr as _
from MedAssistLib.scene.volumes import enhancement_of

_GIGABYTE = 10**9
_STEP, _MEMORY, _MIRROR, _TABLE = "Step", "Memory", "Mirror", "Table"


class SegmentSection:
    """The controller of ``Segment.ui``."""

    def __init__(self, context: Context, runs: Runs, place: Any) -> None:
        self._context, self._runs, self._settings = context, runs, Settings()
        self._models, self._shown = ModelList(), list[Model]()
        self._listing: Job | None = None
        self._widget, self.ui = load_ui(context.resources, "Segment", place)
        self.ui.region.setMRMLScene(context.scene)
        self.setup = SetupBox(self.ui, self.refresh)
        self.channels = ChannelForm(context, self.ui.channelsForm)
        self.classes = ClassesList(context, self.ui)
        self.buttons = ModelButtons(context, self._settings, self.ui)
        self._estimates = Estimates(context, self.refresh)
        context.models_changed = self.list_models
        context.job_changed.append(self._job_changed)
        self._connect()

    def _connect(self) -> None:
        ui = self.ui
        on(ui.search, "textChanged(QString)", lambda _text: self._list())
        on(ui.models, "currentRowChanged(int)", self._choose_row)
        on(ui.device, "activated(int)", self._choose_device)
        on(ui.region, "currentNodeChanged(vtkMRMLNode*)", self._choose_region)
        for box, name in ((ui.step, _STEP), (ui.memory, _MEMORY)):
            on(box, "valueChanged(double)", lambda value, name=name: self._keep(name, value))
        for box, name in ((ui.mirror, _MIRROR), (ui.table, _TABLE)):
            on(box, "clicked(bool)", lambda value, name=name: self._keep(name, float(value)))
        on(ui.trust, "clicked(bool)", lambda _value: self.refresh())
        on(ui.run, "clicked()", self.run)

    @property
    def model(self) -> Model | None:
        """The chosen model."""
        choices = self._context.choices
        return self._models.get(choices.model) if choices else None

    def offers(self, name: str) -> bool:
        """Tell whether a model is in the list by now."""
        return self._models.get(name) is not None

    def list_models(self) -> None:
        """Ask again which models there are; some say it only to PyTorch, so the worker reads."""
        self._listing = Job(title="", verb="models", land=self._take_models, quiet=True)
        self._context.submit("ask", self._listing)

    def refresh(self) -> None:
        """Show the choices as they are."""
        choices, ui = self._context.choices, self.ui
        if choices is None:
            ui.run.enabled = False
            return
        if self._listing is None:
            self.list_models()
        model = self.model
        if ui.region.currentNode() is not choices.region:
            ui.region.setCurrentNode(choices.region)
        ui.step.value = choices.number(_STEP, 0.0)
        ui.memory.value = choices.number(_MEMORY, 0.0)
        ui.mirror.checked = bool(choices.number(_MIRROR, 0.0))
        ui.table.checked = bool(choices.number(_TABLE, 1.0))
        devices = device_texts()
        fill(ui.device, list(devices.values()), list(devices).index(self._settings.device))
        self.setup.refresh()
        self._mark_row()
        set_text(ui.details, breakable(self._details(model)))
        self.channels.show(model.channels if model and model.here else ("",))
        self.classes.show(model.labels if model else ())
        patchwise = bool(model and model.facts.get("patchwise"))
        for box in (ui.step, ui.memory, ui.mirror):
            box.enabled = patchwise
        program = bool(model and model.facts.get("program"))
        ui.trust.visible = program
        ui.trust.checked = ui.trust.checked and program
        self.buttons.show(model)
        why_not = self._why_not(model)
        set_text(ui.runState, why_not)
        ui.run.enabled = not why_not

    def run(self) -> None:
        """Queue a run.

        Raises:
            MedAssistError: If it cannot be run so.
        """
        choices, model = self._context.choices, self.model
        if choices is None or model is None:
            return
        volumes = self.channels.volumes()
        # The worker makes SegmentOptions of them: that package takes long to import.
        options: dict[str, Any] = {
            "device": self._settings.device,
            "classes": self.classes.chosen(),
            "region": box_of(choices.region, choices.volume) if choices.region else None,
        }
        if model.facts.get("patchwise"):
            memory = choices.number(_MEMORY, 0.0)
            options["step"] = choices.number(_STEP, 0.0) or None
            options["mirror"] = bool(choices.number(_MIRROR, 0.0))
            options["max_memory"] = int(memory * _GIGABYTE) or None
        self._runs.segment(
            volumes,
            model.name,
            options,
            trusted=bool(self.ui.trust.checked),
            measured=bool(choices.number(_TABLE, 1.0)),
        )

    def close(self) -> None:
        """Let go of the scene."""
        self.ui.region.setMRMLScene(None)
        self.channels.close()

    def _details(self, model: Model | None) -> str:
        """Return what there is to say of the model, and which models are not in the list."""
        volume = self._context.volume
        lines = [model.about] if model else []
        if model and volume is not None:
            lines += model.doubts(enhancement_of(volume))
            if model.here and self.setup.can_run:
                found = self._estimates.of(model.name, volume)
                lines += [memory_text(found, self._settings.device)] if found else []
        return "\n".join([*lines, *self._models.left_out])

    def _why_not(self, model: Model | None) -> str:
        """Return why nothing can be run now; empty if it can."""
        volume = self._context.volume
        if not self.setup.can_run:
            return _("Models cannot run yet: see above.")
        if volume is None:
            return _("Choose a volume in the section Input.")
        if model is None:
            return self._no_model()
        return self._does_not_fit(model, modality_of(volume)) or self.channels.why_not()

    def _does_not_fit(self, model: Model, modality: str) -> str:
        if not model.here:
            return _("Download the model first.")
        if modality and model.facts["modality"] and modality != model.facts["modality"]:
            return _("The volume is {volume}, but the model is for {model}.").format(
                volume=modality, model=model.facts["modality"]
            )
        if model.facts.get("program") and not self.ui.trust.checked:
            return _("This model's file is a program: say first that you trust it.")
        return ""

    def _no_model(self) -> str:
        if self._listing and self._listing.state is State.FAILED:
            return _("The list of models cannot be read: {why}").format(why=self._listing.problem)
        if not self._models.models:
            return _("Reading the list of models…")
        return _("Choose a model.")

    def _job_changed(self, job: Job) -> None:
        if job is self._listing and job.state is State.FAILED:
            self.refresh()

    def _take_models(self, _job: Job, answer: Any) -> None:
        self._models = ModelList.of(answer)
        self._list()
        self.refresh()

    def _list(self) -> None:
        rows = self.ui.models
        self._shown = self._models.search(self.ui.search.text)
        was = rows.blockSignals(True)
        rows.clear()
        for model in self._shown:
            rows.addItem(breakable(model.row))
            rows.item(rows.count - 1).setToolTip(str(model.facts["title"]))
        rows.blockSignals(was)
        self._mark_row()

    def _mark_row(self) -> None:
        choices, rows = self._context.choices, self.ui.models
        names = [model.name for model in self._shown]
        row = names.index(choices.model) if choices and choices.model in names else -1
        if rows.currentRow != row:
            was = rows.blockSignals(True)
            rows.setCurrentRow(row)
            rows.blockSignals(was)

    def _choose_row(self, row: int) -> None:
        if self._context.choices and 0 <= row < len(self._shown):
            self.ui.trust.checked = False
            self._context.choices.classes = []
            self._context.choices.model = self._shown[row].name

    def _choose_device(self, row: int) -> None:
        self._settings.device = list(device_texts())[row]
        self.refresh()

    def _choose_region(self, node: Any) -> None:
        if self._context.choices:
            self._context.choices.region = node

    def _keep(self, name: str, value: float) -> None:
        if self._context.choices:
            self._context.choices.set_number(name, value)
