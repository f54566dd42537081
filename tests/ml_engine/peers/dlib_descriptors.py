"""Run in the environment of `dlib-bin`: descriptors of aligned faces.

    python dlib_descriptors.py WEIGHTS.dat CROPS.npz OUTPUT.npz

`crops`: RGB uint8 (n, 150, 150, 3) to `descriptors` (n, 128).
"""

import sys

import dlib
import numpy as np

network = dlib.face_recognition_model_v1(sys.argv[1])
crops = np.load(sys.argv[2])["crops"]
descriptors = [np.array(network.compute_face_descriptor(crop)) for crop in crops]
np.savez(sys.argv[3], descriptors=np.stack(descriptors))
