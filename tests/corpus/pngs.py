"""Broken PNGs, and other files under a PNG's name."""

import random
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from fer_ray.faces.images import PNG
from tests.corpus.outcomes import Cases
from tests.encoded import encoded

NOISE = np.random.default_rng(0).integers(256, size=(48, 48), dtype=np.uint8)
CUTS = 12
FLIPS = 10


def whole_pngs() -> Cases:
    """Good ones of each kind of colour, from which the broken ones are made."""
    grey = Image.fromarray(NOISE)
    alpha = grey.convert("RGBA")
    alpha.putalpha(200)
    images = {
        "grey": grey,
        "colour": grey.convert("RGB").resize((60, 50)),
        "palette": grey.convert("RGB").quantize(16),
        "alpha": alpha,
        "deep": Image.fromarray(NOISE.astype(np.uint16) * 257),
    }
    return {name: encoded(image, "PNG") for name, image in images.items()}


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of every chunk."""
    start = len(PNG)
    while start < len(png):
        length, kind = struct.unpack_from(">I4s", png, start)
        yield kind, png[start + 8 : start + 8 + length]
        start += 12 + length


def png(*parts: tuple[bytes, bytes]) -> bytes:
    return PNG + b"".join(chunk(kind, body) for kind, body in parts)


def head(width: int = 48, height: int = 48, *rest: int) -> tuple[bytes, bytes]:
    """The header chunk: depth, colour type, compression, filter and interlacing are ``rest``."""
    return b"IHDR", struct.pack(">IIBBBBB", width, height, *(rest or (8, 0, 0, 0, 0)))


def pixels(raw: bytes) -> tuple[bytes, bytes]:
    return b"IDAT", zlib.compress(raw)


END = (b"IEND", b"")
ROWS = b"".join(b"\0" + row.tobytes() for row in NOISE)  # each after the byte of its filter
DATA = pixels(ROWS)


def bomb_png(width: int = 60_000, height: int = 60_000, inflated: int = 2**20) -> bytes:
    """A few bytes that say they are, or inflate to, very many pixels."""
    return png(head(width, height), pixels(bytes(inflated)), END)


def damaged() -> Cases:
    """Cut off, with a flipped bit, or with a wrong checksum."""
    cases: Cases = {}
    chance = random.Random(1)
    for name, whole in whole_pngs().items():
        for place in range(CUTS):
            size = 8 + (len(whole) - 9) * place // (CUTS - 1)
            cases[f"{name} cut to {size}"] = whole[:size]
        for place in chance.sample(range(16, len(whole) - 12), FLIPS):
            flipped = bytearray(whole)
            flipped[place] ^= 1 << chance.randrange(8)
            cases[f"{name} flipped at {place}"] = bytes(flipped)
        start = len(PNG)
        for kind, body in chunks(whole):
            start += 12 + len(body)
            wrong = bytearray(whole)
            wrong[start - 1] ^= 0xFF
            cases[f"{name} checksum of {kind!r} before {start}"] = bytes(wrong)
    return cases


def wrong_heads() -> Cases:
    """Right checksums, and a header that is none or that the pixels are not of."""
    sizes = [(0, 48), (48, 0), (0, 0), (60_000, 60_000), (50_001, 1_000), (2**31 - 1, 1)]
    sizes += [(2**31 - 1, 2**31 - 1), (2**32 - 1, 2**32 - 1), (1, 2**32 - 1), (2**31, 2**31)]
    sizes += [(48, 49), (49, 48), (480, 480), (48, 960), (7_000, 7_000)]
    cases = {f"size {w} by {h}": png(head(w, h), DATA, END) for w, h in sizes}
    kinds = [(depth, 0, 0, 0, 0) for depth in (0, 3, 5, 7, 9, 32, 255)]
    kinds += [(8, colour, 0, 0, 0) for colour in (1, 5, 7, 64, 255)]
    kinds += [(16, 3, 0, 0, 0), (4, 2, 0, 0, 0), (1, 6, 0, 0, 0), (8, 3, 0, 0, 0)]
    kinds += [(8, 0, 1, 0, 0), (8, 0, 0, 1, 0), (8, 0, 0, 0, 2), (8, 0, 0, 0, 255)]
    cases |= {f"kind {kind}": png(head(48, 48, *kind), DATA, END) for kind in kinds}
    for length in (0, 4, 12, 14, 100):
        cases[f"header of {length}"] = png((b"IHDR", bytes(length)), DATA, END)
    return cases


def wrong_chunks() -> Cases:
    """Right checksums, and chunks that are missing, twice there, empty, or hold something else."""
    palette = head(48, 48, 8, 3, 0, 0, 0)
    frame = struct.pack(">IIIIIHHBB", 0, 30_000, 30_000, 0, 0, 1, 10, 0, 0)
    cases = {
        "no header": png(DATA, END),
        "header second": png((b"tEXt", b"a\0b"), head(), DATA, END),
        "two headers": png(head(), head(30_000, 30_000), DATA, END),
        "header again after pixels": png(head(), DATA, head(30_000, 30_000), END),
        "no pixels": png(head(), END),
        "empty pixels": png(head(), (b"IDAT", b""), END),
        "no end": png(head(), DATA),
        "end only": png(END),
        "end before pixels": png(head(), END, DATA),
        "pixels not deflated": png(head(), (b"IDAT", ROWS), END),
        "pixels deflated raw": png(head(), (b"IDAT", zlib.compress(ROWS)[2:]), END),
        "pixels gzipped": png(head(), (b"IDAT", b"\x1f\x8b\x08" + zlib.compress(ROWS)), END),
        "zlib bomb": png(head(), pixels(bytes(2**24)), END),
        "zlib bomb in parts": png(head(), *[(b"IDAT", zlib.compress(bytes(2**22)))] * 2, END),
        "unknown filter": png(head(), pixels(b"".join(b"\x09" + bytes(48) for _ in NOISE)), END),
        "critical chunk": png(head(), (b"ABCD", b""), DATA, END),
        "palette missing": png(palette, DATA, END),
        "palette after pixels": png(palette, DATA, (b"PLTE", bytes(48)), END),
        "palette too long": png(palette, (b"PLTE", bytes(3 * 300)), DATA, END),
        "palette of 5 bytes": png(palette, (b"PLTE", bytes(5)), DATA, END),
        "animated and huge": png(
            head(), (b"acTL", struct.pack(">II", 2, 0)), (b"fcTL", frame), DATA, END
        ),
        "chunk of 2 GiB": PNG + chunk(*head()) + b"\x80\0\0\0IDAT" + bytes(40),
        "chunk of 4 GiB": PNG + chunk(*head()) + b"\xff\xff\xff\xffIDAT" + bytes(40),
    }
    for rows in (0, 1, 12, 24, 40, 46):
        cases[f"only {rows} rows"] = png(head(), pixels(ROWS[: 49 * rows]), END)
    return cases


def disguised() -> Cases:
    """Something else whose name ends in .png."""
    chance = random.Random(2)
    others = {
        "empty": b"",
        "a zero": b"\0",
        "zeros": bytes(4096),
        "ones": b"\xff" * 4096,
        "text": b"These are not the faces.",
        "marked text": "\ufeffno face".encode(),
        "wide text": "no face".encode("utf-16"),
        "html": b"<!DOCTYPE html><title>404</title>",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg' width='48' height='48'/>",
        "xml bomb": b"<!DOCTYPE a [<!ENTITY b 'b'><!ENTITY c '&b;&b;'>]><a>&c;</a>",
        "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        "zip": b"PK\x03\x04" + bytes(60),
        "gzip": b"\x1f\x8b\x08" + bytes(60),
        "program": b"\x7fELF\x02\x01\x01" + bytes(60),
        "script": b"#!/bin/sh\nexit 1\n",
        "pickle": b"\x80\x04\x95\x1c\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
        "magic of 7": PNG[:7],
        "magic of text mode": PNG.replace(b"\r\n", b"\n") + bytes(60),
        "magic alone": PNG,
        "magic twice": PNG * 8,
        "magic then zeros": PNG + bytes(400),
    }
    image = Image.fromarray(NOISE)
    others |= {kind: encoded(image, kind) for kind in ("GIF", "BMP", "TIFF", "WEBP", "PPM", "ICO")}
    for number in range(25):
        others[f"magic then noise {number}"] = PNG + chance.randbytes(chance.randrange(1, 3000))
    return others


def broken_pngs() -> Cases:
    return damaged() | wrong_heads() | wrong_chunks() | disguised()
