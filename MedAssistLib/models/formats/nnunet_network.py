"""Which network an nnU-Net model has, from its plans and the name of its trainer."""

from __future__ import annotations

import re
from typing import Any

from MedAssistLib.errors import ModelError
from MedAssistLib.models.formats.nnunet_plans import Fields

_UNET = "dynamic_network_architectures.architectures.unet."
# Changes of nnU-Net's trainer that leave the network and the prediction as the plans say.
_TRAINER = re.compile(
    r"""nnUNet_?Trainer(?:_?(?:
        \d+(?:ep|epochs?|k) | \d+en\d+ | 0\d+ | Adam | Adan | VanillaAdam | BN | BS8 | Benchmark
        | CELoss | DiceCELoss | DiceLoss | DiceTopK10Loss | Topk10Loss | LS01 | noSmooth
        | SkeletonRecall
        | CosAnneal | QuarterLR | warmup | probabilisticOversampling | noDataLoading | MOSAIC
        | DA5 | DAOrd0 | DASegOrd0 | ord0 | Segord0 | NoDA | noDummy2DDA
        | NoDeepSupervision | NoMirroring | onlyMirror01
    ))*""",
    re.VERBOSE,
)


def require_known_trainer(trainer: str) -> None:
    """Refuse a trainer that may have changed the network or the prediction.

    Raises:
        ModelError: If nothing is known about it.
    """
    if not _TRAINER.fullmatch(trainer):
        hint = "Its network is not known here; export it as TorchScript with a model.json"
        raise ModelError(f'was trained by the unknown trainer "{trainer}"', hint=hint)


def architecture(fields: Fields, trainer: str) -> tuple[str, Fields]:
    """Return the class name of the network and its arguments.

    Args:
        fields: The configuration.
        trainer: Class name of the trainer; that for batch normalisation changes the network.
    """
    if "architecture" in fields:
        name = str(fields["architecture"]["network_class_name"])
        arguments = dict(fields["architecture"]["arch_kwargs"])
    else:
        name, arguments = _old_architecture(fields)
    if re.search(r"BN(?=_|$)", trainer):
        dimensions = 2 if str(arguments["conv_op"]).endswith("2d") else 3
        arguments["norm_op"] = f"torch.nn.BatchNorm{dimensions}d"
        arguments["norm_op_kwargs"] = {"eps": 1e-5, "affine": True}
    return name, arguments


def _old_architecture(fields: Fields) -> tuple[str, dict[str, Any]]:
    """Return what plans before nnU-Net 2.2 leave to be understood."""
    kind = fields["UNet_class_name"]
    dimensions = len(fields["patch_size"])
    blocks = "n_blocks_per_stage" if kind == "ResidualEncoderUNet" else "n_conv_per_stage"
    stages = len(fields["n_conv_per_stage_encoder"])
    base, most = fields["UNet_base_num_features"], fields["unet_max_num_features"]
    arguments = {
        "n_stages": stages,
        "features_per_stage": [min(base * 2**stage, most) for stage in range(stages)],
        "conv_op": f"torch.nn.Conv{dimensions}d",
        "kernel_sizes": fields["conv_kernel_sizes"],
        "strides": fields["pool_op_kernel_sizes"],
        blocks: fields["n_conv_per_stage_encoder"],
        "n_conv_per_stage_decoder": fields["n_conv_per_stage_decoder"],
        "conv_bias": True,
        "norm_op": f"torch.nn.InstanceNorm{dimensions}d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    return _UNET + str(kind), arguments
