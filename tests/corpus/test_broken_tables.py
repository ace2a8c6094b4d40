"""No row of a broken csv or Parquet file is a face, and a file that is none is told in a line."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.corpus.csvs import broken_csvs, file, replaced, row, whole_csvs
from tests.corpus.outcomes import Cases, check_file, read, reasons
from tests.corpus.parquets import broken_parquets, whole_parquets

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize(("whole", "kind"), [(whole_csvs, "csv"), (whole_parquets, "parquet")])
def test_the_tables_that_are_broken_here_held_faces(
    whole: Callable[[], Cases], kind: str, tmp_path: Path
) -> None:
    for content in whole().values():
        path = tmp_path / f"f.{kind}"
        path.write_bytes(content)
        rows = read(path)
        assert rows["reason"].null_count == len(rows) > 0


@pytest.mark.parametrize(("broken", "kind"), [(broken_csvs, "csv"), (broken_parquets, "parquet")])
def test_no_broken_table_holds_a_face(
    broken: Callable[[], Cases], kind: str, tmp_path: Path
) -> None:
    path = tmp_path / f"f.{kind}"
    for name, content in broken().items():
        path.write_bytes(content)
        try:
            check_file(path)
        except BaseException as error:
            error.add_note(f"of the case: {name}")
            raise


WORDS = st.text(st.characters(codec="utf-8", exclude_characters=' \t\n\r\x0b\x0c"'), min_size=1)


@given(place=st.integers(0, 2303), word=WORDS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_row_with_any_other_word_is_refused(tmp_path: Path, place: int, word: str) -> None:
    if word.encode().isdigit() and word == str(int(word)) and int(word) < 256:
        word += "x"
    path = tmp_path / "f.csv"
    path.write_bytes(file(row(pixels=replaced(place, word))))
    assert reasons(read(path))
