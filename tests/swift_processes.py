"""The processes of a swift object store in one folder: `python -m tests.swift_processes FOLDER`.

One is forked for each of swift's four servers, with a ring of one device each. The last line of
stdout is the address at which the proxy speaks S3. They end with their process group.
"""

import os
import pwd
import sys
from pathlib import Path
from typing import Any

from swift.common.ring import RingBuilder
from swift.common.utils import get_logger, set_swift_dir
from swift.common.wsgi import appconfig, get_socket, run_server

BACKENDS = ("account", "container", "object")

CONSTRAINTS = """
[swift-hash]
swift_hash_path_suffix = tests
"""

# Patient with one another, else a busy machine makes them answer 503 or leave a listing behind.
COMMON = """
[DEFAULT]
swift_dir = {folder}
devices = {folder}
user = {user}
mount_check = false
disable_fallocate = true
log_address = /dev/null
log_level = ERROR
conn_timeout = 30
node_timeout = 60
container_update_timeout = 60
"""

BACKEND = """
[app:main]
use = egg:swift#{name}
"""

# No cache: a proxy without memcached asks the servers behind it. Multipart uploads need slo.
PROXY = """
[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats s3api tempauth slo proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
conn_timeout = 30
node_timeout = 60

[filter:s3api]
use = egg:swift#s3api
location = us-east-1

[filter:tempauth]
use = egg:swift#tempauth
user_fer_owner = {secret} .admin

[filter:catch_errors]
use = egg:swift#catch_errors

[filter:gatekeeper]
use = egg:swift#gatekeeper

[filter:listing_formats]
use = egg:swift#listing_formats

[filter:slo]
use = egg:swift#slo
"""


def main(folder: Path, secret: str) -> None:
    """Start all four, say where the proxy is, and wait for them."""
    user = pwd.getpwuid(os.getuid()).pw_name
    sockets = {name: get_socket({"bind_ip": "127.0.0.1", "bind_port": 0}) for name in names()}
    address = f"http://127.0.0.1:{sockets['proxy'].getsockname()[1]}"
    (folder / "swift.conf").write_text(CONSTRAINTS)
    (folder / "one").mkdir()
    for name in names():
        own = PROXY.format(secret=secret) if name == "proxy" else BACKEND.format(name=name)
        (folder / f"{name}.conf").write_text(COMMON.format(folder=folder, user=user) + own)
    for name in BACKENDS:
        ring(folder, name, sockets[name].getsockname()[1])
    set_swift_dir(str(folder))
    for name, socket in sockets.items():
        fork(folder / f"{name}.conf", socket)
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()
    os.wait()


def names() -> tuple[str, ...]:
    return (*BACKENDS, "proxy")


def ring(folder: Path, name: str, port: int) -> None:
    """Write the ring of one backend: a single device, a single replica."""
    builder = RingBuilder(part_power=1, replicas=1, min_part_hours=0)
    place = {"region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "one"}
    builder.add_dev(place | {"weight": 1.0})
    builder.rebalance()
    builder.get_ring().save(str(folder / f"{name}.ring.gz"))


def fork(config: Path, socket: Any) -> None:
    """Return when a new process serves what ``config`` describes at ``socket``."""
    said, says = os.pipe()
    if os.fork() == 0:
        conf = appconfig(str(config))
        logger = get_logger(conf, log_to_console=True)
        run_server(conf, logger, socket, ready_callback=lambda: os.write(says, b"."))
        os._exit(1)
    os.close(says)
    if not os.read(said, 1):
        sys.exit(f"{config.stem} must start, got the error above")
    socket.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
