"""Runs a LiteRT file unchanged, in our own environment: FILE.tflite BATCH THREADS as arguments.

A question {"run": 1} runs it once on one batch, and the answer is the time in milliseconds.
"""

import json
import sys
import time

import numpy as np
from ai_edge_litert.interpreter import Interpreter

interpreter = Interpreter(sys.argv[1], num_threads=int(sys.argv[3]))
detail = interpreter.get_input_details()[0]
shape = [int(sys.argv[2]), *map(int, detail["shape"][1:])]
if list(detail["shape"]) != shape:
    interpreter.resize_tensor_input(detail["index"], shape)
interpreter.allocate_tensors()
pixels = np.random.default_rng(0).random(shape, dtype=np.float32)
interpreter.set_tensor(detail["index"], pixels)
interpreter.invoke()
for line in sys.stdin:
    question = json.loads(line)
    answer = {}
    if question:
        started = time.perf_counter()
        interpreter.invoke()
        answer["ms"] = 1000 * (time.perf_counter() - started)
    print(json.dumps(answer), flush=True)
