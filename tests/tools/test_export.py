"""A finished run leaves the loop as a command would let it."""

import re
from importlib.util import find_spec

import pytest
from processes import TOOLS


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


@pytest.mark.parametrize("options", [("--cycle", 7), ("--size", 0, 32), ("--format", "jpeg")])
def test_mistakes(run, finished, tmp_path, options):
    status, _, err = run("export.py", finished, "--out", tmp_path / "out", *options)
    assert status == 2 and err.strip().count("\n") <= 1 and "Traceback" not in err


def test_no_command_imports_mmdet_before_the_registry_which_supplies_its_ops():
    """In the tests the registry is there already, for a user it is not."""
    for file in (TOOLS.parent / "ads_det/commands").rglob("*.py"):
        assert not re.search(r"^(from|import) mmdet", file.read_text(), re.M), file
