"""Surfaces that leave: closed, of the volume of the voxels, and where the structure is."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial import cKDTree

from MedAssistLib import geometry
from MedAssistLib.case import Segment, Segmentation
from MedAssistLib.export.meshes import write_meshes
from MedAssistLib.export.surfaces import Surface, make_surfaces
from MedAssistLib.read import read_segmentation
from Testing import orientations

_CT = "ct/example_seg.nii.gz"
_ABDOMEN = "ct/example_seg_dicom.nii.gz"
_HIPPOCAMPI = [f"hippocampus/labelsTr/hippocampus_{n:03d}.nii.gz" for n in (1, 3, 4, 6, 7)]


def labelled(volume: npt.NDArray[np.uint8]) -> Segmentation:
    """Return a segmentation of every label in a volume (k, j, i), with flat voxels."""
    image = sitk.GetImageFromArray(volume)
    image.SetSpacing((0.7, 1.3, 3.0))
    values = [int(value) for value in np.unique(volume) if value]
    segments = tuple(Segment(label=n, name=f"S{n}", colour=(n, 2, 3)) for n in values)
    return Segmentation(labels=image, segments=segments)


def voxel_volumes(segmentation: Segmentation) -> dict[str, float]:
    """Return the volume of each structure's voxels, mm³."""
    volume = sitk.GetArrayViewFromImage(segmentation.labels)
    counts = dict(
        zip(*(part.tolist() for part in np.unique(volume, return_counts=True)), strict=True)
    )
    voxel = geometry.voxel_volume(segmentation.labels)
    return {s.name: counts[s.label] * voxel for s in segmentation.segments if s.label in counts}


def as_trimesh(surface: Surface) -> trimesh.Trimesh:
    return trimesh.Trimesh(surface.points, surface.triangles, process=False)


def to_voxels(surface: Surface, labels: sitk.Image) -> tuple[npt.NDArray[np.float64], ...]:
    """Return how far each point is from the nearest voxel of the structure and of anything else.

    Centres of voxels count, and there are voxels beyond the image.
    """
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(labels)
    box = shape.GetBoundingBox(surface.segment.label)
    padded = sitk.ConstantPad(sitk.RegionOfInterest(labels, box[3:], box[:3]), [2] * 3, [2] * 3)
    mask = sitk.GetArrayViewFromImage(padded) == surface.segment.label
    matrix = geometry.index_to_lps(padded)
    trees = (
        cKDTree(np.argwhere(part)[:, ::-1] @ matrix[:3, :3].T + matrix[:3, 3])
        for part in (mask, ~mask)
    )
    return tuple(tree.query(surface.points)[0] for tree in trees)


@pytest.mark.alone
@pytest.mark.parametrize("name", [_CT, _ABDOMEN, *_HIPPOCAMPI])
def test_structures_keep_their_volume_in_a_closed_surface(
    shared_data: Path, tmp_path: Path, name: str
) -> None:
    """A planner who measures the mesh, or prints it, must get what was segmented."""
    segmentation = read_segmentation(shared_data / name)
    expected = voxel_volumes(segmentation)
    began = time.perf_counter()
    write_meshes(segmentation, tmp_path / "x.glb")
    assert time.perf_counter() - began < 30.0
    scene = trimesh.load(tmp_path / "x.glb")
    assert set(scene.geometry) == set(expected)
    for structure, mesh in scene.geometry.items():
        assert mesh.volume == pytest.approx(expected[structure], rel=0.01), structure


@pytest.mark.parametrize("name", [_CT, *_HIPPOCAMPI[:2]])
def test_surfaces_of_real_labels_are_closed_and_on_the_boundary(
    shared_data: Path, name: str
) -> None:
    """Each point between a voxel of the structure and one of something else, mostly halfway."""
    segmentation = read_segmentation(shared_data / name)
    diagonal = float(np.linalg.norm(segmentation.labels.GetSpacing()))
    for surface in make_surfaces(segmentation):
        mesh = as_trimesh(surface)
        assert mesh.is_volume, surface.segment.name
        inside, outside = to_voxels(surface, segmentation.labels)
        assert max(inside.max(), outside.max()) < 1.2 * diagonal, surface.segment.name
        assert np.median(np.abs(inside - outside)) < 0.25 * diagonal, surface.segment.name


def test_every_way_to_store_a_scan_gives_surfaces_at_the_same_place(
    small_segmentation: Segmentation,
) -> None:
    """Mirrored meshes are what hurts a surgeon most; the scan is oblique and its voxels flat."""
    diagonal = float(np.linalg.norm(small_segmentation.labels.GetSpacing()))
    for how in orientations.ALL:
        labels = orientations.stored(small_segmentation.labels, *how)
        stored = Segmentation(labels=labels, segments=small_segmentation.segments)
        for surface in make_surfaces(stored):
            assert as_trimesh(surface).is_volume
            inside, outside = to_voxels(surface, small_segmentation.labels)
            assert max(inside.max(), outside.max()) < 1.2 * diagonal


@settings(max_examples=40, deadline=None)
@given(arrays(np.uint8, (4, 4, 4), elements=st.sampled_from([0, 0, 1, 1, 2])))
def test_voxels_that_touch_in_any_way_are_closed_and_keep_their_volume(
    volume: npt.NDArray[np.uint8],
) -> None:
    """Along an edge, in a corner, around a hollow: print shops refuse what is not closed."""
    segmentation = labelled(volume)
    expected = voxel_volumes(segmentation)
    found = make_surfaces(segmentation)
    assert [surface.segment.name for surface in found] == list(expected)
    for surface in found:
        mesh = as_trimesh(surface)
        assert mesh.is_watertight
        assert mesh.is_winding_consistent
        assert mesh.volume == pytest.approx(expected[surface.segment.name], rel=0.005)


def test_voxels_that_touch_along_an_edge_stay_one_piece() -> None:
    """A vessel that runs obliquely between slices must not fall into crumbs."""
    volume = np.zeros((6, 6, 6), dtype=np.uint8)
    for n in range(1, 5):
        volume[n, n, 2] = 1
    (surface,) = make_surfaces(labelled(volume))
    assert len(as_trimesh(surface).split(only_watertight=False)) == 1


def test_islands_and_hollows_keep_their_own_volume() -> None:
    """Smoothing must not take from a small island and give it to the organ."""
    volume = np.zeros((24, 24, 24), dtype=np.uint8)
    volume[2:14, 2:14, 2:14] = 1
    volume[6:10, 6:10, 6:10] = 0
    volume[18, 18, 18] = 1
    (surface,) = make_surfaces(labelled(volume))
    voxel = 0.7 * 1.3 * 3.0
    pieces = sorted(part.volume / voxel for part in as_trimesh(surface).split())
    assert pieces == pytest.approx([-64.0, 1.0, 12.0**3], rel=0.001)
