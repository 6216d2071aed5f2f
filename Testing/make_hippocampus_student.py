"""Makes one network of an ensemble: it learns from all labels, and from the ensemble's answers.

python -m Testing.make_hippocampus_student ENSEMBLE DATASET STUDENT [EPOCHS]

ENSEMBLE is a folder that ``medassist train DATASET --folds 5`` made; ``make_hippocampus_card``
turns STUDENT into the model that comes with MedAssist. Hinton, Vinyals, Dean 2015, "Distilling the
Knowledge in a Neural Network", arXiv:1503.02531. The student has seen all cases, so that none is
left to measure it on: its card carries what the ensemble's networks reach on cases that each of
them has not seen.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from MedAssistLib.files import make_folder
from MedAssistLib.models.card import ModelCard, read_card, write_card
from MedAssistLib.models.formats.own_plan import read_plan as inference_plan
from MedAssistLib.progress import Progress
from MedAssistLib.train.augment import Random, places, sample, vary
from MedAssistLib.train.batches import Batches, BatchPlan, _box
from MedAssistLib.train.dataset import read_dataset
from MedAssistLib.train.examples import Example, prepare_examples
from MedAssistLib.train.loop import Course, Training
from MedAssistLib.train.network import new_network
from MedAssistLib.train.plan import TrainPlan, read_plan
from MedAssistLib.train.publish import write_weights
from MedAssistLib.train.together import Together

CPU = torch.device("cpu")
# How much the ensemble's answers count; the rest is the labels.
TEACHERS = 0.5
# The networks halve their grid three times.
MULTIPLE = 8


class TaughtBatches(Batches):
    """Batches whose targets are labels mixed with an ensemble's answers.

    Args:
        examples: The cases, whose structures exclude one another.
        plan: How batches are drawn.
        outputs: Of the network.
        answers: The ensemble's probabilities by case, axes (output, k, j, i).
    """

    def __init__(
        self,
        examples: list[Example],
        plan: BatchPlan,
        outputs: int,
        answers: dict[str, torch.Tensor],
    ) -> None:
        super().__init__(examples, plan, np.eye(outputs, dtype=bool), CPU)
        self._targets = {
            example.name: TEACHERS * answers[example.name]
            + (1.0 - TEACHERS) * functional.one_hot(example.labels.long(), outputs).movedim(-1, 0)
            for example in examples
        }

    def _patch(self, example: Example, random: Random) -> tuple[torch.Tensor, torch.Tensor]:
        plan, how = self._plan, self._plan.augmentation
        centre = self._centre(example, random)
        found = places(how.spatial, centre, plan.patch, plan.spacing, random)
        box = _box(found, example.labels.shape)
        voxels = found.voxels - torch.tensor([part.start for part in box])
        patch = vary(
            sample(example.image[(slice(None), *box)].float(), voxels), how.intensity, random
        )
        shares = sample(self._targets[example.name][(slice(None), *box)][1:], voxels)
        background = 1.0 - shares.sum(0, keepdim=True)
        return patch, torch.cat([background, shares, torch.ones_like(background)])


def networks(card: ModelCard, plan: TrainPlan, outputs: int) -> list[nn.Module]:
    """Return the networks of an ensemble."""
    found = []
    for file in card.weights.values():
        network = new_network(plan.network, plan.arguments, inputs=1, outputs=outputs)
        weights = torch.load(card.folder / file.path, map_location="cpu", weights_only=True)
        network.load_state_dict({name: value.float() for name, value in weights.items()})
        found.append(network.eval())
    return found


@torch.inference_mode()
def answer(teachers: list[nn.Module], example: Example) -> torch.Tensor:
    """Return the ensemble's mean probabilities of a whole case, mirrored answers included."""
    image = example.image[None].float()
    size = image.shape[2:]
    padding = [side for n in reversed(size) for side in (0, -n % MULTIPLE)]
    image = functional.pad(image, padding)
    answers = [
        teacher(image.flip(axes)).softmax(1).flip(axes)
        for teacher in teachers
        for axes in ([], [4])
    ]
    k, j, i = size
    return torch.stack(answers).mean(0)[0, :, :k, :j, :i].clone()


def main(ensemble: Path, dataset: Path, student: Path, epochs: int = 44) -> None:
    card = read_card(ensemble)
    plan, training_set = read_plan(ensemble / "training" / "plan.json"), read_dataset(dataset)
    outputs = len(training_set.structures.membership())
    work = make_folder(student / "training")
    examples = prepare_examples(
        training_set.cases,
        training_set.structures,
        inference_plan(card),
        work / "cases",
        Progress(),
    )
    teachers = networks(card, plan, outputs)
    answers = {example.name: answer(teachers, example) for example in examples}
    print(f"{len(teachers)} networks answered on {len(answers)} cases", flush=True)
    torch.manual_seed(0)
    drawn = BatchPlan(
        patch=plan.patch,
        batch=plan.batch,
        foreground=plan.foreground,
        spacing=plan.spacing,
        augmentation=plan.augmentation,
    )
    course = Course(
        key=f"student of {len(teachers)}",
        seed=0,
        steps=plan.steps,
        epochs=epochs,
        seconds=None,
        learning_rate=plan.learning_rate,
        other_rate=plan.other_rate,
        decay=plan.weight_decay,
        mean=plan.mean_weights,
        overlapping=False,
        levels=plan.supervised,
    )
    # The first of the teachers is a better beginning than random weights.
    training = Training(
        teachers[0].requires_grad_(requires_grad=True),
        TaughtBatches(examples, drawn, outputs, answers),
        course,
        CPU,
        work / "student.pt",
        Together(CPU),
    )
    training.resume()
    training.run(
        lambda _network: (),
        lambda epoch: print(
            f"epoch {epoch.number}: {epoch.loss:.4f}, {epoch.seconds:.0f} s", flush=True
        ),
        Progress(),
    )
    write_card(
        replace(
            card,
            folder=student,
            weights={"student": write_weights(student / "student.pt", training.mean.state_dict())},
            accuracy=f"{card.accuracy}; those are {len(teachers)} networks that taught this one, "
            "which learned from all cases",
            training={**card.training, "student": {"epochs": epochs, "teachers": TEACHERS}},
        )
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]), *map(int, sys.argv[4:]))
