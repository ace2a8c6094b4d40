"""What learns: plain Keras 3, so that any Keras backend runs it."""
