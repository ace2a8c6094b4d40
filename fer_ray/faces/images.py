"""From the bytes of an image file to a face, or the reason why not.

Nothing is decoded before the file's head has told its size and its structure that it is whole: a
few bytes can stand for gigabytes, and a decoder may fill what is missing with grey. PNG and JPEG
only: every further decoder is one more that hostile files may reach.
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
        _check_size(_png_size(data), max_pixels)
        key = _grey_key(data, _png_chunks(data))
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
    """A PNG's chunks by kind, the last of each, having compared all checksums up to its end."""
    chunks: dict[bytes, bytes] = {}
    start = len(PNG)
    while start + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        end = start + 12 + length
        if end > len(data):
            break
        if zlib.crc32(data[start + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise ValueError(f"an image must be undamaged, got a wrong checksum in {kind!r}")
        chunks[kind] = data[start + 8 : end - 4]
        if kind == b"IEND":
            return chunks
        start = end
    raise ValueError(_TRUNCATED)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """``(width, height)`` of a JPEG, having walked its segments to the end-of-image marker.

    The walk skips what segments hold, so a thumbnail inside EXIF ends nothing
    (https://www.w3.org/Graphics/JPEG/itu-t81.pdf, annex B).
    """
    size = None
    start = 2
    while start + 2 <= len(data):
        if data[start] != 0xFF:
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
            height, width = struct.unpack_from(">HH", data, start + 5)
            size = width, height
        if marker == 0xDA:
            found = _NEXT_MARKER.search(data, end)
            end = found.start() if found else len(data)
        start = end
    raise ValueError(_TRUNCATED)
