"""Run in the environment of the package `mtcnn`: `PICTURES.npz` with `pictures` as arguments.

A question {"picture": 3, "options": {…}} is answered with boxes, scores and milliseconds. A
question with "path" reads that file first; the reading is not timed.
"""

import json
import sys
import time

import numpy as np
import tensorflow as tf
from mtcnn import MTCNN

pictures = np.load(sys.argv[1])["pictures"] if len(sys.argv) > 1 else []
detector = MTCNN()
for line in sys.stdin:
    question = json.loads(line)
    answer: dict[str, object] = {}
    if question:
        if "path" in question:
            image = tf.io.decode_image(tf.io.read_file(question["path"]), channels=3).numpy()
        else:
            image = pictures[question["picture"]]
        started = time.perf_counter()
        try:
            faces = detector.detect_faces(image, box_format="xyxy", **question.get("options", {}))
        except Exception as error:  # the package fails on some pictures without a face
            faces, answer["error"] = [], str(error)[:200]
        answer["ms"] = 1000 * (time.perf_counter() - started)
        answer["boxes"] = [[float(v) for v in face["box"]] for face in faces or []]
        answer["scores"] = [float(face["confidence"]) for face in faces or []]
    print(json.dumps(answer), flush=True)
