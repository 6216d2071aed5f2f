"""The buttons below the list of models: adding, downloading and removing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import qt
import slicer

from MedAssistLib.panel.context import Context
from MedAssistLib.panel.glue import agreed, on, open_files, open_folder, shown
from MedAssistLib.panel.jobs import Job
from MedAssistLib.panel.model_list import Model, size_text
from MedAssistLib.panel.settings import Settings
from MedAssistLib.panel.text import tr as _


class ModelButtons:
    """Part of ``Segment.ui``."""

    def __init__(self, context: Context, settings: Settings, ui: Any) -> None:
        self._context, self._settings, self._ui = context, settings, ui
        self._model: Model | None = None
        menu = qt.QMenu(ui.addModel)
        on(menu.addAction(_("From a folder…")), "triggered()", self.add_folder)
        on(menu.addAction(_("From a file…")), "triggered()", self.add_files)
        ui.addModel.setMenu(menu)
        on(ui.download, "clicked()", self.download)
        on(ui.removeModel, "clicked()", self.remove)

    def show(self, model: Model | None) -> None:
        """Offer what can be done with a model."""
        self._model = model
        self._ui.download.visible = model is not None and not model.here
        self._ui.removeModel.visible = model is not None and bool(model.facts.get("stored"))

    def add_folder(self) -> None:
        """Ask for a model's folder and install it."""
        folder = open_folder(_("The model's folder"), self._settings.folder)
        if folder:
            self._settings.folder = folder
            self._add([folder])

    def add_files(self) -> None:
        """Ask for a model's files and install it."""
        filters = _("Models (*.zip *.pt *.pth *.ts *.pt2);;All files (*)")
        files = open_files(_("The model's file, or all its parts"), filters, self._settings.folder)
        if files:
            self._add(files)

    def download(self) -> None:
        """Ask the server for the size, then the user for consent, and download."""
        model = self._model
        if model is None:
            return
        if model.facts.get("package"):
            self._install_package(model)
            return
        request = {"name": model.name, "announce": True}
        title = _("Ask for the size of {name}").format(name=model.name)
        self._context.submit(
            "models", Job(title=title, verb="download", request=request, land=self._consent)
        )

    def remove(self) -> None:
        """Delete the chosen model, if the user agrees."""
        model = self._model
        question = _("Delete the model {name} from this computer?")
        if model and agreed(question.format(name=model.name)):
            self._work(_("Remove {name}").format(name=model.name), "remove", {"name": model.name})

    def _add(self, sources: Sequence[str]) -> None:
        self._work(_("Add a model"), "add", {"sources": list(sources)})

    def _consent(self, _job: Job, offer: Mapping[str, Any]) -> None:
        # Not from within the poll: the box has an event loop of its own.
        qt.QTimer.singleShot(0, lambda: shown(lambda: self._ask(offer)))

    def _ask(self, offer: Mapping[str, Any]) -> None:
        question = _(
            "Download {title}?\n\nSize: {size}\nPublisher: {source}\nLicence: {licence}\n{terms}"
        ).format(
            title=offer["title"] or offer["name"],
            size=size_text(offer["size"]),
            source=offer["source"] or _("not stated"),
            licence=offer["licence"] or _("not stated"),
            terms=offer["terms"],
        )
        if agreed(question):
            title = _("Download {name}").format(name=offer["name"])
            self._work(title, "download", {"name": offer["name"]})

    def _install_package(self, model: Model) -> None:
        package, version = model.facts["package"], str(model.facts["version"]).split()[-1]
        question = _(
            "Install the Python package {package} {version}, which holds this model's weights "
            "({size}, licence {licence})?"
        ).format(
            package=package,
            version=version,
            size=size_text(model.facts["size"]),
            licence=model.facts["licence"],
        )
        if agreed(question):
            # Only its weights are used; what it wants besides must not replace Slicer's packages.
            slicer.util.pip_install(f"--no-deps {package}=={version}")
            self._context.models_changed()

    def _work(self, title: str, verb: str, request: Mapping[str, Any]) -> None:
        def done(_job: Job, _answer: Any) -> None:
            self._context.models_changed()

        self._context.submit("models", Job(title=title, verb=verb, request=request, land=done))
