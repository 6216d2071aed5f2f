"""A folder of pairs: ``images`` and ``labels`` with the same names, or both kinds side by side.

Side by side, the label of ``NAME.nii.gz`` is ``NAME_seg.nii.gz``, ``NAME-label.nrrd`` or the like,
or Slicer's ``NAME.seg.nrrd``. A ``dataset.json`` may give what nnU-Net's does: labels, channel,
licence and source.
"""

from __future__ import annotations

import re
from pathlib import Path

from MedAssistLib.case import Finding
from MedAssistLib.progress import Progress
from MedAssistLib.read.images import stem
from MedAssistLib.train.dataset.cases import LabelledCase, TrainingSet
from MedAssistLib.train.dataset.description import DESCRIPTION, fields_of
from MedAssistLib.train.dataset.folder import group_of, images_in, left_out, left_over
from MedAssistLib.train.dataset.layout import Layout
from MedAssistLib.train.dataset.undescribed import Draft, completed

_FOLDERS = (("images", "labels"), ("imagesTr", "labelsTr"))
_MARK = re.compile(r"(?i)(.+)[._-](seg|segmentation|labels?|mask)")
_SLICER = ".seg.nrrd"
# What nnU-Net adds to the name of an image that has no other channels.
_ONLY_CHANNEL = "_0000"


def _recognises(path: Path) -> bool:
    if not path.is_dir():
        return False
    fields = fields_of(path)
    return "file_ending" not in fields and not isinstance(fields.get("training"), list)


def _read(folder: Path, progress: Progress) -> TrainingSet:
    parts = next((names for names in _FOLDERS if all((folder / n).is_dir() for n in names)), None)
    if parts:
        places = [folder / name for name in parts]
        images = {stem(path): path for path in images_in(places[0])}
        if all(name.endswith(_ONLY_CHANNEL) for name in images):
            images = {name.removesuffix(_ONLY_CHANNEL): path for name, path in images.items()}
        labels = {_owner(path, images): path for path in images_in(places[1])}
    else:
        places = [folder]
        every = images_in(folder)
        marked = [path for path in every if _is_label(path)]
        images = {stem(path): path for path in every if path not in marked}
        labels = {_owner(path, images): path for path in marked}
    files = [*images.values(), *labels.values(), folder / DESCRIPTION]
    draft = Draft(
        source=folder,
        description=folder / DESCRIPTION,
        cases=tuple(
            LabelledCase(
                name=name, images=(images[name],), label=labels[name], group=group_of(name)
            )
            for name in sorted(images.keys() & labels.keys())
        ),
        channels=("image",),
        findings=(*_lone(images, labels), *left_over(places, files)),
    )
    return completed(draft, progress)


def _lone(images: dict[str, Path], labels: dict[str, Path]) -> tuple[Finding, ...]:
    unlabelled = [images[name].name for name in sorted(images.keys() - labels.keys())]
    lone = [labels[name].name for name in sorted(labels.keys() - images.keys())]
    return (
        *left_out("dataset.no-label", unlabelled, "image without a label"),
        *left_out("dataset.no-image", lone, "label without an image"),
    )


def _is_label(path: Path) -> bool:
    return path.name.lower().endswith(_SLICER) or _MARK.fullmatch(stem(path)) is not None


def _owner(path: Path, images: dict[str, Path]) -> str:
    """Return the name of the image that a label is for: its own, or without its mark."""
    name = stem(path)
    match = _MARK.fullmatch(name)
    return match[1] if match and name not in images else name


LAYOUT = Layout(name="folder of pairs", recognises=_recognises, read=_read)
