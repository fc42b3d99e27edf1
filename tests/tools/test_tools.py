"""The commands as a user types them, in this process."""

import json
import shutil
from argparse import Namespace

import pytest
import torch
from helpers import tiny_classification_config, tiny_config

from ads_det.active.pool import Pool
from ads_det.commands.work import train
from ads_det.commands.work.rank import set_pool, where_scores
from ads_det.engine.seeding import derive_seed
from ads_det.errors import ADSError
from ads_det.files import read_ids, write_ids
from ads_det.scores import IN_TABLE
from ads_det.work_files import CycleFiles


@pytest.mark.parametrize("tool", ["al_loop.py", "train.py", "test.py", "select_images.py"])
def test_help_teaches(run, tool):
    status, out, _ = run(tool, "--help")
    assert status == 0 and "xample" in out and "--cfg-options" in out


def test_al_loop(run, config, tmp_path):
    arguments = (config, "--work-dir", tmp_path / "run", "--seed", 3, "--cycles", 2)
    status, out, _ = run("al_loop.py", *arguments)
    assert status == 0
    assert "Cycle 2 of 2: 8 of 40 images labelled" in out
    done, finished = out.splitlines()[-2:]
    assert done.startswith(f"Done: table in {tmp_path / 'run' / 'history.csv'}")
    assert finished.startswith("All 2 cycles are finished.") and finished.endswith("--cycles 3")
    before = (tmp_path / "run/history.json").read_text()
    status, _, err = run("al_loop.py", *arguments)
    assert status == 2 and "--resume" in err and err.count("\n") == 1
    assert run("al_loop.py", *arguments, "--resume")[0] == 0
    assert (tmp_path / "run/history.json").read_text() == before
    assert run("al_loop.py", *arguments[:-1], 3, "--resume")[0] == 0  # one more cycle
    assert len(json.loads((tmp_path / "run/history.json").read_text())["cycles"]) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.py"], "nowhere.py does not exist"),
        (["{config}", "--cfg-options", "active_learning.budget=99"], "pool has 40"),
        (["{config}", "--cfg-options", "model.backbone.init_cfg.type=Pretrained",
          "model.backbone.init_cfg.checkpoint=gone.pth"], "init_cfg=None"),
    ],
)  # fmt: skip
def test_a_mistake_ends_with_one_sentence(run, config, tmp_path, arguments, message):
    arguments = [a.format(config=config) for a in arguments]
    status, _, err = run("al_loop.py", *arguments, "--work-dir", tmp_path / "run")
    assert status == 2 and not (tmp_path / "run").exists()
    assert err.startswith("error: ") and message in err and err.count("\n") == 1


def test_test_gives_the_metrics_of_the_run(run, config, finished, tmp_path):
    status, out, _ = run(
        "test.py", config, finished / "cycle_02/model.pth", "--out", tmp_path / "m.json"
    )
    assert status == 0 and "classifier_2/pascal_voc/mAP" in out
    expected = json.loads((finished / "cycle_02/metrics.json").read_text())["metrics"]
    assert json.loads((tmp_path / "m.json").read_text()) == expected


def metrics_in(out):
    return [line for line in out.splitlines() if "/" in line and line.split()[-1][0].isdigit()]


def test_train_repeats_a_cycle_bit_by_bit(run, config, finished, tmp_path):
    folder = finished / "cycle_01"
    arguments = ("train.py", config, folder / "labeled.txt", "--work-dir", tmp_path / "again")
    status, trained, err = run(*arguments, "--seed", derive_seed(0, 1))
    assert status == 0, err
    first, second = (
        torch.load(path / "model.pth")["state_dict"] for path in (folder, tmp_path / "again")
    )
    assert all(torch.equal(first[key], second[key]) for key in first)
    status, _, err = run(*arguments)
    assert status == 2 and "already holds a training" in err
    # killed before the evaluation: only that is made up for
    (tmp_path / "again/train/last_checkpoint").touch()
    status, out, err = run(*arguments, "--seed", derive_seed(0, 1), "--resume")
    assert status == 0, err
    assert metrics_in(out) == metrics_in(trained) != []
    assert not (tmp_path / "again/train/last_checkpoint").exists()


def test_a_training_is_resumed_with_the_lists_and_the_seed_that_it_began_with(digits, tmp_path):
    cfg, ids = tiny_config(digits), read_ids(digits / "ImageSets/Main/trainval.txt")
    args = Namespace(work_dir=tmp_path / "w", seed=1, labeled=tmp_path / "labeled.txt")
    args.unlabeled = tmp_path / "unlabeled.txt"
    write_ids(args.labeled, ids[:3])
    write_ids(args.unlabeled, ids[3:9])
    for _ in range(2):
        train.begin(cfg, args).close()
    assert not (tmp_path / "w/unlabeled.txt").exists()  # the list of the user is taken
    for changes, name in (dict(seed=2), "seed"), (dict(unlabeled=None), "unlabeled"):
        with pytest.raises(ADSError, match=f"was started with another {name}; use the same"):
            train.begin(cfg, Namespace(**vars(args) | changes))
    args.work_dir, args.unlabeled = tmp_path / "all", None
    train.begin(cfg, args).close()
    assert read_ids(tmp_path / "all/unlabeled.txt") == ids[3:]


def test_the_training_of_one_cycle_reads_no_label_of_the_pool(run, config, tmp_path):
    (tmp_path / "ids.txt").write_text("000001\n")
    options = ("--check", "--cfg-options", "method.positive_filter=oracle")
    arguments = (config, tmp_path / "ids.txt", "--work-dir", tmp_path / "w", *options)
    status, _, err = run("train.py", *arguments)
    assert status == 2 and "positive_filter='oracle' is the loop's" in err
    assert err.count("\n") == 1 and not (tmp_path / "w").exists()


def test_the_place_of_many_scores_is_told(tmp_path):
    files = CycleFiles(tmp_path)
    few, many = (where_scores(number, files) for number in (IN_TABLE, IN_TABLE + 1))
    assert few == f"{IN_TABLE} scores in {files.scores_table}"
    assert many.startswith(f"{IN_TABLE + 1} scores in {files.scores_array}, the best {IN_TABLE} in")


def test_a_classifier_ranks_the_pool_of_its_config_alone(tmp_path):
    args = Namespace(images=tmp_path)
    with pytest.raises(ADSError, match="a classifier ranks the pool of its config"):
        set_pool(tiny_classification_config(), args)


def test_select_ranks_the_pool_as_the_loop_did(run, config, finished, tmp_path):
    folder = finished / "cycle_01"
    corrected = tmp_path / "out/to_label/labels.json"
    corrected.parent.mkdir(parents=True)
    corrected.write_text("somebody's work")
    command = [
        *("select_images.py", config, folder / "model.pth", "--exclude", folder / "labeled.txt"),
        *("--out", tmp_path / "out"),
    ]
    status, _, err = run(*command)
    assert status == 2 and "to_label exists and is of no ranking; choose another --out" in err
    (tmp_path / "out/candidates.txt").touch()  # of a ranking that was killed
    status, _, err = run(*command)
    assert status == 0, err
    assert (tmp_path / "out/to_label_2/labels.json").read_text() == "somebody's work"
    for name in ("scores.csv", "picks.txt"):
        assert (tmp_path / "out" / name).read_text() == (folder / name).read_text()


def test_select_ranks_a_folder_without_annotations(run, config, digits, finished, tmp_path):
    images = tmp_path / "photos" / "nested"
    images.mkdir(parents=True)
    for path in sorted((digits / "JPEGImages").iterdir())[:5]:
        shutil.copy(path, images)
    status, _, err = run(
        *(
            "select_images.py",
            config,
            finished / "cycle_02/model.pth",
            "--images",
            tmp_path / "photos",
        ),
        *("--number", 2, "--out", tmp_path / "out"),
    )
    assert status == 0, err
    lines = (tmp_path / "out/scores.csv").read_text().splitlines()
    assert lines[0] == "id,score" and len(lines) == 6
    picks = (tmp_path / "out/picks.txt").read_text().split()
    assert picks == [line.split(",")[0] for line in lines[1:3]]
    assert all(pick.startswith("nested/") for pick in picks)


def test_select_never_overwrites_and_knows_its_images(run, config, finished, tmp_path):
    folder = finished / "cycle_01"
    common = ("select_images.py", config, folder / "model.pth")
    status, _, err = run(*common, "--out", folder)
    assert status == 2 and "is of a run" in err
    status, _, err = run(*common, "--out", tmp_path / "out", "--number", -3)
    assert status == 2 and "--number is -3" in err
    status, _, err = run(*common, "--out", tmp_path / "out", "--threshold", 1.5)
    assert status == 2 and "--threshold is 1.5; use a score from 0 to 1" in err
    (tmp_path / "mine").mkdir()
    write_ids(tmp_path / "mine/picks.txt", ["000001"])
    status, _, err = run(*common, "--out", tmp_path / "mine")
    assert status == 2 and "mine already holds a selection; choose another --out" in err
    (tmp_path / "odd.txt").write_text("nobody\n")
    arguments = ("--exclude", tmp_path / "odd.txt", "--out", tmp_path / "out")
    status, _, err = run(*common, *arguments)
    assert status == 2 and "'nobody'" in err
    write_ids(tmp_path / "odd.txt", list(Pool.load(finished / "pool.json")[0].ids))
    status, _, err = run(*common, *arguments)
    assert status == 2 and "odd.txt names all" in err
    one = ("--cfg-options", "model.bbox_head.num_classifiers=1")
    status, _, err = run(*common, "--out", tmp_path / "one", *one)
    assert status == 2 and "tensors that this model lacks, such as bbox_head.cls_convs2" in err


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda state: {k: v for k, v in state.items() if "neck" in k}, "another architecture"),
        (lambda state: {k: v for k, v in state.items() if "cls_convs2" not in k}, "cls_convs2"),
        (lambda state: {k: v[:1] for k, v in state.items() if v.dim()}, "another shape"),
        (
            lambda state: {
                k: v * float("nan") if v.is_floating_point() else v for k, v in state.items()
            },
            "NaN or infinity",
        ),
    ],
)
def test_a_checkpoint_that_cannot_serve(run, config, finished, tmp_path, make, message):
    checkpoint = torch.load(finished / "cycle_02/model.pth")
    checkpoint["state_dict"] = make(checkpoint["state_dict"])
    torch.save(checkpoint, tmp_path / "bad.pth")
    status, _, err = run("test.py", config, tmp_path / "bad.pth")
    assert status == 2 and message in err
    (tmp_path / "bad.pth").write_bytes(b"no checkpoint")
    status, _, err = run("test.py", config, tmp_path / "bad.pth")
    assert status == 2 and "cannot be read" in err
