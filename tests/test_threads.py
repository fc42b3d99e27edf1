"""What is said of the number of threads, and numbers that are none."""

import pytest

from ads_det.errors import ADSError
from ads_det.threads import Choice, choose_threads


def test_the_choice_is_said_with_its_reason():
    assert str(Choice(1, 8, 7.4)) == "Computing with 1 thread: 7.4 of 8 cores are busy."
    assert str(Choice(4, 8, 0.0)) == "Computing with 4 threads: 0.0 of 8 cores are busy."
    assert str(Choice(2, 8, 0.0, 4)) == "Computing with 2 threads in each of 4 processes."


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", ",2", "10000"])
def test_a_number_of_threads_that_is_none_is_refused(text):
    with pytest.raises(ADSError, match=f"OMP_NUM_THREADS is '{text}'; set it to a whole number"):
        choose_threads({"OMP_NUM_THREADS": text})


@pytest.mark.parametrize("text", ["1", " 04 ", "2,1", "9999"])
def test_a_number_of_the_user_stands(text):
    environment = {"OMP_NUM_THREADS": text}
    assert choose_threads(environment) is None and environment["OMP_NUM_THREADS"] == text
