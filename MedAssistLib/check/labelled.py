"""The cases of a training set as a check sees them, each with the answer of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Scan, Segment, Segmentation
from MedAssistLib.check.context import Context
from MedAssistLib.check.opinion import Opinion
from MedAssistLib.check.options import CheckOptions
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.rules import rule_kinds
from MedAssistLib.check.run import measured
from MedAssistLib.check.thresholds import NOT_CALIBRATED
from MedAssistLib.errors import InputError
from MedAssistLib.models.anatomy import segments
from MedAssistLib.models.card import CARD_NAME, ModelCard, read_card
from MedAssistLib.progress import Progress
from MedAssistLib.train.answers import ANSWERS, Answers
from MedAssistLib.train.dataset import LabelledCase, TrainingSet
from MedAssistLib.train.dataset.reading import read_case
from MedAssistLib.train.preparation import WORK


@dataclass(frozen=True, kw_only=True, eq=False)
class Judges:
    """Networks that cross-validated a training set: what they said of cases they had not seen.

    Attributes:
        dataset: The training set.
        answers: What the networks said; ``None`` without any.
        card: Card of the model that they make up; ``None`` without any.
    """

    dataset: TrainingSet
    answers: Answers | None = None
    card: ModelCard | None = None

    @property
    def heard(self) -> tuple[LabelledCase, ...]:
        """The cases that a network has answered to which had not seen them."""
        answers = self.answers
        return tuple(case for case in self.dataset.cases if answers and case.name in answers)

    @cached_property
    def rules(self) -> dict[str, Rule]:
        """The rules that an answered case can be measured with, by name."""
        lacking = {Need.OWN} if self.answers else {Need.OWN, Need.OPINION, Need.PROBABILITIES}
        lacking |= set() if self.card else {Need.MODEL}
        return {name: r for name, r in rule_kinds().items() if not r.needs & lacking}

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The structures, named as in the model's card."""
        structures = self.dataset.structures
        return segments(dict(zip(structures.painted, structures.titles, strict=True)))

    def signs(
        self, case: LabelledCase, rules: Mapping[str, Rule], progress: Progress
    ) -> list[Sign]:
        """Measure what is odd about a case.

        Args:
            case: The case.
            rules: With which rules, of those whose needs are met.
            progress: Told how far it is.

        Raises:
            InputError: If its files cannot be read.
            CancelledError: If the user asked to stop.
        """
        scan, made, opinion = self.read(case)
        options = CheckOptions(card=self.card, calibration=NOT_CALIBRATED)
        context = Context(
            scan=scan, segmentation=made, options=options, opinion=opinion, progress=progress
        )
        able = {name: rule for name, rule in rules.items() if rule.needs <= context.has}
        return list(measured(context, able))

    def read(self, case: LabelledCase) -> tuple[Scan, Segmentation, Opinion | None]:
        """Return the first scan of a case, what was drawn on it, and what a network says.

        Where labels are to be ignored, the network's stand, so that nothing is told there.

        Raises:
            InputError: If its files cannot be read.
        """
        scans, indexed = read_case(case, self.dataset.structures)
        scan = replace(
            scans[0], name=case.name, modality=scans[0].modality or self.dataset.modality
        )
        drawn = self.dataset.structures.drawn(indexed)
        opinion = self._opinion(case, scan)
        if opinion is not None:
            theirs = sitk.GetArrayViewFromImage(opinion.segmentation.labels)
            drawn[indexed < 0] = theirs[indexed < 0]
        made = Segmentation(
            labels=geometry.from_array(drawn, scan.image), segments=self.segments, made_by="person"
        )
        return scan, made, opinion

    def _opinion(self, case: LabelledCase, scan: Scan) -> Opinion | None:
        if self.answers is None or case.name not in self.answers:
            return None
        answer = self.answers.of(case.name)
        if answer.labels.shape != scan.image.GetSize()[::-1]:
            what = "has another size than when the networks were asked"
            raise InputError(what, where=case.images[0], hint="Train again")
        confidence = self.card.measured.get("confidence", {}) if self.card else {}
        return Opinion(
            segmentation=Segmentation(
                labels=geometry.from_array(answer.labels, scan.image),
                segments=self.segments,
                made_by=self.card.name if self.card else "network",
            ),
            probabilities=answer.probabilities,
            temperature=float(confidence.get("temperature", 1.0)),
        )


def judges_of(dataset: TrainingSet, model: Path) -> Judges:
    """Return the networks of a training by the folder of its model.

    Args:
        dataset: The training set, or one with the same cases whose labels were corrected.
        model: Folder of a model that ``medassist train`` made, or the folder ``training`` in it.

    Raises:
        InputError: If it holds no answers to cases of the training set.
    """
    folder = model.parent if model.name == WORK and not (model / WORK).is_dir() else model
    answers = Answers(folder / WORK / ANSWERS)
    card = read_card(folder) if (folder / CARD_NAME).is_file() else None
    found = Judges(dataset=dataset, answers=answers, card=card)
    if not found.heard:
        hint = "Give a folder that medassist train made of this data set"
        raise InputError("has no answers to its cases", where=model, hint=hint)
    return found
