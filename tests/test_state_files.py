"""State files and checkpoints of the wrong shape: one sentence each."""

import json
import os
import pickle
import shutil

import pytest
import torch
from helpers import CONFIGS

from ads_det.active.inputs import check_inputs, note_inputs
from ads_det.active.loop import ActiveLearningLoop
from ads_det.active.pool import Pool
from ads_det.active.settings import Settings, load_config
from ads_det.active.work_dir import WorkDir
from ads_det.benchmark.run_folder import find_runs
from ads_det.engine.checkpoints import read_model
from ads_det.engine.datasets import candidate_dataset
from ads_det.engine.pretrained import check_pretrained
from ads_det.errors import ADSError
from ads_det.files import read_json, write_ids, write_text
from ads_det.labels.project import _literal
from ads_det.lock import lock_folder
from ads_det.work_files import CycleFiles, RunFiles, read_stored_config

ROW = dict(cycle=0, labeled_images=3, labeled_objects=5, metrics={"mean/m": 0.5}, seconds={})
WRONG = (
    "",
    "{}",
    "[]",
    "3",
    "null",
    "NaN",
    '{"cycles": 3}',
    '{"format": 1, "images": [',
    "[" * 10**5,
)
READERS = {
    "pool.json": lambda run: Pool.load(run / "pool.json"),
    "history.json": lambda run: RunFiles(run).read_history(),
    "metrics.json": lambda run: CycleFiles(run).result(),
}


@pytest.mark.parametrize("content", WRONG)
@pytest.mark.parametrize("name", READERS)
def test_wrong_shapes(name, content, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(ADSError, match=name):
        READERS[name](tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        dict(cycle=-1),
        dict(labeled_images=0),
        dict(labeled_objects=2.5),
        dict(metrics=[]),
        dict(metrics={"mean/m": "x"}),
        dict(metrics={"mean/m": float("nan")}),
        dict(seconds=3),
        dict(seconds={"train": float("inf")}),
        dict(unreadable_images=3),
    ],
)
def test_wrong_rows_of_a_history(change, tmp_path):
    for row, fails in ((ROW, False), (ROW | change, True)):
        content = dict(metric="m", cycles=[row], advice=None)
        (tmp_path / "history.json").write_text(json.dumps(content))
        if fails:
            with pytest.raises(ADSError, match="cycles"):
                RunFiles(tmp_path).read_history()
        else:
            assert RunFiles(tmp_path).read_history()["cycles"] == [row]


@pytest.mark.parametrize(
    "text", ["id\na\n", "a,b\n1,2\n", "id,score\na,nan\n", "id,score\na,1\na,2\n"]
)
def test_wrong_scores(text, tmp_path):
    (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(ADSError, match="scores.csv"):
        CycleFiles(tmp_path).scores()


def test_runs_whose_folders_share_a_name_both_appear(tmp_path):
    for parent in "ab":
        (tmp_path / parent / "run").mkdir(parents=True)
        (tmp_path / parent / "run/history.json").write_text("{}")
    assert list(find_runs([tmp_path / "a/run", tmp_path / "b/run"])) == ["a/run", "b/run"]
    assert list(find_runs([tmp_path / "a/run"])) == ["run"]


def test_a_result_is_of_its_cycle_and_of_its_images(tmp_path):
    folder = tmp_path / "cycle_01"
    folder.mkdir()
    (folder / "labeled.txt").write_text("a\nb\n")
    row = dict(ROW, metrics={"mean/m": 0.5})
    for change, message in (
        (dict(cycle=1, labeled_images=2), None),
        (dict(cycle=0, labeled_images=2), "of cycle 0"),
        (dict(cycle=1, labeled_images=3), "unlike the list"),
    ):
        (folder / "metrics.json").write_text(json.dumps(row | change))
        if message is None:
            assert CycleFiles(folder).result().labeled_images == 2
        else:
            with pytest.raises(ADSError, match=message):
                CycleFiles(folder).result()


@pytest.mark.parametrize(
    "change",
    [
        dict(model=3),
        dict(active_learning={}),
        dict(active_learning=dict(cycles="3")),
        dict(pool=3),
        dict(test_dataloader=None),
        dict(active_learning=dict(cycles=3, oracle="human")),
    ],
)
def test_a_stored_config_without_what_every_run_has(change, tmp_path):
    whole = dict(model={}, active_learning=dict(cycles=3), pool={})
    whole |= dict(test_dataloader=dict(dataset={}))
    (tmp_path / "config.json").write_text(json.dumps(whole))
    assert read_stored_config(tmp_path / "config.json") == whole
    content = whole | change
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(ADSError, match="config.json is not as ads_det wrote it"):
        read_stored_config(tmp_path / "config.json")


def test_picks_without_a_score(tmp_path):
    files = CycleFiles(tmp_path)
    write_ids(files.picks_list, ["a", "b"])
    for rows in ("", "a,1\n"):
        files.scores_table.write_text(f"id,score\n{rows}")
        with pytest.raises(ADSError, match="it has no score of '[ab]', a pick"):
            files.scores()


def test_a_lock_that_is_a_pipe(tmp_path):
    os.mkfifo(tmp_path / ".lock")
    with pytest.raises(ADSError, match="no regular file"):
        lock_folder(tmp_path)


def test_links_are_not_followed(tmp_path):
    target = tmp_path / "precious"
    target.write_text("kept")
    (tmp_path / ".state.json.tmp").symlink_to(target)
    write_text(tmp_path / "state.json", "new")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/.lock").symlink_to(target)
    with pytest.raises(ADSError, match="link"):
        lock_folder(tmp_path / "folder")
    assert target.read_text() == "kept" and (tmp_path / "state.json").read_text() == "new"


class Touch:
    """Runs a command when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("key", ["load_from", "model.backbone.init_cfg"])
def test_pretrained_weights_are_not_executed(key, tmp_path):
    path, mark = tmp_path / "weights.pth", tmp_path / "mark"
    path.write_bytes(pickle.dumps(dict(state_dict=Touch(mark))))
    value = str(path) if key == "load_from" else dict(type="Pretrained", checkpoint=str(path))
    cfg = load_config(CONFIGS / "ssd_digits_ads.py", {key: value})
    with pytest.raises(ADSError, match="weights.pth"):
        check_pretrained(cfg)
    assert not mark.exists()


def test_initial_weights_are_not_executed_by_mmengine(tmp_path):
    from mmengine.runner.checkpoint import CheckpointLoader

    path, mark = tmp_path / "weights.pth", tmp_path / "mark"
    path.write_bytes(pickle.dumps(Touch(mark)))
    with pytest.raises(pickle.UnpicklingError):
        CheckpointLoader.load_checkpoint(str(path), "cpu")
    assert not mark.exists()


@pytest.mark.parametrize(
    "content",
    [
        3,
        [],
        {},
        dict(state_dict=3),
        dict(state_dict=[1]),
        dict(state_dict=dict(weight=3, bias=None)),
        dict(weight=torch.zeros(2, 2, dtype=torch.int64), bias=torch.zeros(2)),
        dict(weight=torch.zeros(2, 2, dtype=torch.complex64), bias=torch.zeros(2)),
        dict(other=torch.zeros(2, 2)),
    ],
)
def test_checkpoints_of_another_shape(content, tmp_path):
    path = tmp_path / "model.pth"
    torch.save(content, path)
    with pytest.raises(ADSError, match="model.pth"):
        read_model(torch.nn.Linear(2, 2), path)


def test_empty_files_and_folders_are_no_checkpoints(tmp_path):
    (tmp_path / "empty.pth").touch()
    for path in (tmp_path, tmp_path / "empty.pth"):
        with pytest.raises(ADSError, match="cannot be read"):
            read_model(torch.nn.Linear(2, 2), path)


def test_a_changed_file_is_named(digits, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(digits, root)
    cfg = load_config(CONFIGS / "ssd_digits_ads.py", {"pool.data_root": str(root)})
    images = candidate_dataset(cfg)
    ids, files = images.image_ids()[:5], CycleFiles(tmp_path / "cycle_00")
    note_inputs(files, images, ids)
    write_ids(files.labeled_list, ids)
    (files.folder / "model.pth").touch()
    check_inputs(files, images)
    changed = root / "Annotations" / f"{ids[3]}.xml"
    content = changed.read_text()
    changed.write_text(content.replace("<xmin>", "<xmin>1", 1))
    with pytest.raises(ADSError, match=f"{ids[3]}.xml was changed"):
        check_inputs(files, images)
    changed.write_text(content)  # restored
    check_inputs(files, images)


def test_finished_cycles_are_not_forgotten(tmp_path):
    loop = ActiveLearningLoop(load_config(CONFIGS / "ssd_digits_ads.py"), tmp_path)
    loop.settings = Settings.from_config(loop.cfg)
    for number in range(loop.settings.cycles):
        files = loop.work_dir.files.cycle(number)
        files.folder.mkdir()
        files.metrics_file.touch()
    pool = Pool(["a", "b"], [0, 4])
    loop._check_progress(pool)
    with pytest.raises(ADSError, match="pool.json was changed by hand: .* for cycle 5"):
        loop._check_progress(Pool(["a", "b"], [0, 5]))
    loop.cfg.active_learning.cycles -= 1
    loop.settings = Settings.from_config(loop.cfg)
    with pytest.raises(ADSError, match="has finished 5 cycles.*cycles is 4"):
        loop._check_progress(pool)
    with pytest.raises(ADSError, match="for cycle 3, which this run has not come to"):
        WorkDir(tmp_path / "new", loop.cfg, 0).check_progress(Pool(["a"], [3]), 5)


@pytest.mark.parametrize("key", ["model.backbone.depth", "optim_wrapper.optimizer.type"])
def test_a_config_that_cannot_be_built_leaves_nothing_behind(key, tmp_path):
    cfg = load_config(CONFIGS / "ssd_digits_ads.py", {key: "nonsense"})
    with pytest.raises(ADSError, match=key.rpartition(".")[0]):
        ActiveLearningLoop(cfg, tmp_path / "run").open()
    assert not list(tmp_path.iterdir())


def test_texts_of_a_written_project_come_back(tmp_path):
    texts = (
        "{{ $HOME:x }}",
        "{{fileDirname}}",
        "{{{ _base_.a }}}",
        "a'\\\"b",
        "line\nline",
        "é\u2028",
    )
    path = tmp_path / "own.py"
    path.write_text(f"names = {_literal(texts)}\n")
    assert load_config(path).names == texts


def test_no_number_of_json_is_too_long(tmp_path):
    (tmp_path / "x.json").write_text("1" * 10**5)
    with pytest.raises(ADSError, match="x.json"):
        read_json(tmp_path / "x.json")
