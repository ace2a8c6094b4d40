"""Broken JPEGs: cut off, with segments that lie, and those that two readers understand differently.

https://www.w3.org/Graphics/JPEG/itu-t81.pdf, annex B, names the markers.
"""

import random
import struct

from PIL import Image

from fer_ray.faces.images import JPEG
from tests.corpus.outcomes import Cases
from tests.corpus.pngs import CUTS, NOISE
from tests.encoded import encoded

SOI, EOI = b"\xff\xd8", b"\xff\xd9"


def whole_jpegs() -> Cases:
    """Good ones, from which the broken ones are made."""
    grey = Image.fromarray(NOISE)
    colour = grey.convert("RGB").resize((60, 50))
    return {
        "grey": encoded(grey, "JPEG", quality=90),
        "colour": encoded(colour, "JPEG", quality=70),
        "progressive": encoded(colour, "JPEG", quality=70, progressive=True),
    }


def segments(jpeg: bytes) -> list[tuple[int, bytes]]:
    """Marker and content of each segment up to the first scan's, and then all the rest as one."""
    found, start = [], 2
    while True:
        marker, length = jpeg[start + 1], int.from_bytes(jpeg[start + 2 : start + 4], "big")
        if marker == 0xDA:
            return [*found, (marker, jpeg[start + 4 :])]
        found.append((marker, jpeg[start + 4 : start + 2 + length]))
        start += 2 + length


def segment(marker: int, body: bytes, length: int | None = None) -> bytes:
    """A segment, with its length or a lie."""
    size = len(body) + 2 if length is None else length
    return bytes([0xFF, marker]) + struct.pack(">H", size) + body


def parts() -> tuple[bytes, bytes, bytes, bytes]:
    """A grey JPEG as what precedes the frame, the frame's content, what follows, and the scan."""
    found = segments(whole_jpegs()["grey"])
    at = [marker for marker, _ in found].index(0xC0)
    before, after = (
        b"".join(segment(marker, body) for marker, body in some)
        for some in (found[:at], found[at + 1 : -1])
    )
    return SOI + before, found[at][1], after, b"\xff\xda\x00\x08" + found[-1][1]


BEFORE, FRAME, AFTER, SCAN = parts()


def frame(height: int = 48, width: int = 48, **other: int) -> bytes:
    """The content of a grey frame with some of its bytes replaced, by offset ``at5`` and so on."""
    body = bytearray(FRAME)
    body[1:5] = struct.pack(">HH", height, width)
    for name, value in other.items():
        body[int(name.removeprefix("at"))] = value
    return bytes(body)


def hidden_bomb(side: int = 30_000) -> bytes:
    """A decoder looks for the frame behind 0xFF00; who trusts its length goes past it."""
    inner = segment(0xC0, frame(side, side)) + AFTER + SCAN[:-2]
    shown = segment(0xC0, FRAME) + AFTER + SCAN
    return BEFORE + segment(0, inner) + shown


def late_bomb(side: int = 30_000) -> bytes:
    """A second, small frame after the scan of a huge one."""
    return (
        BEFORE + segment(0xC0, frame(side, side)) + AFTER + SCAN[:-2] + segment(0xC0, FRAME) + EOI
    )


def endless(scans: int = 5_000) -> bytes:
    """A progressive JPEG that repeats its last scan: each costs a walk over all its pixels."""
    whole = encoded(Image.new("L", (1_000, 1_000)), "JPEG", progressive=True)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + last * scans + EOI


def cut_and_noise() -> Cases:
    """Truncated anywhere, or a beginning followed by noise."""
    cases: Cases = {}
    chance = random.Random(3)
    for name, whole in whole_jpegs().items():
        for place in range(2 * CUTS):
            size = 4 + (len(whole) - 5) * place // (2 * CUTS - 1)
            cases[f"{name} cut to {size}"] = whole[:size]
        cases[f"{name} without its beginning"] = whole[2:]
    for number in range(25):
        noise = chance.randbytes(chance.randrange(1, 3000)).replace(b"\xff\xd9", b"")
        cases[f"beginning, then noise {number}"] = JPEG + noise
    return cases


def wrong_frames() -> Cases:
    """Dimensions, samples and components that cannot be, or that no decoder here reads."""
    sizes = [(0, 48), (48, 0), (0, 0), (65_535, 65_535), (60_000, 60_000), (8_000, 8_000)]
    cases = {
        f"size {h} by {w}": BEFORE + segment(0xC0, frame(h, w)) + AFTER + SCAN for h, w in sizes
    }
    for marker in (0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF):
        cases[f"frame of kind {marker:x}"] = BEFORE + segment(marker, FRAME) + AFTER + SCAN
    # offset 0 is bits a sample, 5 the number of components, 7 sampling factors, 8 the table
    for at, value in ((0, 0), (0, 7), (0, 16), (0, 255), (5, 0), (5, 4), (5, 255), (7, 0)):
        body = frame(**{f"at{at}": value})
        cases[f"frame's byte {at} is {value}"] = BEFORE + segment(0xC0, body) + AFTER + SCAN
    for value in (0x51, 0x15, 0xFF):
        body = frame(at7=value)
        cases[f"sampling {value:x}"] = BEFORE + segment(0xC0, body) + AFTER + SCAN
    for value in (1, 2, 3, 4, 255):
        body = frame(at8=value)
        cases[f"table {value} that is not there"] = BEFORE + segment(0xC0, body) + AFTER + SCAN
    for length in (0, 1, 2, 5, 7, 8, 60_000):
        lie = segment(0xC0, FRAME, length)
        cases[f"frame's length is {length}"] = BEFORE + lie + AFTER + SCAN
    return cases


def wrong_segments() -> Cases:
    """Segments that are missing, twice there, out of place, or lie about their length."""
    good = segment(0xC0, FRAME)
    progressive = whole_jpegs()["progressive"]
    last = progressive[progressive.rindex(b"\xff\xda") : -2]
    return {
        "beginning alone": SOI + b"\xff",
        "beginning and end": SOI + EOI,
        "two beginnings": SOI + BEFORE + good + AFTER + SCAN,
        "no frame": BEFORE + AFTER + SCAN,
        "no scan": BEFORE + good + AFTER + EOI,
        "frame after scan": BEFORE + AFTER + SCAN[:-2] + good + EOI,
        "two frames": BEFORE + good + good + AFTER + SCAN,
        "huge frame, then small": BEFORE + segment(0xC0, frame(30_000, 30_000)) + good + SCAN,
        "huge frame, small after its scan": late_bomb(),
        "huge frame hidden": hidden_bomb(),
        "no tables": SOI + good + SCAN,
        "scan of another component": BEFORE + good + AFTER + SCAN[:5] + b"\x63" + SCAN[6:],
        "scan of no component": BEFORE + good + AFTER + SCAN[:4] + b"\0" + SCAN[5:],
        "scan of five components": BEFORE + good + AFTER + SCAN[:4] + b"\5" + SCAN[5:],
        "scan's length is 0": BEFORE + good + AFTER + b"\xff\xda\0\0" + SCAN[4:],
        "junk between segments": BEFORE + b"junk" + good + AFTER + SCAN,
        "zero between segments": BEFORE + b"\xff\0" + good + AFTER + SCAN,
        "unknown segment": BEFORE + segment(0x02, b"x") + good + AFTER + SCAN,
        "quantisation of one byte": BEFORE + segment(0xDB, b"\0") + good + AFTER + SCAN,
        "quantisation table 15": BEFORE + segment(0xDB, b"\x0f" + bytes(64)) + good + AFTER + SCAN,
        "huffman of 4080 codes": BEFORE + segment(0xC4, b"\0" + b"\xff" * 16) + good + SCAN,
        "huffman table 15": BEFORE + segment(0xC4, b"\x0f" + bytes(16)) + good + AFTER + SCAN,
        "restart of one byte": BEFORE + segment(0xDD, b"\0") + good + AFTER + SCAN,
        "5,000 scans": endless(),
        "101 scans": progressive[:-2] + last * 101 + EOI,
        "a png": JPEG + encoded(Image.fromarray(NOISE), "PNG"),
    }


def broken_jpegs() -> Cases:
    return cut_and_noise() | wrong_frames() | wrong_segments()
