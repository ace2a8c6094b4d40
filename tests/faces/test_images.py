"""fer_ray.faces.images: any PNG or JPEG becomes one grey face, and nothing half-read ever does."""

import contextlib
import struct
import zlib

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from PIL import Image

from fer_ray.faces.images import JPEG, PNG, face_of_image, fit
from tests.corpus.pngs import chunk, chunks
from tests.encoded import encoded

LIMIT = 1_000_000
RAMP = np.add.outer(np.arange(48) * 2, np.arange(48) * 3).astype(np.uint8)  # 0 to 235


def level(image: Image.Image, kind: str = "PNG", **options: object) -> int:
    """The one grey level that an image of one colour becomes."""
    (value,) = set(face_of_image(encoded(image, kind, **options), LIMIT).ravel().tolist())
    return int(value)


def test_a_grey_png_of_the_right_size_is_unchanged() -> None:
    face = face_of_image(encoded(Image.fromarray(RAMP)), LIMIT)
    np.testing.assert_array_equal(face, RAMP)
    assert face.dtype == np.uint8


def test_a_jpeg_is_read_to_within_its_loss() -> None:
    face = face_of_image(encoded(Image.fromarray(RAMP), "JPEG", quality=95), LIMIT)
    assert np.abs(face.astype(int) - RAMP).max() <= 3


@pytest.mark.parametrize("progressive", [False, True])
def test_a_colour_jpeg_is_read_by_luma(progressive: bool) -> None:
    colour = Image.new("RGB", (60, 50), (200, 100, 50))
    assert level(colour, "JPEG", quality=95, progressive=progressive) == pytest.approx(124, abs=1)


def test_colour_becomes_luma() -> None:
    assert level(Image.new("RGB", (48, 48), (200, 100, 50))) == 124  # .299 R + .587 G + .114 B


def test_a_palette_is_looked_up() -> None:
    assert level(Image.new("RGB", (48, 48), (200, 100, 50)).quantize(2)) == 124


def test_a_palette_may_be_transparent() -> None:
    white = Image.new("RGB", (48, 48), (255, 255, 255)).quantize(2)
    assert level(white, transparency=white.getpixel((0, 0))) == 0


def test_what_is_transparent_lies_over_black() -> None:
    assert level(Image.new("RGBA", (48, 48), (200, 100, 50, 128))) == 62
    assert level(Image.new("LA", (48, 48), (200, 51))) == 40
    assert level(Image.new("RGBA", (48, 48), (255, 255, 255, 0))) == 0


@pytest.mark.parametrize(
    ("mode", "grey", "key"), [("L", 200, 200), ("I;16", 51400, 51400), ("1", 255, 1)]
)
def test_the_grey_that_is_transparent_lies_over_black(mode: str, grey: int, key: int) -> None:
    image = Image.new(mode, (48, 48), grey)
    image.putpixel((0, 0), 0)
    image.putpixel((1, 0), grey // 4)
    opaque = face_of_image(encoded(image), 48 * 48)
    seen = face_of_image(encoded(image, transparency=key), 48 * 48)
    np.testing.assert_array_equal(seen, np.where(opaque == opaque[9, 9], 0, opaque))


@pytest.mark.parametrize("deep", [0, 128, 129, 257 * 250, 65_535])
def test_sixteen_bits_are_scaled_to_eight(deep: int) -> None:
    assert level(Image.fromarray(np.full((48, 48), deep, np.uint16))) == round(deep / 257)


def test_one_bit_is_black_and_white() -> None:
    assert level(Image.new("1", (48, 48), 1)) == 255


def test_a_cmyk_jpeg_is_read() -> None:
    assert level(Image.new("CMYK", (48, 48), (0, 0, 0, 255)), "JPEG") <= 2


def test_exif_orientation_is_followed() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise by a quarter to stand upright
    face = face_of_image(encoded(Image.fromarray(RAMP), "JPEG", quality=95, exif=exif), LIMIT)
    assert np.abs(face.astype(int) - np.rot90(RAMP, -1)).max() <= 3


def test_shrinking_averages_areas() -> None:
    fine = np.zeros((96, 96), np.uint8)
    fine[::2, ::2] = 200  # a quarter of each 2 × 2 area
    np.testing.assert_array_equal(fit(fine), np.full((48, 48), 50))


def test_growing_is_cubic() -> None:
    edge = np.repeat(np.uint8([[50, 50, 200, 200]]), 4, axis=0)
    grown = fit(edge)
    assert grown.min() < 50  # only a cubic overshoots
    assert grown.max() > 200


@given(width=st.integers(1, 150), height=st.integers(1, 150), grey=st.integers(0, 255))
def test_any_size_keeps_a_uniform_level(width: int, height: int, grey: int) -> None:
    face = fit(np.full((height, width), grey, np.uint8))
    np.testing.assert_array_equal(face, np.full((48, 48), grey))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_every_truncation_is_refused(kind: str) -> None:
    noise = np.random.default_rng(0).integers(256, size=(48, 48), dtype=np.uint8)
    whole = encoded(Image.fromarray(noise), kind)
    for size in range(8, len(whole)):
        with pytest.raises(ValueError, match="truncated"):
            face_of_image(whole[:size], LIMIT)


def test_a_thumbnails_end_is_not_the_images() -> None:
    small = encoded(Image.new("L", (8, 8)), "JPEG")
    app1 = b"\xff\xe1" + struct.pack(">H", len(small) + 2) + small
    whole = encoded(Image.fromarray(RAMP), "JPEG")
    photo = whole[:2] + app1 + whole[2:]
    assert face_of_image(photo, LIMIT).shape == (48, 48)
    with pytest.raises(ValueError, match="truncated"):
        face_of_image(photo[:-50], LIMIT)


def test_a_png_with_too_few_rows_is_refused() -> None:
    parts = dict(chunks(encoded(Image.fromarray(RAMP))))
    half = zlib.compress(zlib.decompress(parts[b"IDAT"])[: 49 * 20])
    sound = PNG + chunk(b"IHDR", parts[b"IHDR"]) + chunk(b"IDAT", half) + chunk(b"IEND", b"")
    with pytest.raises(ValueError, match="decodable"):
        face_of_image(sound, LIMIT)


def test_a_flipped_bit_in_a_png_is_refused() -> None:
    damaged = bytearray(encoded(Image.fromarray(RAMP)))
    damaged[60] ^= 1
    with pytest.raises(ValueError, match="wrong checksum"):
        face_of_image(bytes(damaged), LIMIT)


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        face_of_image(b"", LIMIT)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "WEBP", "TIFF"])
def test_other_formats_are_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="must be PNG or JPEG"):
        face_of_image(encoded(Image.fromarray(RAMP), kind), LIMIT)


def test_text_is_refused() -> None:
    with pytest.raises(ValueError, match="must be PNG or JPEG, got bytes that begin b'These ar'"):
        face_of_image(b"These are not the faces.", LIMIT)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_too_many_pixels_are_told_from_the_head(kind: str) -> None:
    large = encoded(Image.new("L", (100, 101)), kind)
    with pytest.raises(ValueError, match=r"1 to 10000 pixels .*got 100 × 101"):
        face_of_image(large, 10_000)
    assert face_of_image(large, 10_100).shape == (48, 48)


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    size = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 0, 0, 0, 0)
    bomb = PNG + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    with pytest.raises(ValueError, match=r"data\.max_image_pixels"):
        face_of_image(bomb, 50_000_000)


@given(tail=st.binary(max_size=400), head=st.sampled_from([b"", PNG, JPEG]))
@example(tail=b"\xff" * 10, head=JPEG)
def test_no_bytes_crash_it(head: bytes, tail: bytes) -> None:
    assume(head + tail)
    with pytest.raises(ValueError, match="must"):
        face_of_image(head + tail, LIMIT)


@given(
    kind=st.sampled_from(["PNG", "JPEG"]),
    edits=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_a_damaged_image_is_a_face_or_a_reason(kind: str, edits: list[tuple[int, int]]) -> None:
    data = bytearray(encoded(Image.fromarray(RAMP), kind))
    for place, value in edits:
        data[place % len(data)] = value
    with contextlib.suppress(ValueError):
        assert face_of_image(bytes(data), LIMIT).shape == (48, 48)
