"""What several tests share: real scans where they are, and small made-up ones of known truth."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk

from MedAssistLib.case import ANATOMICAL_STRUCTURE, Code, Scan, Segment, Segmentation
from MedAssistLib.scene import HeadlessScene, headless_scene

REPOSITORY = Path(__file__).resolve().parents[1]
_NILEARN = "nilearn/datasets/data/mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"

# No X server is needed, and none is to be asked for.
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real scans that lies beside the repository; see the README's section on tests."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("../shared/data is not there")
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Leave the user's own cache of converted networks alone."""
    os.environ["MEDASSIST_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def mni() -> dict[str, Path]:
    """Files of the MNI152 head that nilearn carries: t1, gm, wm."""
    nilearn = metadata.distribution("nilearn")
    return {kind: Path(nilearn.locate_file(_NILEARN.format(kind))) for kind in ("t1", "gm", "wm")}


@pytest.fixture(scope="session")
def mni_scan(mni: dict[str, Path]) -> Scan:
    from MedAssistLib.read import ReadOptions, read_scan

    return read_scan(mni["t1"], ReadOptions(modality="MR"))


@pytest.fixture(scope="session")
def head(mni_scan: Scan) -> sitk.Image:
    """A part of the MNI head with slices twice as thick as its voxels are wide: 2×2×4 mm."""
    image = sitk.Shrink(sitk.Cast(mni_scan.image, sitk.sitkFloat32), [2, 2, 4])
    return image[10:80, 14:94, 6:40]


@pytest.fixture(scope="session")
def reference(head: sitk.Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That part of the head with other grey values, as a file."""
    path = tmp_path_factory.mktemp("reference") / "reference.nii.gz"
    sitk.WriteImage(sitk.Sqrt(head) * 30 + 5, path)
    return path


@pytest.fixture
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of a sixth of the size, for tests that draw many; every other step is the same."""
    from MedAssistLib.export import slices

    monkeypatch.setattr(slices, "_LONGEST_PX", 110)
    monkeypatch.setattr(slices, "_SECOND_LONGEST_PX", 70)


@pytest.fixture
def small_scan() -> Scan:
    """A noisy block of 20×18×14 voxels, anisotropic and oblique, with a bright box in it."""
    noise = np.random.default_rng(7).normal(100.0, 5.0, (14, 18, 20))
    noise[4:9, 5:12, 6:15] += 300.0
    image = sitk.GetImageFromArray(noise.astype(np.int16))
    image.SetSpacing((0.9, 1.1, 2.5))
    image.SetOrigin((-12.5, 30.25, 101.0))
    turn = sitk.Euler3DTransform()
    turn.SetRotation(0.2, -0.1, 0.3)
    image.SetDirection(turn.GetMatrix())
    return Scan(image=image, modality="MR", name="small")


@pytest.fixture
def small_segmentation(small_scan: Scan) -> Segmentation:
    """The bright box of ``small_scan`` and a second structure beside it."""
    labels = np.zeros((14, 18, 20), dtype=np.uint8)
    labels[4:9, 5:12, 6:15] = 1
    labels[10:12, 2:5, 2:6] = 2
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(small_scan.image)
    return Segmentation(
        labels=image,
        segments=(
            Segment(
                label=1,
                name="Liver",
                colour=(221, 130, 101),
                category=ANATOMICAL_STRUCTURE,
                type=Code("10200004", "SCT", "Liver"),
            ),
            Segment(
                label=2,
                name="Left kidney",
                colour=(185, 102, 83),
                category=ANATOMICAL_STRUCTURE,
                type=Code("64033007", "SCT", "Kidney"),
                modifier=Code("7771000", "SCT", "Left"),
            ),
        ),
        made_by="test",
    )


@pytest.fixture
def headless() -> Iterator[HeadlessScene]:
    with headless_scene() as made:
        yield made


@pytest.fixture
def scene(headless):
    return headless.scene


def dice(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Return the Dice overlap of two masks."""
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    return float(2.0 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b)))


def mask_of(image: sitk.Image) -> npt.NDArray[np.bool_]:
    """Return where a label image is not background, axes (k, j, i)."""
    mask: npt.NDArray[np.bool_] = sitk.GetArrayFromImage(image) > 0
    return mask
