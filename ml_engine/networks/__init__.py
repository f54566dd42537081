"""One network, one file: the Keras model and the loading of its published weights."""
