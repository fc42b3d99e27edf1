"""README's path with a detector of one's own: from mmdet's config and a checkpoint to the second
batch of labels."""

import re
from pathlib import Path

import pytest
import torch
from complete_models import PUBLISHED, make_coco, write
from helpers import CLASSES, dump_config
from mmengine.config import Config

from ads_det.active.loop import ActiveLearningLoop
from ads_det.active.settings import load_config
from ads_det.commands.init import DETECTORS, WEIGHTS
from ads_det.engine.complete_config import in_loop
from ads_det.files import read_ids
from ads_det.labels.boxes import Box, ImageLabels
from ads_det.labels.coco import write_coco
from ads_det.registry import MODELS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def coco(tmp_path):
    return make_coco(tmp_path / "coco", train=10)


WHOLE = ("default_scope", "model", "train_dataloader", "test_dataloader", "test_evaluator")
WHOLE += ("train_cfg", "test_cfg", "optim_wrapper", "param_scheduler", "default_hooks")


def own_detector(kind, coco, folder):
    """A config file and a checkpoint of the three classes of ``CLASSES``."""
    cfg = load_config(folder / "short.py", write(folder / "short.py", kind, coco))
    dump_config(Config({key: cfg[key] for key in WHOLE}), folder / "my_detector.py")
    torch.manual_seed(0)
    content = dict(state_dict=MODELS.build(cfg.model).state_dict())
    content["meta"] = dict(CLASSES=CLASSES)  # as mmdet 2 wrote it
    torch.save(content, folder / "my_detector.pth")


def test_to_the_second_batch(run, coco, tmp_path):
    own_detector("retinanet", coco, tmp_path)
    options = ("--classes", "c", "new", "--initial", 4, "--budget", 2, "--test-share", 0.2)
    options += ("--detector", "my_detector.py", "--weights", "my_detector.pth")
    status, _, err = run("init_project.py", coco / "train", *options, "--out", "projects/mine")
    assert status == 0, err
    assert len((tmp_path / "projects/mine/mine.py").read_text().splitlines()) < 30
    assert run("al_loop.py", "projects/mine/mine.py")[0] == 0
    batch = tmp_path / "work_dirs/mine/initial"
    box = Box("c", 10, 10, 35, 30)
    labels = [ImageLabels(name, 64, 64, (box,)) for name in read_ids(batch / "picks.txt")]
    assert len(labels) == 5
    write_coco(labels, ["c", "new"], tmp_path / "export.json")
    assert run("import_labels.py", "work_dirs/mine", "export.json")[0] == 0
    status, out, err = run("al_loop.py", "--work-dir", "work_dirs/mine", "--resume")
    assert status == 0, err
    assert "retina_cls.weight, bbox_head.retina_cls.bias in the rows of c, where other" in out
    assert "Next: label the 2 images in work_dirs/mine/cycle_00/to_label" in out


def test_the_readme_has_at_most_six_commands():
    section = (ROOT / "README.md").read_text().partition("## My own detector")[2]
    code = re.search(r"```sh\n(.*?)```", section, re.S)[1].replace("\\\n", " ")
    commands = [line.split("#")[0].split() for line in code.splitlines() if line.split("#")[0]]
    assert 0 < len(commands) <= 6 and all(words[0] == "ads-det" for words in commands)
    assert [words[1] for words in commands][:4] == ["init", "run", "import", "run"]


def test_the_tests_that_the_table_of_detectors_names_are_there():
    text = (ROOT / "docs/detectors.md").read_text()
    named = dict(re.findall(r"^- (\w).*: `(tests/\S+::\w+)`", text, re.M))
    rows = re.findall(r"^\| [A-Z].*\|$", text.partition("## Detectors and")[2], re.M)
    cells = [cell for row in rows for cell in row.strip("|").split("|")[1:]]
    used = re.findall(
        r"\b(\w)(?: `\[(\w+)\]`)?(?=[,\s]|$)", " ".join(cells).replace("refused:", "")
    )
    assert len(cells) == 50 and {letter for letter, _ in used} == named.keys()
    for letter, kind in used:
        file, _, function = named[letter].partition("::")
        source = (ROOT / file).read_text()
        assert f"def {function}(" in source
        if kind and letter in "fij":
            assert kind in PUBLISHED


@pytest.mark.slow
def test_the_stages_of_a_cascade_get_their_classes(run, coco, tmp_path):
    own_detector("cascade_rcnn", coco, tmp_path)
    options = ("--classes", "x", "y", "--initial", 4, "--budget", 2, "--test-share", 0.2)
    status, _, err = run(
        *("init_project.py", coco / "train", *options),
        *("--detector", "my_detector.py", "--out", "projects/mine"),
    )
    assert status == 0, err
    cfg = in_loop(load_config(tmp_path / "projects/mine/mine.py"))
    heads = cfg.model.roi_head.bbox_head
    assert [head.num_classes for head in heads] == [2, 2, 2]
    assert [head.fc_out_channels for head in heads] == [32, 32, 32]
    assert cfg.active_learning.metric == "pascal_voc/mAP" and cfg.model.backbone.depth == 18


OPTIONS = ("--classes", "c", "--initial", 4, "--budget", 2, "--test-share", 0.2, "--out", "p")


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_published_detector_asks_for_its_weights(run, coco, tmp_path, name):
    status, _, err = run("init_project.py", coco / "train", *OPTIONS, "--detector", name)
    assert status == 2 and err.count("\n") == 1 and not (tmp_path / "p").exists()
    file = f"p/{WEIGHTS[name].rpartition('/')[2]}"
    assert f"download {WEIGHTS[name]} to {file} and add --weights {file} (" in err


def test_a_published_detector_begins_with_its_weights(run, coco, tmp_path):
    options = ("init_project.py", coco / "train", *OPTIONS, "--detector", "rtmdet_tiny")
    model = load_config(DETECTORS["rtmdet_tiny"]).model
    torch.save(MODELS.build(model).state_dict(), tmp_path / "w.pth")
    status, out, err = run(*options, "--weights", "w.pth")
    assert status == 0, err
    assert "Next: python" in out and len((tmp_path / "p/p.py").read_text().splitlines()) < 30
    cfg = load_config(tmp_path / "p/p.py")
    assert cfg.load_from == str(tmp_path / "w.pth")
    loop = ActiveLearningLoop(cfg, tmp_path / "run")
    loop.run()
    assert loop.is_waiting and (tmp_path / "run/initial/to_label/images").is_dir()
    assert cfg.model.bbox_head.num_classifiers == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", WEIGHTS)
def test_a_published_detector_trains(run, coco, tmp_path, name):
    """The config of the project at a fifth of its input size, for one epoch."""
    options = ("init_project.py", coco / "train", *OPTIONS, "--detector", name)
    assert run(*options, "--weights", "none")[0] == 0
    cfg = load_config(tmp_path / "p/p.py")
    cfg = Config(smaller(cfg.to_dict()))
    cfg.merge_from_dict({"train_dataloader.sampler.num_samples": 8, "train_cfg.max_epochs": 1})
    loop = ActiveLearningLoop(cfg, tmp_path / "run")
    loop.run()
    box = Box("c", 10, 10, 35, 30)
    picks = read_ids(tmp_path / "run/initial/picks.txt")
    write_coco([ImageLabels(i, 64, 64, (box,)) for i in picks], ["c"], tmp_path / "export.json")
    assert run("import_labels.py", "run", "export.json")[0] == 0
    loop = ActiveLearningLoop(cfg, tmp_path / "run", resume=True)
    loop.run()
    assert loop.is_waiting and len(read_ids(tmp_path / "run/cycle_00/picks.txt")) == 2


def smaller(node):
    if isinstance(node, dict):
        return {k: 0 if k == "num_workers" else smaller(v) for k, v in node.items()}
    if isinstance(node, (list, tuple)):
        return (128, 128) if tuple(node) == (640, 640) else type(node)(map(smaller, node))
    return node


def test_what_cannot_be_a_detector_is_refused(run, coco):
    options = ("init_project.py", coco / "train", "--classes", "c", "--out", "p", "--detector")
    for name, sentence in (
        ("rtmdet_tyni", "rtmdet_tyni does not exist"),
        (ROOT / "configs/resnet8_digits_ads.py", "is no config of a detector"),
    ):
        status, _, err = run(*options, name)
        assert status == 2 and sentence in err and err.count("\n") == 1, err
