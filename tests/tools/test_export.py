"""A finished run leaves the loop as a command would let it."""

import re
from importlib.util import find_spec

import pytest
import torch
from helpers import DIGITS, build_classifier, tiny_classification_config
from processes import TOOLS
from retina_models import build_retina, tiny_retina_config

from ads_det.cli import make_parser
from ads_det.commands import export
from ads_det.engine.stored_config import write_config


def test_mmdet_has_no_ssd_of_sigmoid_classifiers(run, finished, tmp_path):
    status, _, err = run("export.py", finished, "--format", "mmdet", "--out", tmp_path / "out")
    assert status == 2 and err.count("\n") == 1 and "export with --format onnx" in err
    assert not (tmp_path / "out").exists()


def test_an_onnx_graph_needs_its_package(run, finished, tmp_path):
    status, out, err = run("export.py", finished, "--format", "onnx", "--out", tmp_path / "m.onnx")
    if find_spec("onnx") is None:
        assert status == 2 and "pip install 'ads_det[export]'" in err and err.count("\n") == 1
    else:
        assert status == 0 and (tmp_path / "m.onnx").exists() and "Done: " in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--cycle", 7), "--cycle is 7, which has no trained model; use one of 0, 1, 2"),
        (("--size", 0, 32), "--size is 0 32; use numbers from 1 to 10,000"),
        (("--size", 32, 10_001), "--size is 32 10001; use numbers from 1 to 10,000"),
        (("--format", "mmdet", "--size", 32, 32), "--size is for --format onnx"),
        (("--format", "jpeg"), "invalid choice: 'jpeg'"),
    ],
)
def test_mistakes(run, finished, tmp_path, options, message):
    out = tmp_path / "out"
    status, _, err = run("export.py", finished, "--format", "onnx", "--out", out, *options)
    assert status == 2 and message in err and err.count("\n") == 1 and not out.exists()


@pytest.mark.parametrize("file", ["", "cycle_01", "cycle_01/export", "pool.json"])
def test_nothing_is_written_over_a_run(run, finished, file):
    kind = "onnx" if file.endswith(".json") else "mmdet"
    status, _, err = run("export.py", finished, "--format", kind, "--out", finished / file)
    assert status == 2 and "is of a run, whose files would be overwritten" in err


def test_a_folder_without_a_trained_model_is_refused(run, tmp_path):
    status, _, err = run("export.py", tmp_path, "--format", "onnx")
    assert status == 2 and "holds no trained model" in err and err.count("\n") == 1


def test_the_model_is_that_of_the_cycle_asked_for_or_of_the_last(finished):
    for options, number in ((), 2), (("--cycle", "1"), 1):
        words = [str(finished), "--format", "onnx", *options]
        args = make_parser(export).parse_args(words)
        assert export.check(args) == f"Loading cycle {number} of {finished} ..."
        assert args.cycle == number


def trained_run(cfg, model, folder):
    """What the export reads of a run that trained this model."""
    write_config(folder / "config.json", cfg)
    (folder / "cycle_00").mkdir()
    torch.save(dict(state_dict=model.state_dict()), folder / "cycle_00/model.pth")
    return folder


def test_the_plain_detector_says_by_what_it_predicts(run, digits, tmp_path):
    classes = len(DIGITS)
    cfg = tiny_retina_config(digits, **{"model.bbox_head.num_classes": classes})
    folder = trained_run(cfg, build_retina(num_classes=classes), tmp_path)
    status, out, err = run("export.py", folder, "--format", "mmdet")
    assert status == 0, err
    what = "predicts by the mean of both classifiers' scores"
    assert f"Done: {folder}/export/config.py and model.pth, a plain detector that {what}\n" in out
    state = torch.load(folder / "export/model.pth")["state_dict"]
    assert "bbox_head.retina_cls.weight" in state  # and no second classifier
    assert not [name for name in state if name.startswith("bbox_head.retina_cls2")]


def test_a_classifier_is_no_detector_to_export(run, tmp_path):
    folder = trained_run(tiny_classification_config(), build_classifier(), tmp_path)
    for kind in "onnx", "mmdet":
        status, _, err = run("export.py", folder, "--format", kind)
        assert status == 2 and "trains ADSClassifier, which is no detector" in err
        assert err.count("\n") == 1 and not (folder / "export").exists()


def test_no_command_imports_mmdet_before_the_registry_which_supplies_its_ops():
    """In the tests the registry is there already, for a user it is not."""
    for file in (TOOLS.parent / "ads_det/commands").rglob("*.py"):
        assert not re.search(r"^(from|import) mmdet", file.read_text(), re.M), file
