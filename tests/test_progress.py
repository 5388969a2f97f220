"""What a run says of itself where no terminal shows a table."""

from collections import Counter

from pipeline.progress import Progress, Tally
from pipeline.store import Store


def test_a_stage_tells_its_rate_and_what_is_left():
    tally = Tally(units=2, planned=5, here=1, given_here=8, first=10.0)
    assert tally.said(12.0) == "2/5 (4.0/s, 6 s left)"
    tally.units = 5
    assert tally.said(12.0) == "5/5 (4.0/s)"
    assert Tally(units=5, planned=5).said(12.0) == "5/5"  # by an earlier launch


def test_the_table_shows_what_the_selection_kept(tmp_path):
    with Progress(["filter", "select"], Store(str(tmp_path))) as progress:
        progress.plan("filter", Counter(planned=2, units=2, made=16, rejected=5), afresh=True)
        progress.plan("select", Counter(planned=1, units=1, made=18, rejected=2, failed=0), afresh=True)
        progress.kept, progress.surplus = 6, 3
        columns = {column.header: list(column.cells) for column in progress.table().columns}
    assert (columns["passed"], columns["rejected"], columns["surplus"]) == (["11", "6"], ["5", "2"], ["0", "3"])


def test_plain_lines_count_what_became_of_samples(tmp_path, capsys):
    with Progress(["poses", "select"], Store(str(tmp_path))) as progress:
        progress.plan("poses", Counter(planned=3, units=2, made=16, rejected=5, failed=1), afresh=True)
        progress.surplus = 4
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "poses 2/3 · rejected 5 · surplus 4 · failed 1"
