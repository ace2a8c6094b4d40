"""Ray's job server as far as a submitter sees it, in a process of its own.

It speaks the HTTP that ``JobSubmissionClient`` of Ray 2.60 does: ids are unique, the log is a
WebSocket that closes at the job's end, and a head that is lost has forgotten all. Who starts the
jobs' drivers is at the other end of ``line``.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import ray
from aiohttp import web

LOOK_EVERY_S = 0.01  # at a log, and at its job's end


@dataclass
class Submitted:
    """What the server knows of a job."""

    entrypoint: str
    log: Path
    status: str = "RUNNING"
    code: int | None = None
    message: str = "Job is currently running."

    @property
    def ended(self) -> bool:
        return self.status in ("STOPPED", "SUCCEEDED", "FAILED")

    def details(self, name: str) -> dict[str, Any]:
        """``JobDetails``, as JSON."""
        return {
            "type": "SUBMISSION",
            "submission_id": name,
            "status": self.status,
            "entrypoint": self.entrypoint,
            "message": self.message,
            "driver_exit_code": self.code,
        }


class Head:
    """The server, and what is wrong with it: counts of coming requests by what befalls them.

    "drops": the connection is closed before anything is done; "loses": afterwards; "busy": 503, as
    from what stands before a head that is not up. Beside these, requests of which the path's last
    word is in ``withheld`` get 502, as from a proxy that does not pass them on.
    """

    def __init__(self, line: Connection, logs: Path) -> None:
        self._line, self._logs = line, logs
        self._jobs: dict[str, Submitted] = {}
        self._trouble: Counter[str] = Counter()
        self._withheld: frozenset[str] = frozenset()
        self._tails: set[asyncio.Transport] = set()
        self._awaited = False  # whether it is asked for the next that follows a log
        self._count = 0
        self._over = asyncio.Event()

    async def serve(self) -> None:
        """Serve until told to stop; the first message is the address."""
        app = web.Application(middlewares=[self._befalls])
        app.add_routes(
            [
                web.get("/api/version", self._version),
                web.get("/api/jobs/", self._all),
                web.post("/api/jobs/", self._submit),
                web.get("/api/jobs/{name}", self._one),
                web.get("/api/jobs/{name}/logs", self._log),
                web.get("/api/jobs/{name}/logs/tail", self._tail),
            ]
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._line.send(f"http://127.0.0.1:{runner.addresses[0][1]}")
        loop = asyncio.get_running_loop()
        loop.add_reader(self._line.fileno(), self._told)
        await self._over.wait()
        loop.remove_reader(self._line.fileno())
        await runner.cleanup()

    def _told(self) -> None:
        """What is said from the other end, which waits until it is done."""
        try:
            what, *about = self._line.recv()
        except EOFError:
            self._over.set()
            return
        if what == "ended":
            name, status, code, message = about
            if name in self._jobs:
                job = self._jobs[name]
                job.status, job.code, job.message = status, code, message
        elif what == "trouble":
            (self._trouble,) = about
        elif what == "withheld":
            self._withheld = frozenset(about)
        elif what == "cut":
            self._cut()
        elif what == "lost":
            self._jobs.clear()
            self._cut()
        elif what == "followed" and not self._tails:
            self._awaited = True
            return
        self._line.send("so it is")

    def _cut(self) -> None:
        for transport in self._tails:
            transport.abort()
        self._tails.clear()

    @web.middleware
    async def _befalls(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path.rpartition("/")[2] in self._withheld:
            return web.Response(status=502, text="bad gateway")
        trouble = next((kind for kind, left in self._trouble.items() if left > 0), None)
        if trouble:
            self._trouble[trouble] -= 1
        if trouble == "busy":
            return web.Response(status=503, text="no endpoints available")
        response = web.Response() if trouble == "drops" else await handler(request)
        if trouble and request.transport:
            request.transport.abort()
        return response

    def _found(self, request: web.Request) -> Submitted:
        name = request.match_info["name"]
        if name not in self._jobs:
            raise web.HTTPNotFound(text=f"Job {name} does not exist")
        return self._jobs[name]

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": "4", "ray_version": ray.__version__})

    async def _all(self, _: web.Request) -> web.Response:
        return web.json_response([job.details(name) for name, job in self._jobs.items()])

    async def _one(self, request: web.Request) -> web.Response:
        return web.json_response(self._found(request).details(request.match_info["name"]))

    async def _submit(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        name = wanted["submission_id"]
        if name in self._jobs:
            return web.Response(status=400, text=f"Job with submission_id {name} already exists.")
        self._count += 1
        job = Submitted(wanted["entrypoint"], self._logs / f"driver-{self._count:04d}.log")
        job.log.touch()
        self._jobs[name] = job
        self._line.send(("submitted", name, job.entrypoint, job.log))
        return web.json_response({"job_id": name, "submission_id": name})

    async def _log(self, request: web.Request) -> web.Response:
        return web.json_response({"logs": self._found(request).log.read_text()})

    async def _tail(self, request: web.Request) -> web.WebSocketResponse:
        job = self._found(request)
        tail = web.WebSocketResponse()
        await tail.prepare(request)
        assert request.transport
        self._tails.add(transport := request.transport)
        if self._awaited:
            self._awaited = False
            self._line.send("so it is")
        shown = 0
        with suppress(ConnectionError):
            while request.transport:  # else who listened is gone
                ended = job.ended
                if len(text := job.log.read_text()) > shown:
                    await tail.send_str(text[shown:])
                    shown = len(text)
                if ended:
                    break
                await asyncio.sleep(LOOK_EVERY_S)
        self._tails.discard(transport)
        return tail


def serve(line: Connection, logs: Path) -> None:
    """Be the server."""
    asyncio.run(Head(line, logs).serve())
