"""Writing structures as meshes, all in one file or each in its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from MedAssistLib import terminology
from MedAssistLib.case import Segmentation
from MedAssistLib.errors import InputError, UsageError
from MedAssistLib.export.meshes.mesh import Mesh, make_mesh
from MedAssistLib.export.surfaces import make_surfaces
from MedAssistLib.files import replacing

SPACES = ("LPS", "RAS")
_ENCODERS = {".stl": "stl", ".obj": "obj", ".ply": "ply", ".glb": "gltf"}

Encoder = Callable[[Sequence[Mesh], str, str], dict[str, Iterable[bytes]]]


@dataclass(frozen=True, kw_only=True)
class MeshOptions:
    """How structures are written as meshes.

    Attributes:
        space: Where x and y point to: ``"LPS"`` (left, posterior; as DICOM has it) or ``"RAS"``
            (right, anterior). z is superior, the unit is the millimetre. The file says which.
        separate: Write each structure into a file of its own, with its name after a hyphen.

    Raises:
        UsageError: If there is no such space.
    """

    space: str = "LPS"
    separate: bool = False

    def __post_init__(self) -> None:
        if self.space not in SPACES:
            hint = f"Choose one of {', '.join(SPACES)}"
            raise UsageError(f'there is no space "{self.space}"', hint=hint)


def write_meshes(
    segmentation: Segmentation, path: Path, options: MeshOptions | None = None
) -> list[Path]:
    """Write the surfaces of the structures that have voxels, smoothed as in the 3-D view.

    Args:
        segmentation: The structures.
        path: The file; its suffix picks the kind. With ``.obj`` comes an ``.mtl`` with colours.
        options: How to write.

    Returns:
        The files, all of which were written, or none.

    Raises:
        InputError: If no structure has a voxel.
        ResourceError: If VTK is missing, or a file cannot be written; earlier ones are as they
            were.
    """
    options = options or MeshOptions()
    surfaces = make_surfaces(segmentation)
    if not surfaces:
        hint = "Segment something first"
        raise InputError("the segmentation has no voxels to make surfaces of", hint=hint)
    identifiers = dict(
        zip(
            (segment.label for segment in segmentation.segments),
            terminology.segment_ids(segmentation.segments),
            strict=True,
        )
    )
    meshes = [make_mesh(s, identifiers[s.segment.label], options.space) for s in surfaces]
    suffix = path.suffix
    encode: Encoder = import_module(f"{__package__}.{_ENCODERS[suffix.lower()]}").encode
    groups = {path.stem: meshes}
    if options.separate:
        groups = {f"{path.stem}-{mesh.id}": [mesh] for mesh in meshes}
    files: dict[Path, Iterable[bytes]] = {}
    for name, group in groups.items():
        for ending, parts in encode(group, options.space, name).items():
            kept = suffix if ending == suffix.lower() else ending
            files[path.with_name(name + kept)] = parts
    _write(files)
    return list(files)


def _write(files: dict[Path, Iterable[bytes]]) -> None:
    """Write all files beside their names, and only then rename them."""
    with ExitStack() as stack:
        for path, parts in files.items():
            temporary = stack.enter_context(replacing(path))
            with temporary.open("wb") as stream:
                stream.writelines(parts)
