"""Tells each process of a worker group where all of them are, and which of them it is.

Ray's ``TensorflowConfig`` does the same, from a package that loads TensorFlow wherever it is read:
in the process that supervises the workers too, before it starts any, for nothing (4 s and 0.5 GB).
"""

import json
import os
from collections.abc import Sequence
from typing import Any, cast

import ray
from ray._common.network_utils import build_address  # type: ignore[attr-defined]
from ray.train._internal.base_worker_group import BaseWorkerGroup
from ray.train._internal.utils import get_address_and_port
from ray.train.backend import Backend, BackendConfig


class _Addresses(Backend):
    """Gives all workers of a group that has started their ``TF_CONFIG``."""

    def on_start(
        self,
        worker_group: BaseWorkerGroup,
        backend_config: BackendConfig,  # noqa: ARG002 Ray's signature
    ) -> None:
        """Called by Ray's supervisor of the workers, once they are up."""
        addresses = worker_group.execute(_address)
        count = len(addresses)
        told = [worker_group.execute_single_async(i, _tell, addresses, i) for i in range(count)]
        ray.get(cast(Any, told))  # Ray's annotations of the two disagree


class MultiWorker(BackendConfig):
    """Workers under ``MultiWorkerMirroredStrategy``, for ``TensorflowTrainer``."""

    @property
    def backend_cls(self) -> type[Backend]:
        """What Ray calls when a group starts."""
        return _Addresses


def _address() -> str:
    """This worker's host, and a port that is free there."""
    return str(build_address(*get_address_and_port()))


def _tell(addresses: Sequence[str], index: int) -> None:
    """Set what TensorFlow learns its cluster from; it must not have looked yet."""
    place = {"cluster": {"worker": list(addresses)}, "task": {"type": "worker", "index": index}}
    os.environ["TF_CONFIG"] = json.dumps(place)
