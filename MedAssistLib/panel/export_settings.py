"""What a user chose once for all exports, and what the choices are called."""

from __future__ import annotations

from MedAssistLib.export import parcel
from MedAssistLib.panel.settings import Settings
from MedAssistLib.panel.text import tr as _

SEPARATE, WITHOUT_NAMES, DEFACE = "Separate", "WithoutNames", "Deface"
PROVENANCE, DATABASE = "Provenance", "Database"
SPACES = ("LPS", "RAS")

_KINDS, _SPACE, _FOLDER = "Export/Kinds", "Export/Space", "Export/Folder"
_YES, _NO = "yes", "no"
_FIRST = {parcel.SEGMENTATION: ".seg.nrrd"}


class ExportSettings(Settings):
    """The user's settings of exports; a value that is not possible any more is as none."""

    @property
    def kinds(self) -> frozenset[str]:
        """What leaves; the segmentation until something else was chosen."""
        found = self._text(_KINDS) or parcel.SEGMENTATION
        return frozenset(found.split()) & frozenset(parcel.CHOICES)

    def choose_kind(self, kind: str, *, chosen: bool) -> None:
        """Let a kind leave, or not."""
        kinds = self.kinds | {kind} if chosen else self.kinds - {kind}
        # Nothing at all is a choice too, and not the same as none yet.
        self._keep(_KINDS, " ".join(sorted(kinds)) or "-")

    def format(self, kind: str) -> str:
        """Return the suffix of the files that a kind becomes."""
        found, known = self._text(f"Export/{kind}"), parcel.CHOICES[kind]
        return found if found in known else _FIRST.get(kind, known[0])

    def choose_format(self, kind: str, suffix: str) -> None:
        """Choose the suffix of the files that a kind becomes."""
        self._keep(f"Export/{kind}", suffix)

    def flag(self, name: str) -> bool:
        """Return whether something was ticked."""
        return self._text(f"Export/{name}") == _YES

    def set_flag(self, name: str, *, on: bool) -> None:
        """Tick something, or not."""
        self._keep(f"Export/{name}", _YES if on else _NO)

    @property
    def space(self) -> str:
        """Where x and y of surfaces point to."""
        found = self._text(_SPACE)
        return found if found in SPACES else SPACES[0]

    @space.setter
    def space(self, name: str) -> None:
        self._keep(_SPACE, name)

    @property
    def export_folder(self) -> str:
        """Where files are written; empty if nowhere yet."""
        return self._text(_FOLDER)

    @export_folder.setter
    def export_folder(self, path: str) -> None:
        self._keep(_FOLDER, path)


def format_text(suffix: str) -> str:
    """Return what a format is called."""
    texts = {
        ".seg.dcm": _("DICOM SEG"),
        ".labelmap.dcm": _("DICOM SEG, label map"),
        ".seg.nrrd": _("Slicer (.seg.nrrd)"),
        ".nii.gz": _("NIfTI (.nii.gz)"),
        ".nrrd": _("NRRD (.nrrd)"),
        ".mha": _("MetaImage (.mha)"),
        ".stl": _("STL"),
        ".obj": _("OBJ"),
        ".ply": _("PLY"),
        ".glb": _("glTF (.glb)"),
        ".csv": _("CSV"),
        ".json": _("JSON"),
        ".html": _("HTML"),
        ".pdf": _("PDF"),
        ".dcm": _("DICOM series"),
    }
    return texts[suffix]
