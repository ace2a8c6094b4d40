# The image of every Ray node, head and worker, and of the pods that submit jobs. DEVICE is cpu or
# gpu: `docker build --build-arg DEVICE=gpu .` adds NVIDIA's libraries to what the CPU image has.
ARG DEVICE=cpu

FROM python:3.11.14-slim-bookworm AS base

# KubeRay older than 1.6 probes Ray with wget. Debian's security updates are wanted, so no version
# is pinned.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends wget \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --user-group --create-home ray \
    && install --directory --owner ray --group ray /home/ray/fer_ray

WORKDIR /home/ray/fer_ray

# Into the image's own Python, not a virtual environment: KubeRay starts Ray from a login shell,
# whose PATH is Debian's. TensorFlow's headers are for those who compile against it: 430 MB.
COPY requirements.lock ./
RUN pip install --no-cache-dir --only-binary :all: --require-hashes --requirement requirements.lock \
    && rm -r "$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tensorflow/include" \
    && rm requirements.lock

FROM base AS for-cpu

FROM base AS for-gpu

# What TensorFlow's extra and-cuda names; TensorFlow looks for it beside itself, so the base needs no
# CUDA. The driver is the node's. NVIDIA_VISIBLE_DEVICES is left to the device plugin: set here, it
# would show every GPU of a node to pods that asked for none.
COPY requirements-gpu.lock ./
RUN pip install --no-cache-dir --only-binary :all: --require-hashes --requirement requirements-gpu.lock \
    && rm requirements-gpu.lock
# TensorFlow 2.21's search path has no cusolver, and without one of CUDA's libraries it uses no GPU.
ENV LD_LIBRARY_PATH=/usr/local/lib/python3.11/site-packages/nvidia/cusolver/lib

# hadolint ignore=DL3006
FROM for-${DEVICE}

WORKDIR /home/ray/fer_ray
COPY pyproject.toml README.md ./
COPY fer_ray fer_ray
RUN pip install --no-cache-dir --no-index --no-deps --no-build-isolation . \
    && pip check \
    && rm -r build ./*.egg-info fer_ray pyproject.toml README.md
COPY jobs jobs

LABEL org.opencontainers.image.title="fer_ray" \
      org.opencontainers.image.description="Trains VGG19 on facial expressions over a Ray cluster, and gives a score to trust." \
      org.opencontainers.image.version="0.1.0"
ENV PYTHONUNBUFFERED=1
USER 1000
