"""What a careful user writes: PEOPLE COUNT PORT YUNET.onnx MOBILEFACENET.tflite as arguments.

OpenCV's YuNet finds faces, LiteRT runs MobileFaceNet (OpenCV cannot read its file), FAISS searches,
and a server of the standard library answers, in one process. No keys, no log, no quality. Answers
when it listens, and ends with its input.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import faiss
import numpy as np
from ai_edge_litert.interpreter import Interpreter

people, count, port, yunet, mobilefacenet = sys.argv[1:]
PLACES = np.array(
    [[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]], np.float32
)
THRESHOLD = 0.6
detector = cv2.FaceDetectorYN.create(yunet, "", (640, 480), 0.8, 0.3, 5000)
network = Interpreter(mobilefacenet, num_threads=2)
network.allocate_tensors()
(given, made) = (
    details[0]["index"] for details in (network.get_input_details(), network.get_output_details())
)
one_at_a_time = threading.Lock()


def embedded(data):
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    with one_at_a_time:
        detector.setInputSize(picture.shape[1::-1])
        faces = detector.detect(picture)[1]
        if faces is None:
            return np.empty((0, 192), np.float32)
        crops = np.zeros((len(faces) + len(faces) % 2, 112, 112, 3), np.float32)
        for crop, face in zip(crops, faces, strict=False):
            matrix = cv2.estimateAffinePartial2D(face[4:14].reshape(5, 2), PLACES)[0]
            crop[:] = (cv2.warpAffine(picture, matrix, (112, 112))[..., ::-1] - 127.5) / 128
        pairs = []
        for start in range(0, len(crops), 2):  # the file takes two at a time
            network.set_tensor(given, crops[start : start + 2])
            network.invoke()
            pairs.append(network.get_tensor(made))
        vectors = np.concatenate(pairs)[: len(faces)]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


names, rows = [], []
for path in sorted(Path(people).glob("*.jpg")):
    vectors = embedded(path.read_bytes())
    names += [path.stem] * len(vectors[:1])
    rows.append(vectors[:1])
strangers = np.random.default_rng(1).normal(size=(int(count) - len(names), 192)).astype(np.float32)
strangers /= np.linalg.norm(strangers, axis=1, keepdims=True)
names += [f"Stranger {number}" for number in range(len(strangers))]
index = faiss.IndexFlatIP(192)
index.add(np.concatenate([*rows, strangers]))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        vectors = embedded(self.rfile.read(int(self.headers["Content-Length"])))
        scores, found = index.search(vectors, 1) if len(vectors) else ([], [])
        answer = [
            {"person": {"name": names[f[0]]} if s[0] > THRESHOLD else None}
            for s, f in zip(scores, found, strict=True)
        ]
        body = json.dumps({"faces": answer}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
for _ in sys.stdin:
    print("{}", flush=True)
