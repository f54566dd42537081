"""Run in the environment of `dlib-bin`: WEIGHTS.dat CROPS.npz as arguments.

A question {"batch": 8} embeds 8 crops, and the answer is the time in milliseconds.
"""

import json
import sys
import time

import dlib
import numpy as np

network = dlib.face_recognition_model_v1(sys.argv[1])
crops = np.load(sys.argv[2])["crops"]
for line in sys.stdin:
    question = json.loads(line)
    answer = {}
    if question:
        batch = list(crops[: question["batch"]])
        started = time.perf_counter()
        if len(batch) == 1:
            network.compute_face_descriptor(batch[0])
        else:
            network.compute_face_descriptor(batch)
        answer["ms"] = 1000 * (time.perf_counter() - started)
    print(json.dumps(answer), flush=True)
