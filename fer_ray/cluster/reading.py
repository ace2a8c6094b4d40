"""Faces from wherever they are, read and decoded by tasks of the cluster.

The driver lists names and cuts the input into pieces; a piece is a byte range of a csv, a row group
of a Parquet file, or a handful of image files, and becomes one task. Neither a face nor its
``source`` depends on how the pieces were cut.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import accumulate, chain, islice, pairwise
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray
import ray.data
from tqdm import tqdm

from fer_ray.cluster.source import DEMO, File, Source, csv_header, find, parquet_groups
from fer_ray.config import DataConfig
from fer_ray.faces import demo, folders
from fer_ray.faces.columns import Columns, csv_columns, parquet_columns
from fer_ray.faces.formats import Face, check_bytes, csv_rows, image_face, parquet_rows, raw_rows
from fer_ray.runs.storage import Store, store

PIECE_BYTES = 8 * 2**20
_FILES_A_PIECE = _DRAWN_A_PIECE = 512
_LINE_BYTES = 2**16  # a line of pixels has some 8 KiB
_BATCH_ROWS = 1024
_FILES_AT_ONCE = 16  # an object store answers in tens of milliseconds, whatever a face weighs
_FOOTERS_A_TASK = 64
_DEMO_SEED = 0


def read(uri: str, data: DataConfig, piece_bytes: int = PIECE_BYTES) -> ray.data.Dataset:
    """The faces at ``uri``, rows of ``RAW_SCHEMA`` in any order; decoded when they are consumed.

    Args:
        uri: of an input that ``check_source`` finds right.
        data: limits of images, and the number of drawn faces.
        piece_bytes: of the input that one task reads; where a row group is larger, all of it.

    Raises:
        ValueError: a file cannot be read, or has no labels.
    """
    return _tasks(*_plan(uri, data, piece_bytes))


def read_all(
    uri: str, data: DataConfig, found: Source | None = None
) -> list["ray.ObjectRef[pa.Table]"]:
    """The rows of ``read``, or of files already ``found`` there, as blocks in the object store."""
    pieces, read_piece = _plan(uri, data, PIECE_BYTES, found)
    blocks: list[ray.ObjectRef[pa.Table]] = []
    with tqdm(total=len(pieces), desc="reading", unit="piece", disable=None, leave=False) as bar:
        for bundle in _tasks(pieces, read_piece).iter_internal_ref_bundles():
            blocks += bundle.block_refs
            bar.update()
    return blocks


def _plan(
    uri: str, data: DataConfig, piece_bytes: int, found: Source | None = None
) -> tuple[Sequence[pa.Table], Callable[[pa.Table], Iterator[pa.Table]]]:
    """The pieces of an input, and what reads one."""
    if uri == DEMO:
        return _demo_pieces(data.demo_faces), _draw
    source = found or find(uri)
    if source.kind == "csv":
        return _csv_pieces(source, piece_bytes), partial(_read_csv, uri=uri)
    if source.kind == "parquet":
        return _parquet_pieces(source), partial(_read_parquet, uri=uri, data=data)
    return _image_pieces(source, piece_bytes), partial(_read_images, uri=uri, data=data)


def _tasks(
    pieces: Sequence[pa.Table], read_piece: Callable[[pa.Table], Iterator[pa.Table]]
) -> ray.data.Dataset:
    """One task a piece."""
    blocks = ray.data.from_arrow(list(pieces))
    return blocks.map_batches(
        read_piece, batch_size=None, batch_format="pyarrow", zero_copy_batch=True
    )


def _csv_pieces(source: Source, piece_bytes: int) -> list[pa.Table]:
    """Byte ranges of csv files, with the number of the first line that begins in each."""
    pieces = []
    for file in source.files:
        header, _ = csv_header(source.store, file)
        ranges = list(pairwise([*range(len(header), file.size, piece_bytes), file.size]))
        # A line begins after a line end, so the ends before a range's first byte number its lines.
        ends = [_line_ends.remote(source.store.uri, file.path, a - 1, b - 1) for a, b in ranges]
        number = 2
        for (start, end), count in zip(ranges, ray.get(ends), strict=True):
            piece = {"path": file.path, "name": file.name, "header": header, "number": number}
            pieces.append(pa.Table.from_pylist([piece | {"start": start, "end": end}]))
            number += count
    return pieces


@ray.remote
def _line_ends(uri: str, path: str, start: int, end: int) -> int:
    """How many lines end among the bytes ``[start, end)``."""
    there = store(uri, "data.uri")

    def read() -> bytes:
        with there.filesystem.open_input_file(path) as stream:
            return bytes(stream.read_at(end - start, start))

    return there.tried("readable", read).count(b"\n")


def _read_csv(piece: pa.Table, uri: str) -> Iterator[pa.Table]:
    (row,) = piece.to_pylist()
    text = lines_beginning_in(store(uri, "data.uri"), row["path"], row["start"], row["end"])
    lines = enumerate(text.split(b"\n"), row["number"])
    named = ((f"{row['name']}:{number}", line) for number, line in lines)
    yield csv_rows(named, csv_columns(row["header"]))


def lines_beginning_in(there: Store, path: str, start: int, end: int) -> bytes:
    """The whole lines of a file that begin among its bytes ``[start, end)``; ``start`` is not 0."""

    def read() -> bytes:
        with there.filesystem.open_input_file(path) as stream:
            stream.seek(start - 1)
            _, _, text = stream.read(end - start + 1).partition(b"\n")
            parts = [text]
            while parts[-1] and not parts[-1].endswith(b"\n"):
                line, found, _ = stream.read(_LINE_BYTES).partition(b"\n")
                parts.append(line + found)
        return b"".join(parts)

    return there.tried("readable", read)


def _parquet_pieces(source: Source) -> list[pa.Table]:
    """Row groups of Parquet files."""
    files = source.files
    tasks = [
        _groups.remote(source.store.uri, files[i : i + _FOOTERS_A_TASK])
        for i in range(0, len(files), _FOOTERS_A_TASK)
    ]
    groups = chain.from_iterable(ray.get(tasks))
    usages = folders.usages([file.name for file in files])
    pieces = []
    for file, usage, counts in zip(files, usages, groups, strict=True):
        firsts = list(accumulate(counts, initial=0))
        for group in range(len(counts)):
            place = {"group": group, "first": firsts[group]}
            piece = {"path": file.path, "name": file.name, "usage": usage, **place}
            pieces.append(pa.Table.from_pylist([piece]))
    return pieces


@ray.remote
def _groups(uri: str, files: Sequence[File]) -> list[list[int]]:
    """The rows of each row group of each file."""
    there = store(uri, "data.uri")
    return [parquet_groups(there, file) for file in files]


def _read_parquet(piece: pa.Table, uri: str, data: DataConfig) -> Iterator[pa.Table]:
    (row,) = piece.to_pylist()
    number = row["first"]
    for table, columns in parquet_tables(row, store(uri, "data.uri")):
        sources = [f"{row['name']}:{n}" for n in range(number, number + len(table))]
        yield parquet_rows(table, columns, sources, row["usage"], data)
        number += len(table)


def parquet_tables(row: dict[str, Any], there: Store) -> Iterator[tuple[pa.Table, Columns]]:
    """A row group in parts; where storage fails for a while, it goes on from the one it was at."""
    opened: list[tuple[Iterator[pa.RecordBatch], Columns]] = []
    done = 0

    def take() -> tuple[pa.RecordBatch | None, Columns]:
        if not opened:
            file = pq.ParquetFile(there.filesystem.open_input_file(row["path"]))
            batches = file.iter_batches(_BATCH_ROWS, row_groups=[row["group"]])
            opened.append((islice(batches, done, None), parquet_columns(file.schema_arrow)))
        try:
            return next(opened[0][0], None), opened[0][1]
        except Exception:
            opened.clear()
            raise

    while (taken := there.tried(f"Parquet that can be read ({row['name']})", take))[0] is not None:
        done += 1
        yield pa.Table.from_batches([taken[0]]), taken[1]


def _image_pieces(source: Source, piece_bytes: int) -> list[pa.Table]:
    """Handfuls of image files, with what their folders say of them."""
    names = [file.name for file in source.files]
    whole = pa.table(
        {
            "path": [file.path for file in source.files],
            "name": names,
            "size": [file.size for file in source.files],
            "label": pa.array(folders.labels(names), pa.int8()),
            "usage": folders.usages(names),
        }
    )
    edges, weight = [0], 0
    for number, file in enumerate(source.files):
        weight += file.size
        if weight > piece_bytes or number - edges[-1] == _FILES_A_PIECE:
            edges, weight = [*edges, number], file.size
    return [whole.slice(a, b - a) for a, b in pairwise([*edges, len(whole)]) if b > a]


def _read_images(piece: pa.Table, uri: str, data: DataConfig) -> Iterator[pa.Table]:
    there = store(uri, "data.uri")

    def content(row: dict[str, Any]) -> bytes:
        if row["size"] > data.max_image_bytes:
            return b""  # refused by its size

        def read() -> bytes:
            with there.filesystem.open_input_stream(row["path"]) as stream:
                return bytes(stream.read())

        return there.tried("readable", read)

    def face(read: tuple[dict[str, Any], bytes]) -> Face:
        row, found = read
        check_bytes(row["size"], data)
        return image_face(found, row["label"], row["usage"], data)

    rows = piece.to_pylist()
    with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
        contents = pool.map(content, rows)
        named = ((row["name"], (row, found)) for row, found in zip(rows, contents, strict=True))
        yield raw_rows(named, face)


def _demo_pieces(count: int) -> list[pa.Table]:
    """Ranges of drawn faces' numbers."""
    numbers = pa.table({"number": range(count)})
    return [numbers.slice(i, _DRAWN_A_PIECE) for i in range(0, count, _DRAWN_A_PIECE)]


def _draw(piece: pa.Table) -> Iterator[pa.Table]:
    numbers = piece["number"].to_numpy()
    images, labels = demo.draw(int(numbers[0]), len(numbers), _DEMO_SEED)
    faces = map(Face, images, labels.tolist(), demo.usage_of(numbers, _DEMO_SEED).tolist())
    yield raw_rows(zip((f"demo:{n}" for n in numbers), faces, strict=True), lambda face: face)
