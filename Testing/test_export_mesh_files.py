"""Mesh files as other programs read them, trimesh and 3D Slicer; and what can go wrong."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import trimesh

from MedAssistLib.case import Segment, Segmentation
from MedAssistLib.errors import InputError, ResourceError, UsageError
from MedAssistLib.export.meshes import MeshOptions, write_meshes
from MedAssistLib.export.surfaces import make_surfaces

KINDS = ("stl", "obj", "ply", "glb")


def as_one(path: Path) -> trimesh.Trimesh:
    """Return all that a file holds, in the space that it says, mm."""
    loaded = trimesh.load(path)
    if isinstance(loaded, trimesh.Trimesh):
        return loaded
    return trimesh.util.concatenate(list(loaded.geometry.values()))


def surface_points(segmentation: Segmentation) -> npt.NDArray[np.float64]:
    return np.concatenate([surface.points for surface in make_surfaces(segmentation)])


@pytest.mark.parametrize("space", ["LPS", "RAS"])
@pytest.mark.parametrize("kind", KINDS)
def test_another_library_reads_every_kind_whole_and_in_place(
    small_segmentation: Segmentation, tmp_path: Path, kind: str, space: str
) -> None:
    path = tmp_path / f"x.{kind}"
    write_meshes(small_segmentation, path, MeshOptions(space=space))
    mesh = as_one(path)
    points = surface_points(small_segmentation) * ([-1, -1, 1] if space == "RAS" else [1, 1, 1])
    assert np.allclose(mesh.bounds, [points.min(axis=0), points.max(axis=0)], atol=1e-3)
    assert len(mesh.triangles) == sum(len(s.triangles) for s in make_surfaces(small_segmentation))
    assert mesh.is_watertight
    assert mesh.volume > 0  # Outside is out.
    if kind != "glb":
        assert f"SPACE={space}".encode() in path.read_bytes()[:200]


@pytest.mark.parametrize("space", ["LPS", "RAS"])
@pytest.mark.parametrize("kind", ["stl", "obj", "ply"])
def test_slicer_puts_them_where_the_structures_are(
    small_segmentation: Segmentation, headless: Any, tmp_path: Path, kind: str, space: str
) -> None:
    """Slicer believes the header; a wrong one there would be a mirrored model."""
    import slicer

    write_meshes(small_segmentation, tmp_path / f"x.{kind}", MeshOptions(space=space))
    model = headless.scene.AddNewNodeByClass("vtkMRMLModelNode")
    storage = headless.scene.AddNode(slicer.vtkMRMLModelStorageNode())
    storage.SetFileName(str(tmp_path / f"x.{kind}"))
    assert storage.ReadData(model)
    ras = surface_points(small_segmentation) * [-1, -1, 1]
    bounds = np.reshape(model.GetPolyData().GetBounds(), (3, 2)).T
    assert np.allclose(bounds, [ras.min(axis=0), ras.max(axis=0)], atol=1e-3)


def test_gltf_stands_upright_in_metres_and_faces_the_viewer(
    small_segmentation: Segmentation, tmp_path: Path
) -> None:
    """In every viewer: superior up, anterior towards it, the patient's left on its right."""
    points = surface_points(small_segmentation) / 1000.0
    upright = points[:, [0, 2, 1]] * [1, 1, -1]
    for space in ("LPS", "RAS"):
        write_meshes(small_segmentation, tmp_path / "x.glb", MeshOptions(space=space))
        scene = trimesh.load(tmp_path / "x.glb")
        expected = [upright.min(axis=0), upright.max(axis=0)]
        assert np.allclose(scene.bounds, expected, atol=1e-6)


def test_gltf_says_what_it_is(small_segmentation: Segmentation, tmp_path: Path) -> None:
    """Khronos' rules for a .glb that strict viewers insist on."""
    write_meshes(small_segmentation, tmp_path / "x.glb")
    content = (tmp_path / "x.glb").read_bytes()
    magic, version, length, text_length, kind = struct.unpack_from("<4s3I4s", content)
    assert (magic, version, length, kind) == (b"glTF", 2, len(content), b"JSON")
    document = json.loads(content[20 : 20 + text_length])
    rest, kind = struct.unpack_from("<I4s", content, 20 + text_length)
    assert kind == b"BIN\0"
    assert rest == document["buffers"][0]["byteLength"] == len(content) - 28 - text_length
    assert document["nodes"][0]["extras"]["space"] == "LPS"
    assert "metres" in document["nodes"][0]["extras"]["transform"]
    for view, accessor in zip(document["bufferViews"], document["accessors"], strict=True):
        assert view["byteOffset"] % 4 == 0
        start = 28 + text_length + view["byteOffset"]
        values = np.frombuffer(content[start : start + view["byteLength"]], dtype="<f4")
        if accessor["type"] == "VEC3":
            assert np.array_equal(values.reshape(-1, 3).min(axis=0), np.float32(accessor["min"]))
        if document["meshes"][0]["primitives"][0]["attributes"]["NORMAL"] == accessor["bufferView"]:
            assert np.allclose(np.linalg.norm(values.reshape(-1, 3), axis=1), 1.0, atol=1e-5)


def test_names_and_colours_come_along(small_segmentation: Segmentation, tmp_path: Path) -> None:
    """A colleague sees the liver in the colour that it has here, by its name."""
    colours = {segment.name: segment.colour for segment in small_segmentation.segments}
    for kind in ("obj", "ply", "glb"):
        write_meshes(small_segmentation, tmp_path / f"x.{kind}")
    assert "\no Left kidney\nusemtl left_kidney\n" in (tmp_path / "x.obj").read_text()
    obj = trimesh.load(tmp_path / "x.obj").geometry  # by material
    for segment, name in zip(small_segmentation.segments, ("liver", "left_kidney"), strict=True):
        assert np.allclose(obj[name].visual.material.diffuse[:3], segment.colour, atol=1)
    ply = trimesh.load(tmp_path / "x.ply", process=False)
    found = {tuple(colour) for colour in ply.visual.vertex_colors[:, :3].tolist()}
    assert found == set(colours.values())
    gltf = trimesh.load(tmp_path / "x.glb")
    assert set(gltf.geometry) == set(colours)
    for name, mesh in gltf.geometry.items():
        linear = np.asarray(mesh.visual.material.baseColorFactor)[:3] / 255.0
        assert np.allclose(linear, (np.array(colours[name]) / 255.0) ** 2.2, atol=0.02)


def test_what_hides_another_structure_is_glass(tmp_path: Path, small_scan: Any) -> None:
    """Else a tumour cannot be found within the brain that holds it."""
    import SimpleITK as sitk

    labels = np.zeros((12, 12, 12), dtype=np.uint8)
    labels[1:11, 1:11, 1:11], labels[4:7, 4:7, 4:7] = 1, 2
    segments = tuple(Segment(label=n, name=f"S{n}", colour=(200, 0, 0)) for n in (1, 2))
    made = Segmentation(labels=sitk.GetImageFromArray(labels), segments=segments)
    write_meshes(made, tmp_path / "x.glb")
    write_meshes(made, tmp_path / "x.obj")
    brain, tumour = (
        trimesh.load(tmp_path / "x.glb").geometry[name].visual.material for name in ("S1", "S2")
    )
    assert (brain.alphaMode, tumour.alphaMode) == ("BLEND", None)
    assert brain.baseColorFactor[3] < 128 < tumour.baseColorFactor[3]
    assert (tmp_path / "x.mtl").read_text().count("d 0.3") == 1


@pytest.mark.parametrize("kind", KINDS)
def test_one_file_a_structure(small_segmentation: Segmentation, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"case.{kind}"
    written = write_meshes(small_segmentation, path, MeshOptions(separate=True))
    assert sorted(tmp_path.iterdir()) == sorted(written)
    meshes = [p for p in written if p.suffix == f".{kind}"]
    assert [p.stem for p in meshes] == ["case-liver", "case-left_kidney"]
    for mesh, surface in zip(meshes, make_surfaces(small_segmentation), strict=True):
        assert len(as_one(mesh).triangles) == len(surface.triangles)


def test_odd_names_break_no_file(small_segmentation: Segmentation, tmp_path: Path) -> None:
    """A name is only a name: no line of its own, no folder, no other file."""
    odd = replace(small_segmentation.segments[0], name='../é\nvn 1|<b>: "x"')
    named = replace(small_segmentation, segments=(odd, small_segmentation.segments[1]))
    for kind in KINDS:
        (tmp_path / kind).mkdir()
        write_meshes(named, tmp_path / kind / f"x.{kind}", MeshOptions(separate=True))
        for path in (tmp_path / kind).glob(f"*.{kind}"):
            assert as_one(path).is_watertight
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(KINDS)


def test_an_empty_segmentation_is_an_error(
    small_segmentation: Segmentation, tmp_path: Path
) -> None:
    empty = replace(small_segmentation, labels=small_segmentation.labels * 0)
    with pytest.raises(InputError, match="no voxels"):
        write_meshes(empty, tmp_path / "x.stl")
    assert not list(tmp_path.iterdir())


def test_an_unknown_space_is_an_error() -> None:
    with pytest.raises(UsageError, match="LPI"):
        MeshOptions(space="LPI")


def test_missing_vtk_says_how_to_get_it(
    small_segmentation: Segmentation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vtkmodules.vtkFiltersCore", None)
    with pytest.raises(ResourceError) as caught:
        write_meshes(small_segmentation, tmp_path / "x.stl")
    assert 'pip install "medassist[scene]"' in caught.value.hint


@pytest.mark.parametrize("name", ["missing/x.obj", "folder.obj", "file.txt/x.obj"])
def test_a_path_that_cannot_be_written_is_an_error_in_one_line(
    small_segmentation: Segmentation, tmp_path: Path, name: str
) -> None:
    (tmp_path / "folder.obj").mkdir()
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(ResourceError) as caught:
        write_meshes(small_segmentation, tmp_path / name)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.txt", "folder.obj"]


_ON_A_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from MedAssistLib.errors import ResourceError
from MedAssistLib.export.meshes import MeshOptions, write_meshes
from MedAssistLib.read import read_segmentation
made = read_segmentation(sys.argv[1])
import vtkmodules.vtkFiltersCore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000))
try:
    write_meshes(made, Path(sys.argv[2]), MeshOptions(separate=True))
except ResourceError as error:
    print(error)
    sys.exit(error.exit_status)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a file's size")
@pytest.mark.parametrize("kind", KINDS)
def test_on_a_full_disk_all_old_files_stay(
    small_segmentation: Segmentation, tmp_path: Path, kind: str
) -> None:
    """Neither half a mesh, nor the small structures new and the large ones old."""
    from MedAssistLib.export.seg_nrrd import write_seg_nrrd

    small_first = replace(small_segmentation, segments=small_segmentation.segments[::-1])
    write_seg_nrrd(small_first, tmp_path / "x.seg.nrrd")
    (tmp_path / "out").mkdir()
    old = [tmp_path / "out" / f"x-{name}.{kind}" for name in ("liver", "left_kidney")]
    for path in old:
        path.write_text("old")
    paths = (tmp_path / "x.seg.nrrd", tmp_path / "out" / f"x.{kind}")
    run = subprocess.run(
        [sys.executable, "-c", _ON_A_FULL_DISK, *paths],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 5, run.stderr
    assert "space" in run.stdout
    assert [path.read_text() for path in old] == ["old", "old"]
    assert sorted((tmp_path / "out").iterdir()) == sorted(old)
