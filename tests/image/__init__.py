"""The image without a container engine: what its Dockerfile says."""
