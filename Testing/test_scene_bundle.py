"""What Slicer shows and what an ``.mrb`` holds: all of the case, and nothing of the patient."""

import errno
import subprocess
import sys
import types
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from MedAssistLib.case import (
    Case,
    Measurement,
)
from MedAssistLib.errors import ResourceError
from MedAssistLib.scene import (
    add_scan,
    add_segmentation,
    headless_scene,
    image_from_volume,
    scan_from_volume,
    segmentation_from_node,
    show,
    write_mrb,
)
from Testing.scene_cases import (
    LIVER,
    SIZE,
    UPRIGHT,
    assert_same_voxels,
    block_segmentation,
    make_scan,
    make_segmentation,
    nodes,
    nothing_on,
    oblique,
    opened,
)


def test_show_makes_surfaces_and_puts_the_scan_behind(scene):
    """The user would look at an empty 3D view, or at outlines over another scan."""
    scan = make_scan()
    volume = add_scan(scene, scan)
    for name in ("Red", "Compare"):
        view = scene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
        view.SetLayoutName(name)
        view.SetDoPropagateVolumeSelection(name == "Red")
    node = add_segmentation(scene, block_segmentation(scan), volume)
    show(scene, node, volume)
    surface = node.GetSegmentation().GetSegment("liver").GetRepresentation("Closed surface")
    assert surface.GetNumberOfCells() > 0
    display = node.GetDisplayNode()
    assert display.GetVisibility()
    assert display.GetVisibility3D()
    assert display.GetVisibility2DOutline()
    assert 0.0 < display.GetOpacity2DFill() < 0.5
    backgrounds = [v.GetBackgroundVolumeID() for v in nodes(scene, "vtkMRMLSliceCompositeNode")]
    assert backgrounds == [volume.GetID(), None]


@pytest.mark.parametrize("segments", [(), (LIVER,)], ids=["none", "absent"])
def test_show_accepts_a_segmentation_without_a_voxel(scene, segments):
    """A model that finds nothing is a result, not an error."""
    scan = make_scan()
    volume = add_scan(scene, scan)
    found = replace(nothing_on(scan), segments=segments)
    node = add_segmentation(scene, found, volume)
    show(scene, node, volume)
    assert segmentation_from_node(node, volume).segmentation.segments == segments


MEASUREMENTS = (
    Measurement(structure="Liver", quantity="volume", value=1.25, unit="mL", method="voxels"),
    Measurement(
        structure="Gallbladder",
        quantity="mean",
        value=float("nan"),
        unit="[hnsf'U]",
        method='mean of "voxels"',
    ),
)


def make_case(direction: np.ndarray = UPRIGHT[0]) -> Case:
    scan = make_scan(direction)
    return Case(
        scan=replace(
            scan,
            source=Path("/archive/DOE^JOHN/scan.nii.gz"),
            series_uid="1.2.840.99",
            attributes={"PatientID": "4711"},
        ),
        enhanced=(replace(scan, name="abdomen enhanced", enhancement=("denoise",)),),
        segmentations=(make_segmentation(scan), block_segmentation(scan)),
        measurements=MEASUREMENTS,
    )


@pytest.mark.parametrize("direction", [UPRIGHT[0], oblique(1.0)], ids=["upright", "oblique"])
def test_file_holds_the_case(tmp_path, direction):
    """What a colleague opens must be what was sent: grid, voxels, names, colours, codes."""
    case, path = make_case(direction), tmp_path / "Übung 1 é.mrb"
    write_mrb(case, path)
    with opened(path) as reader:
        scan, enhanced = nodes(reader.scene, "vtkMRMLScalarVolumeNode")
        assert_same_voxels(scan_from_volume(scan).image, case.scan.image)
        assert (scan.GetName(), enhanced.GetName()) == ("abdomen", "abdomen enhanced")
        assert scan_from_volume(enhanced).enhancement == ("denoise",)
        node, block = nodes(reader.scene, "vtkMRMLSegmentationNode")
        back = segmentation_from_node(node, scan)
        assert back.findings == ()
        assert_same_voxels(back.segmentation.labels, case.segmentations[0].labels)
        assert back.segmentation.segments == case.segmentations[0].segments
        assert back.segmentation.made_by == case.segmentations[0].made_by
        assert "^10200004^Liver" in node.GetSegmentation().GetSegment("liver").GetTerminology()
        assert node.GetNodeReferenceID("referenceImageGeometryRef") == scan.GetID()
        surface = block.GetSegmentation().GetSegment("liver").GetRepresentation("Closed surface")
        assert surface.GetNumberOfCells() > 0
        assert block.GetDisplayNode().GetVisibility3D()


def test_relative_path_is_written_where_the_user_stands(tmp_path, monkeypatch):
    """MRML refuses folders that are not absolute, and the command line is used with such names."""
    monkeypatch.chdir(tmp_path)
    write_mrb(Case(scan=make_scan()), "scene.mrb")
    with opened(tmp_path / "scene.mrb") as reader:
        assert len(nodes(reader.scene, "vtkMRMLScalarVolumeNode")) == 1


def test_left_handed_scan_is_written_as_slicer_reads_it(tmp_path):
    """Slicer reverses the slices of such a scan on reading; its labels must follow."""
    case, path = make_case(oblique(-1.0)), tmp_path / "scene.mrb"
    write_mrb(case, path)
    with opened(path) as reader:
        scan = nodes(reader.scene, "vtkMRMLScalarVolumeNode")[0]
        node = nodes(reader.scene, "vtkMRMLSegmentationNode")[0]
        assert_same_voxels(image_from_volume(scan), case.scan.image[:, :, ::-1])
        labels = segmentation_from_node(node, scan).segmentation.labels
        assert_same_voxels(labels, case.segmentations[0].labels[:, :, ::-1])
        geometry = node.GetSegmentation().GetConversionParameter("Reference image geometry")
        matrix = np.array(geometry.split(";")[:16], float).reshape(4, 4)
        assert np.linalg.det(matrix) > 0


def test_file_opens_with_the_scan_in_view(tmp_path):
    """Slice views that look past the scan show black, and the user thinks that it is empty."""
    case, path = make_case(), tmp_path / "scene.mrb"
    write_mrb(case, path)
    middle = case.scan.image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in SIZE])
    with opened(path) as reader:
        scan = nodes(reader.scene, "vtkMRMLScalarVolumeNode")[0]
        for name, axis in (("Red", 2), ("Yellow", 0), ("Green", 1)):
            composite = reader.scene.GetNodeByID(f"vtkMRMLSliceCompositeNode{name}")
            assert composite.GetBackgroundVolumeID() == scan.GetID()
            view = reader.scene.GetNodeByID(f"vtkMRMLSliceNode{name}")
            to_ras = np.array(view.GetSliceToRAS().GetData()).reshape(4, 4)
            assert abs(to_ras[axis, 2]) == pytest.approx(1.0)
            centre = to_ras[:3, 3] * (-1, -1, 1)
            np.testing.assert_allclose(centre, middle, atol=1.5)
            assert min(view.GetFieldOfView()[:2]) >= 3.5
        (camera,) = nodes(reader.scene, "vtkMRMLCameraNode")
        assert camera.GetLayoutName() == "1"
        focus = np.array(camera.GetFocalPoint()) * (-1, -1, 1)
        np.testing.assert_allclose(focus, middle, atol=1e-3)


def test_measurements_are_a_table(tmp_path):
    """A volume that comes back as text, or a NaN as 0, cannot be worked with."""
    write_mrb(make_case(), tmp_path / "scene.mrb")
    with opened(tmp_path / "scene.mrb") as reader:
        (node,) = nodes(reader.scene, "vtkMRMLTableNode")
        table = node.GetTable()
        names = [table.GetColumnName(i) for i in range(table.GetNumberOfColumns())]
        assert names == ["structure", "quantity", "value", "unit", "method"]
        rows = [
            [table.GetValueByName(row, name) for name in names]
            for row in range(table.GetNumberOfRows())
        ]
        assert rows[0][2].ToDouble() == 1.25
        assert np.isnan(rows[1][2].ToDouble())
        for row, measurement in zip(rows, MEASUREMENTS, strict=True):
            words = (measurement.structure, measurement.quantity, measurement.unit)
            assert tuple(row[i].ToString() for i in (0, 1, 3)) == words
        assert rows[1][4].ToString() == "mean of 'voxels'"


def test_file_tells_nothing_about_patient_or_machine(tmp_path):
    """A scene is sent to others: a path, a UID or an ID in it is a breach of privacy."""
    path = tmp_path / "DOE_JOHN.mrb"
    write_mrb(make_case(), path)
    with zipfile.ZipFile(path) as archive:
        content = b"".join(
            entry.filename.encode() + archive.read(entry) for entry in archive.infolist()
        )
    for secret in ("DOE", "archive", "4711", "1.2.840.99", str(tmp_path), "medassist-"):
        assert secret.encode() not in content


def test_file_does_not_make_slicer_warn(tmp_path):
    """Slicer warns that a scene of another program may not load correctly."""
    write_mrb(make_case(), tmp_path / "scene.mrb")
    with zipfile.ZipFile(tmp_path / "scene.mrb") as archive:
        text = archive.read("MedAssist/MedAssist.mrml").decode()
    assert '<MRML version="Slicer 5.12.0 0">' in text


def test_writing_prints_nothing_and_leaves_nothing(tmp_path, monkeypatch, capfd):
    """VTK's warnings alarm the user, and folders left behind hold the patient's images."""
    scratch, out = tmp_path / "scratch", tmp_path / "out"
    scratch.mkdir()
    out.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    write_mrb(make_case(), out / "scene.mrb")
    write_mrb(make_case(), out / "scene.mrb")
    assert [path.name for path in out.iterdir()] == ["scene.mrb"]
    assert list(scratch.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def full_disk(*_args: object, **_kwargs: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    """The only good copy would be replaced by half a file."""
    path = tmp_path / "scene.mrb"
    path.write_bytes(b"old")
    monkeypatch.setattr(zipfile.ZipFile, "write", full_disk)
    with pytest.raises(ResourceError, match="not enough space"):
        write_mrb(make_case(), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


if sys.platform != "win32":  # Windows has no limit on the size of a file

    def test_short_write_of_the_voxels_leaves_the_old_file(tmp_path, monkeypatch):
        """MRML only prints that it could not write; the bundle would lack its voxels."""
        import resource

        path = tmp_path / "scene.mrb"
        path.write_bytes(b"old")
        case = Case(scan=make_scan(size=(60, 60, 60)))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
        try:
            with pytest.raises(ResourceError, match="scene could not be written"):
                write_mrb(case, path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]


def test_truncated_scene_description_is_noticed(tmp_path, monkeypatch):
    """Without its last lines the scene cannot be opened, and MRML does not notice."""
    read = Path.read_bytes
    monkeypatch.setattr(
        Path, "read_bytes", lambda path: read(path)[: -20 if path.suffix == ".mrml" else None]
    )
    with pytest.raises(ResourceError, match="scene could not be written"):
        write_mrb(make_case(), tmp_path / "scene.mrb")
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_and_folder_as_file_are_named(tmp_path):
    """The user must learn which name was wrong."""
    with pytest.raises(ResourceError, match="nowhere"):
        write_mrb(make_case(), tmp_path / "nowhere" / "scene.mrb")
    with pytest.raises(ResourceError, match="is a folder"):
        write_mrb(make_case(), tmp_path)


@pytest.mark.parametrize("stranger", [None, types.ModuleType("slicer")], ids=["none", "stranger"])
def test_missing_slicer_core_is_explained(monkeypatch, tmp_path, stranger):
    """PyPI has another package named slicer; neither may end in a traceback."""
    monkeypatch.setitem(sys.modules, "slicer", stranger)
    with pytest.raises(ResourceError, match=r'pip install "medassist\[scene\]"'):
        write_mrb(make_case(), tmp_path / "scene.mrb")


def test_importing_the_package_loads_neither_slicer_nor_vtk():
    """The panel and the command line would start slowly, or not at all without slicer-core."""
    code = (
        "import sys, MedAssistLib.scene as s;"
        "assert not {'slicer', 'vtk', 'vtkmodules', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_module_logics_find_each_other(headless, capfd):
    """Without the colours a label volume has no lookup table, and MRML prints errors instead."""
    volume = add_scan(headless.scene, make_scan())
    logic = headless.application.GetModuleLogic("Volumes")
    assert logic is headless.logics["Volumes"]
    labels = logic.CreateAndAddLabelVolume(headless.scene, volume, "labels")
    assert labels.GetDisplayNode().GetColorNode() is not None
    assert capfd.readouterr().err == ""


def test_scenes_are_independent_and_close_cleanly():
    """A cohort writes one scene after another; nodes of one patient must not reach the next."""
    for _ in range(3):
        with headless_scene() as made:
            add_scan(made.scene, make_scan())
            assert len(nodes(made.scene, "vtkMRMLScalarVolumeNode")) == 1
        assert made.scene.GetNumberOfNodes() == 0
