"""The engine's TensorFlow graphs on a GPU machine that has no TensorFlow.

TensorFlow compiles with XLA, and so does JAX. So each graph that the engine would run on a GPU is
traced here by TensorFlow, written as a portable JAX program, and run there:

    pip install jax                                  # once, beside tensorflow-cpu
    python -m benchmarks.gpu export FOLDER           # here
    python3 benchmarks/gpu/measure.py FOLDER         # there: needs only jax and numpy
    python -m benchmarks.gpu report FOLDER           # here: the block of docs/benchmarks.md

What TensorFlow itself adds to a call is not in these figures.
"""
