"""Wrong labels of a training set are found, ranked, and told why."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.check import rule_kinds
from MedAssistLib.check.audit import Suspect, audit_labels
from MedAssistLib.check.audit_file import audit_data
from MedAssistLib.check.calibration import Key
from MedAssistLib.check.cross_fitting import cross_fitted
from MedAssistLib.check.labelled import Judges, judges_of
from MedAssistLib.check.surprise import Tail, tails
from MedAssistLib.cli.main import main
from MedAssistLib.errors import InputError
from MedAssistLib.train.answers import ANSWERS, Answers
from MedAssistLib.train.audit import audit
from MedAssistLib.train.dataset import read_dataset
from MedAssistLib.train.facts import gather
from MedAssistLib.train.preparation import WORK
from MedAssistLib.train.split import read_folds
from Testing.corrupted_labels import OTHER, SWAP, answered, corrupt
from Testing.labelled_sets import decathlon
from Testing.train_cases import put_plan

CASES = 24


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return decathlon(tmp_path_factory.mktemp("blocks") / "data", CASES)


def rank(source: Path, judges: Judges | None = None) -> list[Suspect]:
    dataset = read_dataset(source)
    looked = audit(dataset, gather(dataset))
    return audit_labels(judges or Judges(dataset=dataset), looked)


def test_wrong_labels_come_first(source: Path, tmp_path: Path) -> None:
    """The person would look through all cases to find the few that spoil the training."""
    kinds = ("missing structure", "island", SWAP, OTHER, "dilation")
    wrong = corrupt(source, tmp_path / "data", 5, np.random.default_rng(3), kinds)
    judges = judges_of(read_dataset(tmp_path / "data"), answered(source, tmp_path / "model"))
    suspects = rank(tmp_path / "data", judges)
    assert {suspect.case for suspect in suspects[:5]} == {one.case for one in wrong}
    assert len(suspects) == CASES
    assert all(suspect.findings for suspect in suspects[:5])
    # The set has cases with the same labels, which the audit of the data tells besides.
    others = [f for s in suspects[5:] for f in s.findings if not f.rule.startswith("dataset.")]
    assert len(others) <= CASES / 10


def test_without_networks_the_rules_find_what_they_can(source: Path, tmp_path: Path) -> None:
    kinds = ("missing structure", "island")
    wrong = corrupt(source, tmp_path / "data", 2, np.random.default_rng(5), kinds)
    suspects = rank(tmp_path / "data")
    assert {suspect.case for suspect in suspects[:2]} == {one.case for one in wrong}
    island = next(one.case for one in wrong if one.kind == "island")
    titles = [f.title for suspect in suspects if suspect.case == island for f in suspect.findings]
    assert any("island" in title for title in titles)


def test_a_networks_blunder_does_not_come_before_a_wrong_label(
    source: Path, tmp_path: Path
) -> None:
    """Networks that learned for ten minutes see parts where there are none."""
    wrong = corrupt(source, tmp_path / "data", 1, np.random.default_rng(3), ("island",))
    model = answered(source, tmp_path / "model")
    answers = Answers(model / WORK / ANSWERS)
    dataset = read_dataset(tmp_path / "data")
    corner = (slice(-8, None),) * 3
    case, answer = next(
        (case.name, answer)
        for case in dataset.cases
        for answer in (answers.of(case.name),)
        if case.name != wrong[0].case and not answer.labels[-10:, -10:, -10:].any()
    )
    labels, likely = answer.labels.copy(), answer.probabilities.astype(np.float32)
    labels[corner], likely[0][corner] = 1, 0.99
    answers.keep(case, labels, likely)
    first, *others = rank(tmp_path / "data", judges_of(dataset, model))
    assert first.case == wrong[0].case
    blunder = next(suspect for suspect in others if suspect.case == case)
    assert any("further part" in finding.title for finding in blunder.findings)


def test_what_cannot_be_used_at_all_comes_before_the_rest(source: Path, tmp_path: Path) -> None:
    corrupt(source, tmp_path / "data", 1, np.random.default_rng(1), ("island",))
    path = tmp_path / "data/labelsTr/blocks_007.nii.gz"
    sitk.WriteImage(sitk.ReadImage(str(path)) * 5, str(path))
    first = rank(tmp_path / "data")[0]
    assert first.case == "blocks_007"
    assert "nothing describes" in first.reason
    entry = audit_data([first], "blocks", "")["cases"][0]
    assert entry["rarity"] is None, "a file must not hold what is no JSON"


def _tail_of(scores: np.ndarray) -> Tail:
    key = Key("geometry.spikes", "spike", "Bright")
    return tails([{key: float(score)} for score in scores], rule_kinds())[key]


def test_rarity_is_what_it_says() -> None:
    """Three decades are one correct case of 1000, or the number means nothing."""
    scores = np.random.default_rng(0).exponential(1.0, 40_000)
    tail = _tail_of(scores)
    for decades in (1.0, 2.0, 3.0):
        share = np.mean([tail.decades(score) > decades for score in scores])
        assert share == pytest.approx(10.0**-decades, rel=0.2)
        assert tail.decades(tail.score(decades)) == pytest.approx(decades)


def test_errors_hardly_move_what_is_usual() -> None:
    """Twenty wrong cases of 200 would make one another look usual."""
    scores = np.random.default_rng(1).exponential(1.0, 200)
    clean = _tail_of(scores)
    scores[:20] = 1e3
    spoilt = _tail_of(scores)
    assert spoilt.score(3.0) < 2.0 * clean.score(3.0)
    assert spoilt.decades(1e3) > 50.0


def test_a_score_that_hardly_any_case_has_is_measured_in_the_rules_own_threshold() -> None:
    limit = rule_kinds()["geometry.spikes"].thresholds["spike"].value
    tail = _tail_of(np.array([0.0] * 99 + [2.0 * limit]))
    assert tail.decades(2.0 * limit) > 3.0


def test_a_folder_without_answers_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no answers to its cases"):
        judges_of(read_dataset(source), tmp_path)


def test_networks_judge_only_what_they_have_not_seen(tmp_path: Path) -> None:
    """A network that has learned a wrong label repeats it, and nothing would be found."""
    put_plan(tmp_path / "model", steps=1)
    source = decathlon(tmp_path / "data", 6)
    dataset = read_dataset(source)
    looked = audit(dataset, gather(dataset))
    judges = cross_fitted(source, dataset, looked, tmp_path, minutes=0.01, device="cpu")
    assert len(judges.heard) == 6
    halves = read_folds(tmp_path / "model" / WORK / "splits.json", dataset.cases)
    assert [len(half) for half in halves] == [3, 3]


def test_the_command_writes_a_ranking(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = corrupt(source, tmp_path / "data", 1, np.random.default_rng(3), ("island",))
    model = answered(source, tmp_path / "model")
    data, case = str(tmp_path / "data"), wrong[0].case
    for suffix in ("json", "csv", "html"):
        out = tmp_path / f"audit.{suffix}"
        assert main(["check", data, "--audit", "--model", str(model), "-o", str(out)]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[1].split()[:2] == ["1", case]
    assert f"{CASES} of {CASES} cases were judged by a network" in shown
    told = json.loads((tmp_path / "audit.json").read_text("utf-8"))
    assert [entry["rank"] for entry in told["cases"]] == list(range(1, CASES + 1))
    finding = told["cases"][0]["findings"][0]
    assert told["cases"][0]["case"] == case
    with (tmp_path / "audit.csv").open(encoding="utf-8", newline="") as stream:
        first = next(csv.DictReader(stream))
    assert (first["case"], float(first["L"])) == (case, finding["point_lps"][0])
    page = (tmp_path / "audit.html").read_text("utf-8")
    assert page.index(case) < page.index("All cases")
    assert "data:image/png" in page


def test_the_command_refuses_what_makes_no_sense(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audited = ["check", str(source), "--audit"]
    assert main([*audited, "--segmentation", "x.nii.gz"]) == 2
    assert main([*audited, "--time", "soon"]) == 2
    assert main([*audited, "--model", str(tmp_path)]) == 3
    assert main(["check", str(tmp_path), "--audit"]) == 3
    assert "Traceback" not in capsys.readouterr().err
