"""From the bytes of an image file to a face, or the reason why not.

Nothing is decoded before the file's head has told its size and its structure that it is whole and
holds no more: a few bytes can stand for gigabytes or hours, and a decoder may fill what is missing
with grey. Where a decoder could understand a file otherwise than this room does, it is refused. PNG
and JPEG only: every further decoder is one more that hostile files may reach.
"""

import re
import struct
import zlib
from collections.abc import Mapping

import cv2
import numpy as np

from fer_ray.faces.rows import SIDE

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"

# What ends a JPEG's entropy-coded data: a marker that is no stuffed 0xFF, restart or fill byte.
_NEXT_MARKER = re.compile(rb"\xff(?=[^\x00\xd0-\xd7\xff])", re.DOTALL)
_STANDALONE = {0x01, *range(0xD0, 0xD8)}  # markers without a length
_NOT_FRAMES = {0xC4, 0xC8, 0xCC}  # tables among 0xC0–0xCF, which otherwise begin a frame
_TRUNCATED = "an image must be whole, got one that is truncated"
_MOST_SCANS = 100  # encoders write some ten; each costs a decoder a walk over all pixels
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_INFLATED_AT_ONCE = 2**16


def face_of_image(data: bytes, max_pixels: int) -> np.ndarray:
    """The ``(48, 48)`` uint8 face that PNG or JPEG bytes of any size and colour hold.

    Colour becomes grey by ITU-R BT.601, 16 bits are scaled to 8, what is transparent is laid over
    black. A JPEG's EXIF orientation is followed, so that faces stand upright. The whole image is
    stretched to the square: nothing is cropped.

    Args:
        data: the file's bytes.
        max_pixels: width × height allowed, told from the head before anything is decoded.

    Raises:
        ValueError: empty, another format, truncated, damaged or too large.
    """
    if not data:
        raise ValueError("an image must not be empty, got 0 bytes")
    if data.startswith(PNG):
        size = _png_size(data)
        _check_size(size, max_pixels)
        chunks = _png_chunks(data)
        _check_inflated(data, chunks[b"IDAT"], size)
        key = _grey_key(data, chunks)
        image = _decoded(data, cv2.IMREAD_UNCHANGED)
        if key is not None and image.ndim == 2:
            image[image == key] = 0
        return fit(_flattened(image))
    if data.startswith(JPEG):
        _check_size(_jpeg_size(data), max_pixels)
        return fit(_decoded(data, cv2.IMREAD_GRAYSCALE))
    raise ValueError(f"an image must be PNG or JPEG, got bytes that begin {data[:8]!r}")


def fit(grey: np.ndarray) -> np.ndarray:
    """``(h, w)`` uint8 as ``(48, 48)``: by area where an axis shrinks, cubic where it grows."""
    height, width = grey.shape
    least = (min(width, SIDE), min(height, SIDE))
    shrunk = cv2.resize(grey, least, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(shrunk, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.uint8)


def _flattened(image: np.ndarray) -> np.ndarray:
    """``(h, w)`` uint8 of an image as OpenCV decodes it: grey, BGR or BGRA, 8 or 16 bits."""
    if image.ndim == 2:
        return _eight_bits(image)
    if image.shape[2] == 3:
        return _eight_bits(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    grey = _eight_bits(cv2.cvtColor(image, cv2.COLOR_BGRA2GRAY))
    return cv2.multiply(grey, _eight_bits(np.ascontiguousarray(image[..., 3])), scale=1 / 255)


def _eight_bits(plane: np.ndarray) -> np.ndarray:
    """``(h, w)`` uint8 of a plane of 8 or 16 bits, the whole range scaled (65535 becomes 255)."""
    return plane if plane.dtype == np.uint8 else cv2.convertScaleAbs(plane, alpha=1 / 257)


def _decoded(data: bytes, flag: int) -> np.ndarray:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except cv2.error as error:
        raise ValueError(f"an image must be decodable, got: {error.err}") from error
    if image is None:
        raise ValueError("an image must be decodable, got one that is damaged")
    return image


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if not 0 < width * height <= max_pixels:
        raise ValueError(
            f"an image must have 1 to {max_pixels} pixels (data.max_image_pixels),"
            f" got {width} × {height}"
        )


def _png_size(data: bytes) -> tuple[int, int]:
    """``(width, height)`` from a PNG's first chunk (https://www.w3.org/TR/png-3/#11IHDR)."""
    if len(data) < 33:
        raise ValueError(_TRUNCATED)
    length, kind, width, height = struct.unpack_from(">I4sII", data, 8)
    if (length, kind) != (13, b"IHDR"):
        raise ValueError("a PNG must begin with its header chunk, got another")
    return width, height


def _grey_key(data: bytes, chunks: Mapping[bytes, bytes]) -> int | None:
    """The value that a grey PNG calls transparent, as OpenCV decodes it; None without one.

    OpenCV makes a plane of opacity of colours and palettes that are transparent, but not of grey.
    """
    depth, colour = data[24], data[25]
    if colour != 0 or len(chunks.get(b"tRNS", b"")) != 2:
        return None
    largest = (1 << depth) - 1
    key = int.from_bytes(chunks[b"tRNS"], "big") & largest
    return key if depth == 16 else key * 255 // largest


def _png_chunks(data: bytes) -> dict[bytes, bytes]:
    """A PNG's chunks by kind, having compared all checksums up to its end.

    The parts of its pixels (IDAT) are joined; of other kinds it is the last.
    """
    chunks: dict[bytes, bytes] = {}
    pixels: list[bytes] = []
    start = len(PNG)
    while start + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        end = start + 12 + length
        if end > len(data):
            break
        if zlib.crc32(data[start + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise ValueError(f"an image must be undamaged, got a wrong checksum in {kind!r}")
        chunks[kind] = data[start + 8 : end - 4]
        if kind == b"IDAT":
            pixels.append(chunks[kind])
        if kind == b"IEND":
            return chunks | {b"IDAT": b"".join(pixels)}
        start = end
    raise ValueError(_TRUNCATED)


def _check_inflated(data: bytes, pixels: bytes, size: tuple[int, int]) -> None:
    """Refuse a PNG whose pixels inflate to more than its head says: a decoder inflates them all.

    Twice what they take: an interlaced image has up to half as many rows again, each with a byte
    for its filter.
    """
    depth, colour = data[24], data[25]
    width, height = size
    row = 1 + -(-width * depth * _PNG_CHANNELS.get(colour, 4) // 8)
    left = 2 * height * row + 64
    inflater = zlib.decompressobj()
    rest = pixels
    try:
        while rest and not inflater.eof:
            left -= len(inflater.decompress(rest, _INFLATED_AT_ONCE))
            rest = inflater.unconsumed_tail
            if left < 0:
                raise ValueError(
                    f"an image must hold no more pixels than its head says ({width} × {height}),"
                    " got more"
                )
    except zlib.error as error:
        raise ValueError("an image must be undamaged, got one that cannot be inflated") from error


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """``(width, height)`` of a JPEG, having walked its segments to the end-of-image marker.

    The walk skips what segments hold, so a thumbnail inside EXIF ends nothing
    (https://www.w3.org/Graphics/JPEG/itu-t81.pdf, annex B). libjpeg takes the first frame's size,
    looks for a marker within what follows 0xFF00, and goes over all pixels in every scan.
    """
    size = None
    scans = 0
    start = 2
    while start + 2 <= len(data):
        if data[start] != 0xFF or data[start + 1] == 0:
            raise ValueError("an image must be undamaged, got bytes between a JPEG's segments")
        marker = data[start + 1]
        if marker == 0xD9 and size:
            return size
        if marker == 0xFF or marker in _STANDALONE:
            start += 1 if marker == 0xFF else 2
            continue
        if start + 4 > len(data):
            break
        end = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in _NOT_FRAMES and start + 9 <= len(data):
            if size:
                raise ValueError("a JPEG must have one frame, got several")
            height, width = struct.unpack_from(">HH", data, start + 5)
            size = width, height
        if marker == 0xDA:
            scans += 1
            if scans > _MOST_SCANS:
                raise ValueError(f"a JPEG must have at most {_MOST_SCANS} scans, got more")
            found = _NEXT_MARKER.search(data, end)
            end = found.start() if found else len(data)
        start = end
    raise ValueError(_TRUNCATED)
