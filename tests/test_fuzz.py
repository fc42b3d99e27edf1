"""The first bad inputs of benchmarks/fuzz.py, which makes thousands."""

import pytest
from fuzz_cases import Cases

BLOCK = 50


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return Cases(tmp_path_factory.mktemp("fuzz") / "cases")


@pytest.mark.parametrize("first", range(0, 300, BLOCK))
def test_bad_input_ends_in_a_sentence_or_is_read_as_what_it_says(cases, first):
    refused = [cases.run(number)[1] for number in range(first, first + BLOCK)]
    assert sum(refused) > BLOCK / 3
