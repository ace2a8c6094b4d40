"""A real S3 server for tests, in a process of its own, that knows good credentials from bad ones.

``moto[server]`` accepts any key until authentication is switched on, so that is the last thing
done here. Its data is lost when it stops. Tests point at it as users do: through
``AWS_ENDPOINT_URL_S3`` and the standard AWS variables, which Ray's workers inherit when they are
set before Ray starts.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest


@dataclass(frozen=True)
class S3:
    """A running server and one user's credentials for it."""

    endpoint: str
    key: str
    secret: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables that bring a process to this server, as this user."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",  # else the SDK looks for a cloud for seconds
        }

    def client(self, service: str = "s3") -> Any:
        """A boto3 client as this user."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            region_name="us-east-1",
        )

    def bucket(self) -> str:
        """The name of a new, empty bucket."""
        name = f"fer-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return name

    def stranger(self, *allowed: str) -> "S3":
        """A user whom this server knows and allows nothing but actions such as ``s3:ListBucket``.

        Of a server that keeps users as AWS does; swift's are settled when it starts.
        """
        return _user(self, f"stranger-{uuid.uuid4().hex[:8]}", allowed)


@contextmanager
def serve() -> Iterator[S3]:
    """A new server with authentication on, and a user who may do all; it ends with the block."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
            )
        try:
            nobody = S3(_address(process, log), "open", "open")
            owner = _user(nobody, "owner", allowed=("s3:*", "iam:*"))
            head = {"Content-Type": "text/plain"}
            switch = Request(f"{owner.endpoint}/moto-api/reset-auth", b"0", head, method="POST")
            urlopen(switch, timeout=10).close()
            yield owner
        finally:
            process.kill()
            process.wait()


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text()):
            return found.group()
        time.sleep(0.05)
    raise RuntimeError(f"the S3 server must start within 60 s, got: {log.read_text()}")


def _user(by: S3, name: str, allowed: tuple[str, ...]) -> S3:
    iam = by.client("iam")
    iam.create_user(UserName=name)
    if allowed:
        statement = [{"Effect": "Allow", "Action": list(allowed), "Resource": "*"}]
        policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
        iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=policy)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return S3(by.endpoint, made["AccessKeyId"], made["SecretAccessKey"])


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    """One server for the whole test session; each test makes its own bucket."""
    with serve() as server:
        yield server


@pytest.fixture
def s3(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The server, with this process's environment pointing at it."""
    point_at(s3_server, monkeypatch)
    return s3_server


def point_at(server: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process's environment lead to ``server`` and to no other."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
