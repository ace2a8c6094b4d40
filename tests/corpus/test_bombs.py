"""What is small and says that it is enormous is refused before memory or hours are spent on it."""

import json
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.corpus.jpegs import AFTER, BEFORE, SCAN, endless, frame, hidden_bomb, late_bomb, segment
from tests.corpus.npzs import archive, npy
from tests.corpus.pngs import END, bomb_png, head, png
from tests.corpus.yamls import laughs, merges

pytestmark = pytest.mark.timeout(120)

ROOT = Path(__file__).parents[2]
MEBIBYTE = 2**20
SPENT_MIB, SPENT_S = 60, 5.0  # what reading one bomb may cost, of the gigabytes and hours it asks

# VmHWM is this process' own peak; getrusage's begins at that of the process that started it.
READ_AND_TELL = """
import json, re, sys, time
from pathlib import Path
from fer_ray import plain_yaml
from fer_ray.faces.images import face_of_image
from fer_ray.runs.arrays import unpack

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

path = Path(sys.argv[1])
content = path.read_bytes()
before, started = peak(), time.monotonic()
try:
    if path.suffix in (".png", ".jpg"):
        face_of_image(content, 50_000_000)
    elif path.suffix == ".npz":
        unpack(content)
    else:
        plain_yaml.load(content.decode())
except ValueError as error:
    told = {"MiB": peak() - before, "s": time.monotonic() - started, "error": str(error)}
    print(json.dumps(told))
"""


def inflating(mebibytes: int) -> bytes:
    """Zeros, deflated to a thousandth."""
    deflate = zlib.compressobj(9)
    parts = [deflate.compress(bytes(MEBIBYTE)) for _ in range(mebibytes)]
    return b"".join([*parts, deflate.flush()])


def huge_jpeg() -> bytes:
    return BEFORE + segment(0xC0, frame(60_000, 60_000)) + AFTER + SCAN


def numbers_bomb() -> bytes:
    """An array of 256 MiB, deflated."""
    return archive({"a.npy": npy("(33554432,)", data=bytes(256 * MEBIBYTE))}, zipfile.ZIP_DEFLATED)


BOMBS = {
    "size.png": (bomb_png, "data.max_image_pixels"),
    "inflating.png": (
        lambda: png(head(), (b"IDAT", inflating(500)), END),
        "no more pixels than its head says (48 × 48)",
    ),
    "sized-and-inflating.png": (
        lambda: png(head(7_000, 7_000), (b"IDAT", inflating(500)), END),
        "no more pixels than its head says (7000 × 7000)",
    ),
    "size.jpg": (huge_jpeg, "data.max_image_pixels"),
    "hidden.jpg": (hidden_bomb, "bytes between a JPEG's segments"),
    "late.jpg": (late_bomb, "one frame, got several"),
    "scans.jpg": (lambda: endless(200_000), "at most 100 scans"),
    "deflated.npz": (numbers_bomb, "is compressed"),
    "promised.npz": (
        lambda: archive({"a.npy": npy("(1000000000,)")}),
        "must hold (1000000000,) numbers",
    ),
    "laughs.yaml": (lambda: laughs(12).encode(), "must hold plain values, got an alias"),
    "merges.yaml": (lambda: merges(12).encode(), "must hold plain values, got an alias"),
}


def spent(path: Path) -> dict[str, Any]:
    """What a process of its own spends on reading the file, and why it refuses it."""
    ended = subprocess.run(
        [sys.executable, "-c", READ_AND_TELL, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_by_its_size_before_it_goes_off(name: str, tmp_path: Path) -> None:
    make, words = BOMBS[name]
    (tmp_path / name).write_bytes(make())
    told = spent(tmp_path / name)
    assert words in told["error"]
    assert told["MiB"] < SPENT_MIB
    assert told["s"] < SPENT_S


def few_rows(width: int, height: int, *extras: tuple[bytes, bytes]) -> bytes:
    """A PNG that is refused only once it was decoded: its last rows are missing."""
    rows = zlib.compress((b"\0" + bytes(width)) * (height - 8))
    return png(head(width, height), *extras, (b"IDAT", rows), END)


def test_what_is_measured_here_sees_an_image_that_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(few_rows(7_000, 7_000))
    told = spent(tmp_path / "large.png")
    assert "decodable" in told["error"]
    assert told["MiB"] > 40  # 49 million pixels


def test_a_bomb_beside_the_pixels_is_never_inflated(tmp_path: Path) -> None:
    bomb = inflating(300)
    kinds = {b"zTXt": b"a\0\0", b"iCCP": b"a\0\0", b"iTXt": b"a\0\1\0\0\0"}
    extras = [(kind, start + bomb) for kind, start in kinds.items()]
    (tmp_path / "extras.png").write_bytes(few_rows(48, 48, *extras))
    told = spent(tmp_path / "extras.png")
    assert "decodable" in told["error"]
    assert told["MiB"] < SPENT_MIB
