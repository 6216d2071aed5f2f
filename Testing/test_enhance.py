"""Enhancing: chains, presets and saved chains do what they say; the scan is never changed."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Scan
from MedAssistLib.cli import main
from MedAssistLib.enhance import (
    default_chain,
    enhance,
    filter_kinds,
    make_step,
    parse_step,
    preset,
    presets,
    read_chain,
    write_chain,
)
from MedAssistLib.enhance.nonlocal_means import Likeness, _block_means, nonlocal_means
from MedAssistLib.errors import CancelledError, InputError, UsageError
from MedAssistLib.progress import Cancellation, Progress, ProgressEvent
from Testing import orientations


@pytest.fixture(scope="module")
def half_head(mni_scan: Scan) -> Scan:
    """The MNI head at 2 mm, so that filters take a moment only."""
    return Scan(image=sitk.Shrink(mni_scan.image, [2, 2, 2]), modality="MR")


def test_n4_removes_a_bias_that_was_put_in(half_head: Scan) -> None:
    image = sitk.Cast(half_head.image, sitk.sitkFloat32)
    ramp = np.linspace(0.7, 1.3, image.GetSize()[0], dtype=np.float32)
    values = sitk.GetArrayFromImage(image)
    biased = geometry.from_array(values * ramp, image)
    corrected = enhance(Scan(image=biased, modality="MR"), (parse_step("bias.n4"),)).image
    white = values > 200

    def unevenness(image: sitk.Image) -> float:
        tissue = sitk.GetArrayFromImage(image)[white]
        return float(tissue.std() / tissue.mean())

    assert unevenness(corrected) < 0.6 * unevenness(biased)


def test_curvature_removes_noise_but_not_edges(half_head: Scan) -> None:
    clean = sitk.GetArrayFromImage(half_head.image).astype(np.float32)
    noise = np.random.default_rng(5).normal(0.0, 12.0, clean.shape).astype(np.float32)
    noisy = Scan(image=geometry.from_array(clean + noise, half_head.image), modality="MR")
    smooth = sitk.GetArrayFromImage(enhance(noisy, (parse_step("denoise.curvature"),)).image)
    assert np.square(smooth - clean).mean() < 0.5 * np.square(noise).mean()


@pytest.mark.parametrize("name", presets())
def test_a_preset_keeps_the_grid_and_leaves_the_scan_alone(small_scan: Scan, name: str) -> None:
    before = sitk.Hash(small_scan.image)
    enhanced = enhance(small_scan, preset(name).chain)
    assert geometry.same_grid(enhanced.image, small_scan.image)
    assert sitk.Hash(small_scan.image) == before
    assert [text.partition(":")[0] for text in enhanced.enhancement] == [
        step.kind.name for step in preset(name).chain
    ]


@pytest.mark.parametrize("name", ["ct-brain", "ct-bone"])
@pytest.mark.parametrize(("order", "flips"), orientations.ALL[5::29])
def test_orientation_does_not_change_the_result(
    small_head: Scan, order: tuple[int, ...], flips: tuple[bool, ...], name: str
) -> None:
    chain = preset(name).chain
    straight = enhance(small_head, chain).image
    turned = enhance(Scan(image=orientations.stored(small_head.image, order, flips)), chain).image
    expected = orientations.stored(straight, order, flips)
    shown, wanted = (sitk.GetArrayViewFromImage(image) for image in (turned, expected))
    assert np.abs(shown - wanted).max() <= 1e-3 * np.ptp(wanted)


@pytest.fixture(scope="module")
def small_head(mni_scan: Scan) -> Scan:
    """The MNI head at 4 mm."""
    return Scan(image=sitk.Shrink(mni_scan.image, [4, 4, 4]), modality="MR")


def test_default_chain_follows_the_modality() -> None:
    names = {kind: [step.kind.name for step in default_chain(kind)] for kind in ("MR", "CT", "")}
    assert names["MR"] == ["bias.n4", "denoise.curvature"]
    assert names["CT"] == names[""] == ["denoise.curvature"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("denois.curvature", 'Did you mean "denoise.curvature"'),
        ("bias.n4:iteration=3", 'Did you mean "iterations"'),
        ("bias.n4:iterations=3.5", "not a whole number"),
        ("bias.n4:iterations=many", "not a whole number"),
        ("bias.n4:working_spacing=-1", "from 1 to 10"),
        ("denoise.curvature:conductance=nan", "from 0.1 to 20"),
        ("denoise.curvature:conductance", "Write conductance=VALUE"),
        ("denoise.gaussian:sigma=-1", "sigma=-1 is out of range"),
        ("contrast.window:width=0", "width=0 is out of range"),
        ("denoise.gaussian:sigma=1,sigma=2", "sigma is given twice"),
        ("denoise.nonlocal:rician=maybe", "neither yes nor no"),
    ],
)
def test_a_mistyped_filter_or_option_is_named(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_step(text)


def test_a_step_is_written_as_it_is_read() -> None:
    text = "bias.n4:working_spacing=3.5,iterations=20,levels=2"
    assert str(parse_step(text)) == text


def test_progress_rises_to_the_end(half_head: Scan) -> None:
    events: list[ProgressEvent] = []
    enhance(half_head, progress=Progress(events.append))
    fractions = [event.fraction for event in events]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert {event.stage for event in events} == {
        "Enhancing (bias.n4)",
        "Enhancing (denoise.curvature)",
    }


@pytest.mark.alone
@pytest.mark.parametrize(
    "name",
    [
        "denoise.curvature:iterations=100",
        "denoise.nonlocal:search=20",
    ],
)
def test_a_running_filter_can_be_cancelled_within_a_second(half_head: Scan, name: str) -> None:
    cancellation, cancelled = Cancellation(), []

    def cancel() -> None:
        cancelled.append(time.perf_counter())
        cancellation.cancel()

    timer = threading.Timer(0.3, cancel)
    timer.start()
    with pytest.raises(CancelledError):
        enhance(half_head, (parse_step(name),), Progress(cancellation=cancellation))
    timer.join()
    assert time.perf_counter() - cancelled[0] < 2.0  # One, on a machine with nothing else to do.


@pytest.mark.parametrize("modality", ["MR", "CT", ""])
def test_a_chain_is_read_as_it_was_saved(tmp_path: Path, modality: str) -> None:
    others = [name for name in filter_kinds() if name != "contrast.match"]
    steps = (
        *(make_step(name, {}, modality) for name in others),
        make_step("contrast.match", {"reference": "a, b=c.nrrd"}),
    )
    write_chain(steps, tmp_path / "chain.json")
    # Another modality's defaults must not creep in.
    assert read_chain(tmp_path / "chain.json", "CT" if modality == "MR" else "MR") == steps


@pytest.mark.parametrize("name", [name for name in filter_kinds() if name != "contrast.match"])
def test_a_step_of_every_filter_is_read_as_it_is_written(name: str) -> None:
    for modality in ("MR", "CT"):
        step = make_step(name, {}, modality)
        assert parse_step(str(step)) == step


GOOD = {"medassist_chain": 1, "filters": [{"filter": "denoise.median", "options": {"radius": 2}}]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(GOOD).replace("median", "medain"), 'Did you mean "denoise.median"'),
        (json.dumps(GOOD).replace("radius", "radus"), 'Did you mean "radius"'),
        (json.dumps(GOOD).replace('"filters"', '"filter"'), 'Did you mean "filters"'),
        (json.dumps(GOOD).replace("options", "opions"), 'Did you mean "options"'),
        (json.dumps(GOOD).replace(": 2", ": -2"), "radius=-2 is out of range"),
        (json.dumps(GOOD).replace(": 2", ": [2]"), "radius=\\[2\\] is not a number"),
        (json.dumps(GOOD).replace("1", "7"), "version 7"),
        (json.dumps(GOOD)[:-1], "not JSON: .* in line 1"),
        ('{"medassist_chain": 1, "filters": []}', 'no list "filters"'),
        ("[]", "not a JSON object"),
        ("\x00\xff", "not JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_a_typo_in_a_chain_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "chain.json"
    path.write_text(text, "latin-1")
    with pytest.raises(UsageError, match=message) as caught:
        read_chain(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_chain_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_chain(tmp_path / "none.json")


def test_a_mistyped_preset_is_named() -> None:
    with pytest.raises(UsageError, match='Did you mean "ct-lung"'):
        preset("ct-lugn")


def command(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture
def scan_file(small_scan: Scan, tmp_path: Path) -> Path:
    sitk.WriteImage(small_scan.image, str(tmp_path / "scan.nrrd"))
    return tmp_path / "scan.nrrd"


def test_the_command_saves_a_chain_that_gives_the_same_again(
    scan_file: Path, tmp_path: Path
) -> None:
    first, second, chain = (tmp_path / name for name in ("a.nrrd", "b.nrrd", "chain.json"))
    steps = ("--filter", "denoise.median:radius=2", "--filter", "contrast.clahe")
    start = ("enhance", scan_file, "--modality", "MR", "-o")
    assert command(*start, first, *steps, "--save-chain", chain) == 0
    assert command(*start, second, "--chain", chain) == 0
    assert sitk.Hash(sitk.ReadImage(str(first))) == sitk.Hash(sitk.ReadImage(str(second)))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--filter", "denoise.gaussian:sigma=-1"],
        ["--filter", "contrast.window:width=0"],
        ["--filter", "denoise.medain"],
        ["--preset", "ct-lugn"],
        ["--preset", ""],
        ["--preset", "ct-lung", "--filter", "denoise.median"],
        ["--preset", "ct-lung", "--modality", "MR"],
        ["--save-chain", "scan.nrrd"],
        ["--save-chain", "out.nrrd"],
    ],
)
def test_bad_options_end_with_status_2_and_one_line(
    scan_file: Path,
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(scan_file.parent)
    before = scan_file.read_bytes()
    assert command("enhance", "scan.nrrd", "-o", "out.nrrd", *arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert scan_file.read_bytes() == before
    assert not (scan_file.parent / "out.nrrd").exists()


def test_the_help_lists_every_filter_option_and_preset(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command("enhance", "--filters-help")
    shown = capsys.readouterr().out
    for kind in filter_kinds().values():
        assert kind.name in shown
        assert all(f"{name}: " in shown for name in kind.options.domains())
    assert all(name in shown for name in presets())


def patchwise(values: np.ndarray, likeness: Likeness) -> np.ndarray:
    """Non-local means as it is defined, voxel by voxel."""
    margin = [s + p for s, p in zip(likeness.search, likeness.patch, strict=True)]
    padded = np.pad(values.astype(np.float64), [(m, m) for m in margin], mode="reflect")
    averaged = np.square(padded) if likeness.rician else padded
    made = np.empty(values.shape)

    def around(place: np.ndarray, radius: tuple[int, ...]) -> tuple[slice, ...]:
        return tuple(slice(c - r, c + r + 1) for c, r in zip(place, radius, strict=True))

    for index in np.ndindex(values.shape):
        here = np.array(index) + margin
        weights, alike = [], []
        for shift in np.ndindex(*[2 * s + 1 for s in likeness.search]):
            there = here + np.array(shift) - likeness.search
            if (there == here).all():
                continue
            apart = padded[around(here, likeness.patch)] - padded[around(there, likeness.patch)]
            weights.append(
                np.exp(-np.square(apart).mean() / (likeness.strength * likeness.noise) ** 2)
            )
            alike.append(averaged[tuple(there)])
        weights.append(max(weights))
        alike.append(averaged[tuple(here)])
        mean = np.average(alike, weights=weights)
        bias = 2.0 * likeness.noise**2
        made[index] = np.sqrt(max(mean - bias, 0.0)) if likeness.rician else mean
    return made


@pytest.mark.parametrize("rician", [False, True])
def test_nonlocal_means_is_what_its_definition_says(
    mni_scan: Scan, rician: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tiles, shared weights and mirrored edges must not show."""
    values = sitk.GetArrayFromImage(mni_scan.image)[90:97, 100:109, 80:91].astype(np.float32)
    likeness = Likeness(noise=9.0, strength=1.0, search=(1, 2, 2), patch=(1, 1, 0), rician=rician)
    monkeypatch.setattr("MedAssistLib.enhance.nonlocal_means._TILE_VOXELS", {"cpu": 60})
    fast = nonlocal_means(values, likeness, Progress(), device="cpu")
    assert np.allclose(fast, patchwise(values, likeness), atol=0.01)


def test_nonlocal_means_in_torch_is_the_same(half_head: Scan) -> None:
    """A graphics card does the same steps with another library."""
    import torch

    values = sitk.GetArrayFromImage(half_head.image)[20:40, 30:60, 30:60].astype(np.float32)
    likeness = Likeness(noise=9.0, strength=1.0, search=(1, 2, 2), patch=(1, 1, 1), rician=True)
    made = _block_means(torch.from_numpy(values), likeness, Progress(), torch).numpy()
    assert np.allclose(made, _block_means(values, likeness, Progress(), np), atol=0.01)


def test_nonlocal_means_on_a_graphics_card_is_the_same(half_head: Scan) -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA graphics card")
    values = sitk.GetArrayFromImage(half_head.image).astype(np.float32)
    likeness = Likeness(noise=9.0, strength=1.0, search=(2, 2, 2), patch=(1, 1, 1), rician=True)
    made = [nonlocal_means(values, likeness, Progress(), device=on) for on in ("cpu", "cuda")]
    assert np.allclose(*made, atol=0.05)


@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_nonlocal_means_brings_noise_down_by_far(half_head: Scan, modality: str) -> None:
    clean = sitk.GetArrayFromImage(half_head.image).astype(np.float32)
    random = np.random.default_rng(5)
    noisy = clean + random.normal(0.0, 12.0, clean.shape)
    if modality == "MR":
        noisy = np.hypot(noisy, random.normal(0.0, 12.0, clean.shape))
    image = geometry.from_array(noisy.astype(np.float32), half_head.image)
    step = make_step("denoise.nonlocal", {}, modality)
    made = sitk.GetArrayFromImage(enhance(Scan(image=image, modality=modality), (step,)).image)
    # 6 dB: a quarter of the squared error.
    assert np.square(made - clean).mean() < 0.25 * np.square(noisy - clean).mean()


def test_what_is_like_nothing_else_is_left_as_it_is() -> None:
    """Fine bone far above the noise must not be blurred for want of something alike."""
    values = np.random.default_rng(4).uniform(0.0, 2000.0, (9, 9, 9)).astype(np.float32)
    likeness = Likeness(noise=5.0, strength=1.0, search=(2, 2, 2), patch=(1, 1, 1), rician=False)
    assert np.allclose(nonlocal_means(values, likeness, Progress()), values, atol=0.1)


def test_the_noise_is_estimated_from_the_scan(mni_scan: Scan) -> None:
    from MedAssistLib.enhance.filters.denoise_nonlocal import estimated_noise

    clean = sitk.GetArrayFromImage(mni_scan.image).astype(np.float32)
    for sigma in (5.0, 15.0):
        noise = np.random.default_rng(2).normal(0.0, sigma, clean.shape).astype(np.float32)
        image = geometry.from_array(clean + noise, mni_scan.image)
        assert abs(estimated_noise(image) / sigma - 1.0) < 0.2


def test_a_scan_without_noise_stays_as_it_is() -> None:
    image = sitk.Image(8, 8, 8, sitk.sitkFloat32) + 7.0
    made = enhance(Scan(image=image), (parse_step("denoise.nonlocal"),)).image
    assert sitk.Hash(made) == sitk.Hash(image)


def test_no_filter_needs_torch(small_scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slicer has no torch until the person installs it; it only makes a graphics card usable."""
    monkeypatch.setitem(sys.modules, "torch", None)
    for name, value in (("_WORTH_A_CARD", 0), ("_may_have_card", lambda: True)):
        monkeypatch.setattr(f"MedAssistLib.enhance.graphics_card.{name}", value)
    made = enhance(small_scan, (parse_step("denoise.nonlocal"),)).image
    assert sitk.Hash(made) != sitk.Hash(small_scan.image)


def test_a_preview_of_a_slice_does_not_wait_for_torch() -> None:
    program = (
        "import SimpleITK as s, sys, MedAssistLib.case as c, MedAssistLib.enhance as e;"
        "scan = c.Scan(image=s.AdditiveGaussianNoise(s.Image(512, 512, 6, s.sitkFloat32), 9.0));"
        "e.Preview(scan).slice((e.parse_step('denoise.nonlocal'),), 2, 3);"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_torch_is_not_imported_before_it_is_used() -> None:
    program = "import MedAssistLib.enhance as e, sys; e.presets(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
