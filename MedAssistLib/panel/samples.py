"""Scans for trying MedAssist, as Slicer's Sample Data module takes them."""

from __future__ import annotations

_TESTING = "https://github.com/Slicer/SlicerTestingData/releases/download/SHA256/"
_HEAD = "cc211f0dfd9a05ca3841ce1141b292898b2dd2d3f08286affadf823a7e58df93"
_CHEST = "4507b664690840abb6cb9af2d919377ffc4ef75b167cb6fd0f747befdb12e38e"

# Both are scans that Slicer itself offers, here under the name of what to try on them.
SAMPLES = (
    {
        "sampleName": "MedAssistHead",
        "uris": _TESTING + _HEAD,
        "fileNames": "MR-head.nrrd",
        "nodeNames": "MRHead",
        "checksums": f"SHA256:{_HEAD}",
    },
    {
        "sampleName": "MedAssistChest",
        "uris": _TESTING + _CHEST,
        "fileNames": "CT-chest.nrrd",
        "nodeNames": "CTChest",
        "checksums": f"SHA256:{_CHEST}",
    },
)
