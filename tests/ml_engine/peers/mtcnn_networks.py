"""Run in the environment of the package `mtcnn`: its networks on the inputs of a file.

    python mtcnn_networks.py INPUTS.npz OUTPUTS.npz

Inputs are float32, as the networks take them, under `pnet`, `rnet`, `onet`; outputs are written as
`pnet_0`, `pnet_1`, …, in the package's order.
"""

import sys

import numpy as np
from mtcnn.stages import StageONet, StagePNet, StageRNet

inputs = np.load(sys.argv[1])
outputs = {}
for name, stage in (("pnet", StagePNet), ("rnet", StageRNet), ("onet", StageONet)):
    for number, output in enumerate(stage().model(inputs[name])):
        outputs[f"{name}_{number}"] = np.asarray(output)
np.savez(sys.argv[2], **outputs)  # type: ignore[arg-type]
