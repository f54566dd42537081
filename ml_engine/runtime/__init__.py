"""How networks run: threads, devices, LiteRT on a CPU, TensorFlow on a GPU, dynamic batches."""
