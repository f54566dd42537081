"""YuNet of OpenCV, in our own environment: MODEL.onnx PICTURES.npz as arguments.

Answers like `mtcnn_detect.py`; "score" in a question is the lowest score to return.
"""

import json
import sys
import time

import cv2
import numpy as np

pictures = np.load(sys.argv[2])["pictures"] if len(sys.argv) > 2 else []
for line in sys.stdin:
    question = json.loads(line)
    answer: dict[str, object] = {}
    if question:
        if "path" in question:
            image = np.asarray(cv2.imread(question["path"]), np.uint8)
        else:
            image = np.ascontiguousarray(pictures[question["picture"]][..., ::-1])
        size = (image.shape[1], image.shape[0])
        detector = cv2.FaceDetectorYN.create(sys.argv[1], "", size, question["score"], 0.3, 5000)
        detector.detect(image)  # sets itself up for a new size
        started = time.perf_counter()
        faces = detector.detect(image)[1]
        answer["ms"] = 1000 * (time.perf_counter() - started)
        faces = np.empty((0, 15)) if faces is None else faces
        boxes = np.concatenate([faces[:, :2], faces[:, :2] + faces[:, 2:4]], axis=1)
        answer["boxes"] = boxes.tolist()
        answer["scores"] = faces[:, 14].tolist()
    print(json.dumps(answer), flush=True)
