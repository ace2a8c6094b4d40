# The image of every Ray node, head and worker, and of the pods that submit jobs. CPU only: a GPU
# image needs tensorflow[and-cuda], which requirements.lock does not hold.
FROM python:3.11.14-slim-bookworm

# KubeRay's probes call wget. Debian's security updates are wanted, so no version is pinned.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends procps wget \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 --user-group ray

# Into the image's own Python, not a virtual environment: KubeRay starts Ray from a login shell,
# whose PATH is Debian's.
COPY requirements.lock /tmp/requirements.lock
RUN pip install --no-cache-dir --only-binary :all: --require-hashes --requirement /tmp/requirements.lock \
    && rm /tmp/requirements.lock

WORKDIR /home/ray/fer_ray
COPY pyproject.toml README.md ./
COPY fer_ray fer_ray
COPY jobs jobs
RUN pip install --no-cache-dir --no-deps --no-build-isolation . \
    && rm -rf build ./*.egg-info fer_ray \
    && chown ray:ray .

USER 1000
ENV PYTHONUNBUFFERED=1
