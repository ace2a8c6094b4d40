"""How large the corpus is, and that it is the same each time."""

from collections.abc import Callable

import pytest

from tests.corpus.csvs import broken_csvs
from tests.corpus.jpegs import broken_jpegs
from tests.corpus.manifests import broken_checkpoints, broken_datasets, broken_parts
from tests.corpus.npzs import broken_npzs
from tests.corpus.outcomes import Cases
from tests.corpus.parquets import broken_parquets
from tests.corpus.pngs import broken_pngs
from tests.corpus.yamls import broken_yamls

LEAST = {
    broken_csvs: 200,
    broken_pngs: 200,
    broken_jpegs: 150,
    broken_parquets: 250,
    broken_yamls: 200,
    broken_checkpoints: 150,
    broken_datasets: 250,
    broken_parts: 35,
    broken_npzs: 50,
}


@pytest.mark.parametrize("broken", LEAST)
def test_a_kind_has_many_cases_and_the_same_each_time(broken: Callable[[], Cases]) -> None:
    cases = broken()
    assert cases == broken()
    assert len(set(cases.values())) >= LEAST[broken]


def test_the_corpus_has_a_thousand_distinct_inputs() -> None:
    distinct = {content for broken in LEAST for content in broken().values()}
    assert len(distinct) >= 1_000
