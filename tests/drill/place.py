"""Where the drill happens: an S3 server behind a relay that fails, and a cluster to be killed."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.drill.runs import Run
from tests.flaky import Flaky
from tests.ray_head import Node, environment, free_port
from tests.s3_server import S3

MEMORY = "--object-store-memory=200000000"
WORKER = "RayTrainWorker"


class Place:
    """Storage and a cluster; ``relay`` stands between every process of a run and the server."""

    def __init__(self, server: S3, relay: Flaky) -> None:
        self.server, self.relay = server, relay
        self.storage = f"s3://{server.bucket()}/runs"
        self.nodes: list[Node] = []
        self.metrics_port = free_port()  # the head's

    @contextmanager
    def cluster(self, nodes: int = 1, cpus: int = 2, **variables: str) -> Iterator[dict[str, str]]:
        """A head without CPUs and ``nodes`` with ``cpus`` each.

        Gives the environment of who joins it, or submits jobs to it.
        """
        ours = self.server.environment | {"AWS_ENDPOINT_URL_S3": self.relay.endpoint} | variables
        quick = {
            "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "10",
            "RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S": "1",
        }
        everywhere = environment(quick | ours)
        # With its dashboard, as KubeRay starts it: Ray Train asks that whether a controller lives,
        # and gives back what a dead one had reserved.
        dashboard = free_port()
        ports = [f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={free_port()}"]
        head = Node(
            everywhere,
            "--head",
            "--port=0",
            "--num-cpus=0",
            "--include-dashboard=true",
            f"--metrics-export-port={self.metrics_port}",
            *ports,
            MEMORY,
        )
        try:
            address = f"--address={head.environment['RAY_ADDRESS']}"
            self.nodes = [head]
            for _ in range(nodes):
                port = f"--dashboard-agent-listen-port={free_port()}"
                self.nodes.append(
                    Node(head.environment, address, f"--num-cpus={cpus}", MEMORY, port)
                )
            yield head.environment | {"RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{dashboard}"}
        finally:
            for node in reversed(self.nodes):
                if node.alive:
                    node.kill()
            self.nodes = []

    def kill_cluster(self) -> None:
        """End every node as a loss of power does."""
        for node in self.nodes:
            node.kill()

    def workers(self) -> list[int]:
        """The processes of all training workers."""
        return [pid for node in self.nodes for pid in node.processes(WORKER)]

    def node_at_work(self) -> Node:
        """The node that has a training worker."""
        return next(node for node in self.nodes if node.processes(WORKER))

    def run(self, name: str, **settings: str) -> Run:
        """A new run in the storage."""
        return Run(self.storage, name, **settings)
