"""The image without a container engine: what its Dockerfile says, and its steps carried out."""
