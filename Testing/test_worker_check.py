"""The worker's check: layers as Slicer stacks and crops them, the model, earlier answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from MedAssistLib.case import Segment
from MedAssistLib.errors import CancelledError, InputError
from MedAssistLib.progress import Cancellation, Progress
from MedAssistLib.worker.arrays import describe_array, describe_scan
from MedAssistLib.worker.cache import ModelCache
from MedAssistLib.worker.check_jobs import check
from Testing.check_cases import array, body


def layer(folder: Path, labels: Any, segments: Sequence[Segment]) -> dict[str, Any]:
    """Hand over labels (k, j, i) as Slicer keeps them: cropped to what is drawn."""
    k, j, i = (slice(part.min(), part.max() + 1) for part in np.nonzero(labels))
    grid = body()[0].image[i, j, k]
    path = folder / f"{segments[0].name}.npy"
    described = describe_array(labels[k, j, i], grid, path, modality="", enhancement=())
    return {**described, "segments": [asdict(segment) for segment in segments], "made_by": "test"}


def run(folder: Path, layers: Sequence[dict[str, Any]], **more: Any) -> dict[str, Any]:
    request = {"scan": describe_scan(body()[0], folder / "scan.npy"), "layers": layers, **more}
    found: dict[str, Any] = check(request, ModelCache(), Progress())["found"]
    return found


def halves(labels: Any) -> list[tuple[Any, list[Segment]]]:
    """Return the odd and the even structures, each half with values from 1."""
    segments = body()[1].segments
    made = []
    for part in (0, 1):
        own = [segment for segment in segments if segment.label % 2 == part]
        values = np.zeros_like(labels)
        for number, segment in enumerate(own, 1):
            values[labels == segment.label] = number
        made.append((values, [replace(s, label=n) for n, s in enumerate(own, 1)]))
    return made


def test_layers_that_do_not_overlap_are_checked_as_one(tmp_path: Path) -> None:
    """Half the structures would seem to be missing, and left and right would not be compared."""
    labels = array(body()[1])
    labels[2:5, 62:66, 4:8] = 1
    whole = run(tmp_path, [layer(tmp_path, labels, body()[1].segments)])
    parts = run(tmp_path, [layer(tmp_path, *half) for half in halves(labels)])
    ids = [{entry["id"] for entry in found["findings"]} for found in (whole, parts)]
    assert ids[0] == ids[1]
    assert "island" in json.dumps(whole)
    assert "another grid" not in json.dumps(parts)


def test_layers_that_overlap_are_told_of(tmp_path: Path) -> None:
    labels = array(body()[1])
    liver = next(s for s in body()[1].segments if s.name == "Liver")
    twice = (labels == liver.label).astype(np.uint8)
    other = replace(liver, label=1, name="Tumour")
    found = run(
        tmp_path, [layer(tmp_path, labels, body()[1].segments), layer(tmp_path, twice, [other])]
    )
    assert any(entry["rule"] == "geometry.overlap" for entry in found["findings"])


def test_a_layer_of_another_grid_is_brought_to_the_scan_with_a_note(tmp_path: Path) -> None:
    segments = body()[1].segments
    described = layer(tmp_path, array(body()[1]), segments)
    described["origin"] = tuple(value + 0.7 for value in described["origin"])
    assert any("another grid" in e["title"] for e in run(tmp_path, [described])["findings"])
    described["origin"] = (5000.0, 0.0, 0.0)
    with pytest.raises(InputError, match="nothing of the segmentation"):
        run(tmp_path, [described])


def test_the_model_names_what_it_knows_and_the_rest_stays(tmp_path: Path) -> None:
    block = np.zeros_like(array(body()[1]))
    block[10:30, 10:50, 10:60] = 1
    brain = replace(body()[1].segments[0], label=1, name="brain")
    found = run(tmp_path, [layer(tmp_path, block, [brain])], model="brain", age=40.0, sex="F")
    assert found["model"] == "brain"
    with pytest.raises(InputError, match="none of its structures"):
        run(tmp_path, [layer(tmp_path, block, [replace(brain, name="Foot")])], model="brain")


def test_earlier_answers_come_back(tmp_path: Path) -> None:
    labels = array(body()[1])
    labels[2:5, 62:66, 4:8] = 1
    layers = [layer(tmp_path, labels, body()[1].segments)]
    found = run(tmp_path, layers)
    for entry in found["findings"]:
        entry.update(state="dismissed", comment=entry["title"])
    (tmp_path / "earlier.json").write_text(json.dumps(found), "utf-8")
    again = run(tmp_path, layers, earlier=str(tmp_path / "earlier.json"))
    assert again["findings"] == found["findings"]


def test_a_check_stops_when_asked(tmp_path: Path) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    image = describe_scan(body()[0], tmp_path / "scan.npy")
    with pytest.raises(CancelledError):
        check({"scan": image, "layers": []}, ModelCache(), Progress(None, cancellation))
