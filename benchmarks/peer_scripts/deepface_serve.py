"""Run in the environment of `deepface`: HOME STORE.sqlite PEOPLE COUNT PORT
DETECTORS as arguments.

HOME is a separate folder with the weights in `.deepface/weights`. Fills the store with the photos
of PEOPLE, as found by each of the detectors, and with random embeddings up to COUNT. Builds the
approximate index, then serves the app of the package as its container image does: gunicorn with one
worker. Answers when the app listens, and stops it when the input of this script ends.
"""

import http.client
import os
import subprocess
import sys
import time
from pathlib import Path

home, store, people, count, port, detectors = sys.argv[1:]
DETECTORS = detectors.split(",")
os.environ |= {"HOME": home, "DEEPFACE_HOME": home, "DEEPFACE_BACKEND_ENGINE": "tensorflow"}


def fill() -> None:
    import numpy as np
    from deepface import DeepFace
    from deepface.modules.database.sqlite import SqliteClient

    random = np.random.default_rng(1)
    client = SqliteClient(store)
    for detector in DETECTORS:
        records = []
        for path in sorted(Path(people).glob("*.jpg")):
            faces = DeepFace.represent(
                str(path), model_name="Dlib", detector_backend=detector, max_faces=1,
                enforce_detection=False,
            )  # fmt: skip
            records.append((path.stem, faces[0]["embedding"]))
        vectors = random.normal(size=(int(count) - len(records), 128))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        records += [(f"Stranger {n}", vector.tolist()) for n, vector in enumerate(vectors)]
        rows = [
            {
                "img_name": name, "face": np.full((1,), n), "embedding": embedding,
                "model_name": "Dlib", "detector_backend": detector, "aligned": True,
                "l2_normalized": False,
            }
            for n, (name, embedding) in enumerate(records)
        ]  # fmt: skip
        client.insert_embeddings(rows, batch_size=1000)
        DeepFace.build_index(
            model_name="Dlib", detector_backend=detector, database_type="sqlite",
            connection_details=store,
        )  # fmt: skip


def serve() -> subprocess.Popen:
    environment = {
        **os.environ,
        "DEEPFACE_DATABASE_TYPE": "sqlite",
        "DEEPFACE_SQLITE_PATH": store,
        "DEEPFACE_FACE_RECOGNITION_MODELS": "Dlib",
        "DEEPFACE_FACE_DETECTION_MODELS": ",".join(DETECTORS),
    }
    command = [
        sys.executable, "-m", "gunicorn", "--workers=1", "--timeout=7200",
        f"--bind=127.0.0.1:{port}", "deepface.api.src.app:create_app()",
    ]  # fmt: skip
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )


def await_answer(server: subprocess.Popen) -> None:
    while server.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=120)
            connection.request("GET", "/")
            connection.getresponse().read()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("DeepFace's server ended")


fill()
process = serve()
try:
    await_answer(process)
    for _line in sys.stdin:
        print("{}", flush=True)
finally:
    process.terminate()
    process.wait(timeout=20)
