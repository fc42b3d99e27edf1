"""What is deleted of a run that has trained nothing."""

from ads_det.standing import discard_start
from ads_det.work_files import COPIED, RunFiles


def test_what_a_comparison_put_into_a_run_stays(tmp_path):
    files = RunFiles(tmp_path)
    for number in (0, 1):
        folder = files.cycle(number).folder
        folder.mkdir()
        (folder / "model.pth").touch()
    (files.cycle(0).folder / COPIED).write_text("another run\n")
    files.pool.write_text("{}")
    discard_start(files)
    assert [path.name for path in tmp_path.iterdir()] == ["cycle_00"]
    assert (files.cycle(0).folder / "model.pth").exists()
