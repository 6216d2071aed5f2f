"""Makes the atlas head that located models are found with: python -m Testing.make_atlas.

From the MNI152 T1 head that nilearn carries (ICBM 152 2009a, nonlinear, symmetric; its notice lies
beside the result): the brain alone, at 3 mm, so that it can lie in the library.
"""

from __future__ import annotations

from importlib import metadata

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from MedAssistLib import geometry
from MedAssistLib.segment.located.atlas import path_of

_HEAD = "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
_FACTOR = 3


def main() -> None:
    source = metadata.distribution("nilearn").locate_file(_HEAD)
    head = sitk.DICOMOrient(sitk.ReadImage(str(source)), "LPS")
    coarse = sitk.BinShrink(sitk.Cast(head, sitk.sitkFloat32), [_FACTOR] * 3)
    values = sitk.GetArrayFromImage(coarse)
    brain = sitk.BinShrink(sitk.Cast(head > 0, sitk.sitkFloat32), [_FACTOR] * 3)
    # The brain with its ventricles; thin rests of the skull strip go.
    mask = ndimage.binary_opening(sitk.GetArrayFromImage(brain) > 0.5, iterations=1)
    mask = ndimage.binary_fill_holes(mask)
    # 0 means outside, so that the file holds the mask too.
    kept = np.where(mask, np.clip(np.round(values), 1, 255), 0).astype(np.uint8)
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    k, j, i = (slice(part.start, part.stop) for part in box)
    path = path_of("mni152")
    sitk.WriteImage(geometry.from_array(kept, coarse)[i, j, k], path, useCompression=True)
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
