"""Learning: it learns, it can be stopped at any moment, and it goes on as if it had not been."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from MedAssistLib.errors import CancelledError, InputError
from MedAssistLib.progress import Cancellation, Progress
from MedAssistLib.train.augment import Augmentation
from MedAssistLib.train.batches import Batches, BatchPlan
from MedAssistLib.train.examples import Example
from MedAssistLib.train.loop import Course, Training
from MedAssistLib.train.network import new_network
from MedAssistLib.train.together import Together

CPU = torch.device("cpu")
COURSE = Course(
    key="a",
    seed=3,
    steps=4,
    epochs=4,
    seconds=None,
    learning_rate=2e-2,
    other_rate=3e-3,
    decay=1e-2,
    mean=0.9,
    overlapping=False,
    levels=2,
)
ARGUMENTS = {
    "n_stages": 3,
    "features_per_stage": [4, 8, 16],
    "conv_op": "Conv3d",
    "kernel_sizes": [3, 3, 3],
    "strides": [1, 2, 2],
    "n_conv_per_stage": [1, 1, 1],
    "n_conv_per_stage_decoder": [1, 1],
    "conv_bias": True,
    "norm_op": "InstanceNorm3d",
    "norm_op_kwargs": {"affine": True},
    "dropout_op": None,
    "nonlin": "LeakyReLU",
    "nonlin_kwargs": {"inplace": True},
}


def examples(count: int = 3) -> list[Example]:
    """Noisy volumes with a bright ball of value 1 in each, at different places."""
    made = []
    random = np.random.default_rng(1)
    for number in range(count):
        k, j, i = np.ogrid[:16, :16, :16]
        centre = 6 + number
        ball = (k - centre) ** 2 + (j - 8) ** 2 + (i - 8) ** 2 < 16
        image = random.normal(0, 0.3, (1, 16, 16, 16)) + 2.0 * ball
        made.append(
            Example(
                name=f"case {number}",
                image=torch.from_numpy(image.astype(np.float16)),
                labels=torch.from_numpy(ball.astype(np.float16)),
                places=(np.argwhere(ball).astype(np.int32),),
            )
        )
    return made


def training(path: Path, course: Course = COURSE, cases: list[Example] | None = None) -> Training:
    torch.manual_seed(0)
    network = new_network("PlainConvUNet", ARGUMENTS, inputs=1, outputs=2)
    plan = BatchPlan(
        patch=(16, 16, 16),
        batch=2,
        foreground=0.5,
        spacing=(1.0, 1.0, 1.0),
        augmentation=Augmentation(),
    )
    batches = Batches(cases or examples(), plan, np.eye(2, dtype=bool), CPU)
    return Training(network, batches, course, CPU, path, Together(CPU))


def weights(of: Training) -> list[torch.Tensor]:
    return list(of.mean.state_dict().values())


def test_a_network_learns_to_find_a_ball(tmp_path: Path) -> None:
    """A training whose loss does not fall gives a model that finds nothing."""
    made = training(tmp_path / "state.pt", replace(COURSE, epochs=15, steps=10))
    made.run(lambda _net: (), lambda _epoch: None, Progress())
    assert made.history[-1].loss < 0.7 * made.history[0].loss
    example = examples()[1]
    with torch.inference_mode():
        found = made.mean(example.image[None].float()).argmax(1)[0]
    truth = example.labels > 0
    dice = 2 * float((found.bool() & truth).sum()) / float(found.sum() + truth.sum())
    assert dice > 0.8


@pytest.mark.parametrize("stop", [1, 5, 10])
def test_a_training_that_was_stopped_comes_to_the_same_result(tmp_path: Path, stop: int) -> None:
    """A power cut must cost at most an epoch, and change nothing."""
    whole = training(tmp_path / "whole.pt")
    whole.run(lambda _net: (), lambda _epoch: None, Progress())
    cancellation, steps = Cancellation(), []

    def count(_event: object) -> None:
        steps.append(1)
        if len(steps) == stop:
            cancellation.cancel()

    path = tmp_path / "part.pt"
    first = training(path)
    with pytest.raises(CancelledError):
        first.run(lambda _net: (), lambda _epoch: None, Progress(count, cancellation))
    second = training(path)
    assert second.resume() is (stop > COURSE.steps)
    second.run(lambda _net: (), lambda _epoch: None, Progress())
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(second), strict=True))
    assert [e.loss for e in second.history] == [e.loss for e in whole.history]


def test_another_training_is_not_gone_on_with(tmp_path: Path) -> None:
    """A changed plan with the old weights would give a model that nobody asked for."""
    path = tmp_path / "state.pt"
    training(path).run(lambda _net: (), lambda _epoch: None, Progress())
    assert not training(path, replace(COURSE, key="b")).resume()


def test_losses_that_are_no_numbers_end_the_training_with_a_reason(tmp_path: Path) -> None:
    """Weights that are no numbers would be saved and segment nothing for ever after."""
    cases = examples()
    for example in cases:
        example.image[:] = float("nan")
    made = training(tmp_path / "state.pt", cases=cases)
    with pytest.raises(InputError, match="no numbers"):
        made.run(lambda _net: (), lambda _epoch: None, Progress())
    assert all(bool(value.isfinite().all()) for value in weights(made))


def test_one_case_that_is_no_number_is_left_out(tmp_path: Path) -> None:
    """One damaged patch must not cost a night's training."""
    cases = examples(6)
    cases[0].image[:] = float("nan")
    made = training(tmp_path / "state.pt", cases=cases)
    made.run(lambda _net: (), lambda _epoch: None, Progress())
    assert 0 < sum(epoch.skipped for epoch in made.history) < 16
    assert all(bool(value.isfinite().all()) for value in weights(made))


@pytest.mark.alone
def test_a_time_limit_is_kept(tmp_path: Path) -> None:
    made = training(tmp_path / "state.pt", replace(COURSE, epochs=None, seconds=1.5, steps=3))
    made.run(lambda _net: (), lambda _epoch: None, Progress())
    assert 1.5 <= sum(epoch.seconds for epoch in made.history) < 4.0
