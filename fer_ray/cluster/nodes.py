"""What each node of the cluster says of itself: its software, its storage, whom it reaches."""

import logging
import platform
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from fer_ray.cluster.session import alive_nodes
from fer_ray.runs import rights, storage
from fer_ray.runs.checks import Check

ANSWER_S = 25.0  # a process that has nothing to load takes 1 to 3 to start
REACH_S = 3.0
PACKAGES = ("ray", "tensorflow", "keras", "numpy", "pyarrow", "fer_ray")
_HEAD = "node:__internal_head__"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Said:
    """What one node answered."""

    versions: Mapping[str, str]
    rights: list[Check]
    address: tuple[str, int] | None  # where it listens; none where it does no work


def ask(uri: str) -> tuple[list[Check], dict[str, Said]]:
    """Checks of all nodes together, and by name what each said of itself."""
    here = _named(alive_nodes())
    probes = {
        name: _Probe.options(  # type: ignore[attr-defined]
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        ).remote(node["NodeManagerAddress"])
        for name, node in here.items()
    }
    works = {name: node["Resources"].get("CPU", 0) > 0 for name, node in here.items()}
    said = _answers({name: one.say.remote(uri, works[name]) for name, one in probes.items()})
    addresses = {name: one.address for name, one in said.items() if one.address}
    cut = _answers({name: probes[name].missed.remote(addresses) for name in addresses})
    for probe in probes.values():
        ray.kill(probe)
    checks = [
        _answered(list(here), said),
        _equal({name: one.versions for name, one in said.items()}),
    ]
    return [*checks, _reached(addresses, cut)], said


def rights_of_all(said: Mapping[str, Said]) -> list[Check]:
    """One check for each right: that of the node which has it least."""
    ranks = {"passed": 0, "not tried": 1, "warned": 2, "failed": 3}
    told = []
    for checks in zip(*(one.rights for one in said.values()), strict=True):
        worst = max(checks, key=lambda one: ranks[one.state])
        names = [name for name, one in zip(said, checks, strict=True) if one.state == worst.state]
        where = "" if len(names) == len(said) else f" (on {', '.join(names)})"
        told.append(Check(worst.name, worst.state, f"{worst.told}{where}", worst.mend))
    return told


@ray.remote(num_cpus=0)
class _Probe:
    """A process on one node."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._socket: socket.socket | None = None

    def say(self, uri: str, works: bool) -> Said:
        """What the node is like; where it does work it listens from now on."""
        if works:
            self._socket = socket.create_server((self._host, 0), backlog=1024)
        versions = {"python": platform.python_version()} | {one: _version(one) for one in PACKAGES}
        address = self._socket.getsockname()[:2] if self._socket else None
        return Said(versions, rights.checks(storage.store(uri)), address)

    def missed(self, addresses: Mapping[str, tuple[str, int]]) -> list[str]:
        """Whom of ``addresses`` it does not reach."""
        missed = []
        for name, address in addresses.items():
            try:
                socket.create_connection(address, timeout=REACH_S).close()
            except OSError as error:
                logger.info("%s does not reach %s: %s", self._host, name, error)
                missed.append(name)
        return missed


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _named(nodes: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Nodes by address, as ``ray status`` and Kubernetes know them; the head first."""
    told: dict[str, Mapping[str, Any]] = {}
    for node in sorted(nodes, key=lambda one: (_HEAD not in one["Resources"], one["NodeID"])):
        name = node["NodeManagerAddress"] + (" (head)" if _HEAD in node["Resources"] else "")
        told[f"{name} #{len(told)}" if name in told else name] = node  # of one machine
    return told


def _answers(asked: Mapping[str, "ray.ObjectRef[Any]"]) -> dict[str, Any]:
    """What came back in time, by name."""
    refs = {ref: name for name, ref in asked.items()}
    if not refs:
        return {}
    done, _ = ray.wait(list(refs), num_returns=len(refs), timeout=ANSWER_S)
    told = {}
    for ref in done:
        try:
            told[refs[ref]] = ray.get(ref)
        except ray.exceptions.RayActorError as error:
            logger.warning("%s does not answer: %s", refs[ref], error)
    return {name: told[name] for name in asked if name in told}


def _answered(nodes: list[str], said: Mapping[str, Said]) -> Check:
    silent = [name for name in nodes if name not in said]
    if silent:
        mend = "look at these pods' logs and memory, or have them replaced"
        told = f"of {len(nodes)} nodes these did not within {ANSWER_S:g} s: {', '.join(silent)}"
        return Check("nodes answer", "failed", told, mend)
    return Check("nodes answer", "passed", f"{len(nodes)} of {len(nodes)}")


def _equal(versions: Mapping[str, Mapping[str, str]]) -> Check:
    """Whether all nodes run the same software."""
    name = "versions"
    differ = []
    for package in ("python", *PACKAGES):
        found: dict[str, list[str]] = {}
        for node, some in versions.items():
            found.setdefault(some[package], []).append(node)
        if len(found) > 1:
            all_told = "; ".join(f"{one} on {', '.join(some)}" for one, some in found.items())
            differ.append(f"{package} {all_told}")
    if differ:
        mend = "give head and workers one image, whose tag names its ray"
        return Check(name, "failed", f"must be equal everywhere, got {' / '.join(differ)}", mend)
    some = next(iter(versions.values()), {})
    told = ", ".join(f"{one} {some[one]}" for one in ("python", "ray", "tensorflow") if one in some)
    return Check(name, "passed", f"equal everywhere: {told}")


def _reached(addresses: Mapping[str, Any], cut: Mapping[str, list[str]]) -> Check:
    """Whether all nodes that work reach each other at ports of the system's choosing."""
    name = "workers reach each other"
    if not addresses:
        return Check(name, "not tried", "no node does work yet: all workers are still to come")
    broken = [f"{one} not {', '.join(missed)}" for one, missed in cut.items() if missed]
    broken += [f"{one} gave no answer" for one in addresses if one not in cut]
    if broken:
        mend = "let a NetworkPolicy or firewall pass all ports between Ray's pods"
        return Check(name, "failed", "; ".join(broken), mend)
    return Check(name, "passed", f"{len(addresses)} node(s), every one every other")
