"""What is said where there is a terminal, and where there is no console at all."""

import io

import pytest
from tqdm import tqdm

from ads_det.console import say, shows_soon


@pytest.mark.parametrize(
    ("options", "shown"),
    [(dict(mininterval=0), True), (dict(mininterval=1000), False), (dict(disable=True), False)],
)
def test_what_a_bar_says_is_found_out_only_if_it_will_be_seen(options, shown):
    with tqdm(total=5, file=io.StringIO(), **options) as bar:
        assert shows_soon(bar) is shown


def test_a_sentence_that_nobody_can_hear_is_no_error(monkeypatch, capsys):
    """As of a process that was started without an output stream (>&-)."""
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", None)
        say("unheard")
    say("heard")
    assert capsys.readouterr().out == "heard\n"
