"""What users bring along: each case as a command, its exit status and its one sentence."""

import json
import pickle
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers import dump_config, tiny_config
from PIL import Image
from processes import TOOLS, Forked

from ads_det.lock import lock_folder


class Project:
    """A copy of the digits with a config; a case changes either."""

    def __init__(self, root, folder):
        self.root, self.folder = root, folder
        self.options, self.arguments = {}, []
        self.work_dir = folder / "run"

    @property
    def pool(self):
        return (self.root / "ImageSets/Main/trainval.txt").read_text().split()

    def image(self, number=0):
        return self.root / "JPEGImages" / f"{self.pool[number]}.jpg"

    def xml(self, number=0):
        return self.root / "Annotations" / f"{self.pool[number]}.xml"

    def label_first(self):
        """Let the initial set be the first four images."""
        ids = self.folder / "initial.txt"
        ids.write_text("\n".join(self.pool[:4]))
        self.options["active_learning.initial"] = str(ids)

    def edit_xml(self, pattern, text, number=0):
        self.label_first()
        content = self.xml(number).read_text()
        changed = re.sub(pattern, text, content, count=1)
        assert changed != content
        self.xml(number).write_text(changed)

    def set(self, **options):
        self.options.update({k.replace("__", "."): v for k, v in options.items()})

    def arguments_of_loop(self):
        config = self.folder / "config.py"
        if not config.exists():
            dump_config(tiny_config(self.root, **self.options), config)
        return [config, "--work-dir", self.work_dir, "--cycles", 2, *self.arguments]


@pytest.fixture
def project(digits, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(digits, root)
    return Project(root, tmp_path)


@pytest.fixture
def begun(project, finished):
    """A project whose run has finished three cycles elsewhere and is copied here."""
    shutil.copytree(finished, project.work_dir)
    # the config of that run, which names its own data
    shutil.copyfile(finished / "config.py", project.folder / "config.py")
    project.arguments = ["--resume", "--cycles", 3]
    return project


def fails(run, project, message):
    status, _, err = run("al_loop.py", *project.arguments_of_loop())
    assert status == 2, err
    assert err.startswith("error: ") and err.count("\n") == 1, err
    assert re.search(message, err), err
    assert "Traceback" not in err


# -- configs ------------------------------------------------------------------------------------

CONFIGS = {
    "no block": (dict(active_learning=None), "no `active_learning` block"),
    "block is no dict": (dict(active_learning=3), "`active_learning` is 3; it must be a dict"),
    "unknown key": (dict(active_learning__budgte=3), "has no 'budgte'"),
    "budget beyond the pool": (dict(active_learning__budget=37), "need 41 images.*pool has 40"),
    "no initial images": (dict(active_learning__initial=0), "initial is 0"),
    "initial list is missing": (dict(active_learning__initial="gone.txt"), "gone.txt cannot be"),
    "budget in words": (dict(active_learning__budget="four"), "budget is 'four'"),
    "subset below budget": (dict(active_learning__subset=3), "subset is 3.*picks 4"),
    "unknown strategy": (dict(active_learning__strategy="ads_det.Luck"), "'ads_det.Luck'; use one"),
    "unknown oracle": (dict(active_learning__oracle="delphi"), "oracle is 'delphi'; use one of"),
    "people without a place for labels": (
        dict(active_learning__oracle="human"), "needs a `pool` of type"
    ),
    "people and a filter that reads labels": (
        dict(active_learning__oracle="human", method__positive_filter="oracle"),
        "reads labels of the pool, which nobody has given",
    ),
    "threshold above 1": (
        dict(active_learning__proposal_threshold=30), "proposal_threshold is 30; use a number"
    ),
    "gain in words": (dict(active_learning__min_gain="much"), "min_gain is 'much'; use a number"),
    "unknown first strategy": (
        dict(active_learning__initial_strategy="ads_det.Luck"), "initial_strategy.type is 'ads"
    ),
    "first images listed and chosen": (
        dict(active_learning__initial="a.txt", active_learning__initial_strategy="ads_det.CoreSet"),
        "initial_strategy would choose the first images",
    ),
    "topk 0": (dict(active_learning__strategy__topk=0), "topk is 0"),
    "unknown argument of the strategy": (
        dict(active_learning__strategy__k=1), "Entropy\\) has no 'k'; it takes entropy_of"
    ),
    "strategy is a number": (dict(active_learning__strategy=5), "strategy is 5; use a name"),
    "phase is a number": (dict(method__agreement=3), "agreement is 3; use a dict"),
    "epochs below 1": (dict(method__epochs=0), "epochs is 0"),
    "no probability": (dict(method__positive_threshold=30), "positive_threshold is 30"),
    "no candidate loader": (dict(candidate_dataloader=None), "no `candidate_dataloader`"),
    "workers that stay": (
        dict(train_dataloader__persistent_workers=True), "persistent_workers is True"
    ),
    "two predictions of a plain model": (
        dict(
            active_learning__strategy="ads_det.Gap",
            model__bbox_head__num_classifiers=1,
            method="ads_det.Plain",
        ),
        "Gap\\) compares at least 2 predictions of an image, but there will be 1",
    ),
    "ADS of a plain model": (
        dict(model__bbox_head__num_classifiers=1), "ADS needs 2 classifiers, but the model has 1"
    ),
    "tau in words": (dict(method__tau="warm"), "tau is 'warm'"),
    "unknown weighting": (dict(method__weighting="heavy"), "weighting is 'heavy'"),
    "interval 0": (dict(method__interval=0), "interval is 0"),
    "unknown key of the method": (dict(method__taus=1), "ADS\\) has no 'taus'; it takes agreem"),
    "unknown key of a phase": (dict(method__agreement=dict(weight=1)), "agreement has no 'weight'"),
    "method is no dict": (dict(method=True), "`method` is True; it must be a dict or a text"),
    "unknown method": (dict(method="ads_det.SDA"), "method.type is 'ads_det.SDA'; use one of"),
    "no loader of unlabelled images": (
        dict(unlabeled_dataloader=None), "no `unlabeled_dataloader`; add one, or use method=ads_"
    ),
    "one class too few": (dict(model__bbox_head__num_classes=9), "num_classes=9.*names 10"),
    "no classes": (
        dict(pool__metainfo=dict(classes=())), "name at least one class"
    ),
    "classes of another data set": (
        dict(
            pool__metainfo=dict(classes=("cat",)),
            test_dataloader__dataset__metainfo=dict(classes=("cat",)),
            model__bbox_head__num_classes=1,
        ),
        "No label of .* names the class 'cat'",
    ),
    "data set of another package": (dict(pool__type="CocoDataset"), "use one of this project"),
    "data set of another package, for training": (
        dict(train_dataloader__dataset__type="CocoDataset"), "use one of this project"
    ),
    "unknown optimiser": (
        dict(optim_wrapper__optimizer__type="SDG"), "optimizer.type is 'SDG'"
    ),
    "pretrained weights are missing": (
        dict(model__backbone__init_cfg=dict(type="Pretrained", checkpoint="gone.pth")),
        "gone.pth.*init_cfg=None",
    ),
    "unknown metric": (dict(active_learning__metric="AP"), "metric is 'AP'.*pascal_voc/mAP"),
    "recall instead of precision": (
        dict(test_evaluator__metric__metric="recall"),
        "metric is 'pascal_voc/mAP', but test_evaluator measures pascal_voc/recall@100@0.5",
    ),
    "images of the pool chosen by hand": (dict(pool__ids=["x"]), "pool.ids is for the loop to set"),
    "a part of the pool": (dict(pool__indices=12), "pool.indices is for the loop to set"),
    "candidates chosen by hand": (
        dict(candidate_dataloader__dataset__load_annotations=True), "load_annotations is for the l"
    ),
    "test images that are dropped": (
        dict(test_dataloader__drop_last=True), "drop_last is True, but each image counts"
    ),
    "no whole batch": (
        dict(train_dataloader__drop_last=True, train_dataloader__batch_size=64),
        "drop_last leaves no batch: batch_size is 64, but an epoch has",
    ),
    "a test without end": (
        dict(test_dataloader__sampler__type="InfiniteSampler"), "InfiniteSampler\\) never ends"
    ),
    "an epoch nearly without end": (
        dict(train_dataloader__sampler__num_samples=10**11), "num_samples is 100000000000; use 1"
    ),
    "timeout without workers": (
        dict(train_dataloader__timeout=5), "timeout is for workers, and num_workers is 0"
    ),
    "another loop": (dict(test_cfg__type="ValLoop"), "test_cfg.type is ValLoop, which is no TestL"),
    "half precision in words": (dict(test_cfg__fp16="yes"), "test_cfg.fp16 is 'yes'; use True or"),
    "unknown colours": (
        {"test_dataloader.dataset.pipeline.0.color_type": "foo"}, "color_type is 'foo'; use one of"
    ),
    "boxes not loaded": (
        {"test_dataloader.dataset.pipeline.2.with_bbox": False}, "bboxes|loads no labels"
    ),
    "sizes not packed": (
        {"test_dataloader.dataset.pipeline.3.meta_keys": ["img_id"]}, "pipeline.*(shape|factor)"
    ),
    "ranges of one scale": (
        dict(test_evaluator__metric__scale_ranges=[(0, 1)]), "test_evaluator.*; correct it"
    ),
    "unknown NMS": (dict(model__test_cfg__nms__type="foo"), "nms.type is 'foo'; use one of nms, s"),
    "logs to a service that is not there": (
        dict(visualizer=dict(type="Visualizer", vis_backends=[dict(type="WandbVisBackend")])),
        "needs the package wandb",
    ),
    "nameless visualizer": (dict(visualizer=dict(type="Visualizer", name="")), "visualizer.name"),
    "backwards": (
        dict(optim_wrapper__paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=-1)))),
        "lr_mult is -1; use a number of 0 or more",
    ),
    "learning rate too high": (dict(optim_wrapper__optimizer__lr=1e9), "not finite|became nan"),
}  # fmt: skip


@pytest.mark.parametrize("case", CONFIGS)
def test_config(run, project, gap, case):
    options, message = CONFIGS[case]
    project.set(**options)
    fails(run, project, message)


def test_config_of_an_earlier_version(run, project):
    cfg = tiny_config(project.root)
    cfg.ads = cfg.pop("method")
    del cfg.ads["type"]
    dump_config(cfg, project.folder / "config.py")
    new = r"write method=dict\(type='ads_det.ADS', .*positive_filter='none'"
    fails(run, project, rf"config.py has the block `ads`, which is called `method` now; {new}")
    assert not project.work_dir.exists()


def test_option_of_an_earlier_version(run, project):
    project.arguments = ["--cfg-options", "ads.tau=0.2"]
    fails(run, project, r"--cfg-options ads.tau: .* `method` now; write method.tau=")


def test_keys_of_mmengine_that_options_replace(run, project):
    project.set(resume=True)
    fails(run, project, "`resume` of .* is True; add --resume instead")
    (project.folder / "config.py").unlink()
    project.set(resume=False, launcher="slurm")
    fails(run, project, "use --launcher slurm instead")


def test_the_work_directory_of_the_config(run, project):
    project.set(work_dir=str(project.folder / "there"), active_learning__cycles=1)
    config, *_ = project.arguments_of_loop()
    assert run("al_loop.py", config)[0] == 0
    assert (project.folder / "there/history.json").exists()


def test_a_comparison_cannot_wait_for_people(run, project):
    labels = project.folder / "labels"
    project.set(active_learning__oracle="human", pool__labels=str(labels))
    config, *_ = project.arguments_of_loop()
    status, _, err = run("benchmark.py", config, "--work-dir", project.folder / "bench")
    assert status == 2 and "waits for labels from people" in err
    assert not (project.folder / "bench").exists()


def test_labels_of_test_images_are_read_before_the_first_training(run, project):
    test = (project.root / "ImageSets/Main/test.txt").read_text().split()
    xml = project.root / "Annotations" / f"{test[0]}.xml"
    xml.write_text(xml.read_text().replace("<width>", "<width>9", 1))
    fails(run, project, f"{test[0]}.xml")
    assert not project.work_dir.exists()


def test_cycles_0(run, project):
    project.arguments = ["--cycles", 0]
    fails(run, project, "cycles is 0")


def test_missing_key(run, project):
    cfg = tiny_config(project.root)
    del cfg.active_learning["budget"]
    dump_config(cfg, project.folder / "config.py")
    fails(run, project, "active_learning.budget is missing")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model = dict(", "cannot be read: .*never closed"),
        ("x = 1 / 0", "cannot be read: division"),
    ],
)
def test_config_that_is_no_python(run, project, text, message):
    (project.folder / "config.py").write_text(text)
    fails(run, project, message)


def test_options_that_do_not_fit(run, project):
    project.arguments = ["--cfg-options", "param_scheduler.9.gamma=1"]
    fails(run, project, "--cfg-options do not fit")


# -- data ---------------------------------------------------------------------------------------


def missing_image(p):
    p.image().unlink()


def missing_xml(p):
    p.label_first()
    p.xml().unlink()


def broken_xml(p):
    p.label_first()
    p.xml().write_text("<annotation><object>")


def entities(p):
    p.label_first()
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><annotation>&c;'
    p.xml().write_text(bomb + "</annotation>")


def nan_box(p):
    p.edit_xml(r"<xmin>[^<]*", "<xmin>nan")


def box_without_corner(p):
    p.edit_xml(r"<xmax>[^<]*</xmax>", "")


def duplicate_ids(p):
    path = p.root / "ImageSets/Main/trainval.txt"
    path.write_text(path.read_text() + p.pool[0] + "\n")


def way_out(p):
    path = p.root / "ImageSets/Main/trainval.txt"
    path.write_text(path.read_text() + "../../secret\n")


def empty_list(p):
    (p.root / "ImageSets/Main/trainval.txt").write_text("\n")


def unknown_initial(p):
    p.label_first()
    (p.folder / "initial.txt").write_text("nobody\n")


def initial_twice(p):
    p.label_first()
    (p.folder / "initial.txt").write_text("\n".join([*p.pool[:3], p.pool[0]]))


def unreadable_initial(p):
    p.label_first()
    p.image().write_bytes(b"")


def broken_test_image(p):
    name = (p.root / "ImageSets/Main/test.txt").read_text().split()[0]
    (p.root / "JPEGImages" / f"{name}.jpg").write_bytes(b"")


def no_folder(p):
    shutil.rmtree(p.root)


def list_is_no_text(p):
    (p.root / "ImageSets/Main/trainval.txt").write_bytes(b"\xff\xfe\x00\xd8")


DATA = {
    missing_image: "names '.*' but .* has no image of that name",
    missing_xml: "annotation .* is missing",
    broken_xml: "no valid XML",
    entities: "declares a document type",
    nan_box: "not made of finite numbers",
    box_without_corner: "`bndbox` lacks `xmax`",
    duplicate_ids: "twice",
    way_out: "leads out of the image folder",
    empty_list: "pool has 0",
    unknown_initial: "no image 'nobody'",
    initial_twice: "twice",
    unreadable_initial: "cannot be read; take it off",
    broken_test_image: "test image .* cannot be read",
    no_folder: "does not exist",
    list_is_no_text: "not UTF-8",
}


@pytest.mark.parametrize("change", DATA, ids=lambda f: f.__name__)
def test_data(run, project, change):
    change(project)
    fails(run, project, DATA[change])


def truncated(path):
    path.write_bytes(path.read_bytes()[:-200])


def zero_bytes(path):
    path.write_bytes(b"")


def text(path):
    path.write_text("no image")


def test_unreadable_images_of_the_pool_are_left_out(run, project):
    """The initial four are others; the rest of the pool is acquired whole, but for these three."""
    project.label_first()
    project.set(active_learning__budget=33)
    for number, spoil in zip((7, 8, 9), (truncated, zero_bytes, text)):
        spoil(project.image(number))
    bad = project.pool[7:10]
    status, out, err = run("al_loop.py", *project.arguments_of_loop())
    assert status == 0, err
    assert f"Left out 3 image(s) of the pool that cannot be read: {bad[0]} (" in out
    rows = json.loads((project.work_dir / "history.json").read_text())["cycles"]
    assert [row["unreadable_images"] for row in rows] == [bad, bad]
    assert rows[1]["labeled_images"] == 37
    state = json.loads((project.work_dir / "pool.json").read_text())["images"]
    assert [state[name] for name in bad] == [-2] * 3
    for name in ("labeled.txt", "unlabeled.txt"):
        assert not set(bad) & set((project.work_dir / "cycle_00" / name).read_text().split())


@pytest.mark.slow
def test_an_image_that_breaks_during_the_run_does_not_end_it(run, project):
    """One loader meets it in a worker, the other in the main process."""
    project.label_first()
    project.set(unlabeled_dataloader__num_workers=1, candidate_dataloader__num_workers=0)
    arguments = project.arguments_of_loop()
    assert run("al_loop.py", *arguments, "--cycles", 1)[0] == 0
    bad = project.pool[9]
    zero_bytes(project.image(9))
    status, out, err = run("al_loop.py", *arguments, "--cycles", 3, "--resume")
    assert status == 0, err
    assert f"Left out 1 image(s) that cannot be read: {bad}" in out
    assert (project.work_dir / "cycle_00/unreadable.txt").read_text().split() == [bad]
    assert bad not in (project.work_dir / "cycle_00/scores.csv").read_text()
    rows = json.loads((project.work_dir / "history.json").read_text())["cycles"]
    assert [row["unreadable_images"] for row in rows] == [[], [bad], [bad]]


def test_random_choice_leaves_out_what_broke_during_the_run(run, project):
    """No forward pass reads the images for it; all but four are acquired."""
    project.label_first()
    project.set(
        active_learning__budget=32,
        active_learning__strategy="ads_det.Random",
        method="ads_det.Plain",
    )
    project.set(model__bbox_head__num_classifiers=1)
    arguments = project.arguments_of_loop()
    assert run("al_loop.py", *arguments, "--cycles", 1)[0] == 0
    bad = [project.pool[i] for i in range(9, 15)]
    for i in range(9, 15):
        zero_bytes(project.image(i))
    status, _, err = run("al_loop.py", *arguments, "--resume")
    assert status == 0, err
    assert set((project.work_dir / "cycle_00/unreadable.txt").read_text().split()) <= set(bad)
    acquired = (project.work_dir / "cycle_01/labeled.txt").read_text().split()
    assert not set(acquired) & set(bad) and len(acquired) == 4 + 30  # two fewer than the budget


@pytest.mark.slow
def test_a_budget_that_unreadable_images_leave_unpaid(run, project):
    """40 images, 4 + 2 x 18, of which two break after the first cycle."""
    project.label_first()
    project.set(active_learning__budget=18)
    arguments = project.arguments_of_loop()
    assert run("al_loop.py", *arguments, "--cycles", 1)[0] == 0
    zero_bytes(project.image(9))
    zero_bytes(project.image(10))
    status, _, err = run("al_loop.py", *arguments, "--cycles", 3, "--resume")
    assert status == 0, err
    rows = json.loads((project.work_dir / "history.json").read_text())["cycles"]
    assert [row["labeled_images"] for row in rows] == [4, 22, 38]
    assert run("al_loop.py", *arguments, "--cycles", 3, "--resume")[0] == 0


def test_a_labelled_image_that_breaks_is_named(run, project):
    project.label_first()
    arguments = project.arguments_of_loop()
    assert run("al_loop.py", *arguments, "--cycles", 1)[0] == 0
    good = project.image().read_bytes()
    shutil.rmtree(project.work_dir / "cycle_00/train")
    for name in ("model.pth", "metrics.json"):
        (project.work_dir / "cycle_00" / name).unlink()
    text(project.image())
    project.arguments = ["--cycles", 1, "--resume"]
    fails(run, project, f"{project.image().name} cannot be read; restore it")
    project.image().write_bytes(good)
    assert run("al_loop.py", *arguments, "--cycles", 1, "--resume")[0] == 0


def rotated(path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(path).rotate(90, expand=True).save(path, exif=exif)


def sixteen_bits(path):
    grey = np.asarray(Image.open(path).convert("L"), np.uint16)
    Image.fromarray(grey * 257).save(path.with_suffix(".png"))


def mode(name, suffix):
    def convert(path):
        Image.open(path).convert("RGB").convert(name).save(path.with_suffix(suffix))

    return convert


UNUSUAL = [
    rotated,
    sixteen_bits,
    *(mode(name, ".jpg") for name in ("L", "CMYK")),
    *(mode(name, ".png") for name in ("RGBA", "P")),
]


def test_unusual_images_are_used(run, project):
    """Of each kind one that is labelled and one that may be picked."""
    ids = project.folder / "initial.txt"
    ids.write_text("\n".join(project.pool[: len(UNUSUAL)]))
    project.set(active_learning__initial=str(ids), active_learning__budget=20)
    for number, convert in enumerate([*UNUSUAL, *UNUSUAL]):
        path = project.image(number)
        convert(path)
        if path.with_suffix(".png").exists():
            path.unlink()
    status, out, err = run("al_loop.py", *project.arguments_of_loop())
    assert status == 0 and "Left out" not in out, err


def test_unusual_names_are_used(run, project):
    names = ["two words", "Überländer_猫_кот", "a'b & <c>"]
    path = project.root / "ImageSets/Main/trainval.txt"
    listed = path.read_text()
    for number, (name, old) in enumerate(zip(names, project.pool)):
        project.image(number).rename(project.image(number).with_stem(name))
        project.xml(number).rename(project.xml(number).with_stem(name))
        listed = listed.replace(old, name, 1)
    path.write_text(listed, encoding="utf-8")
    ids = project.folder / "initial.txt"
    ids.write_text("\n".join(names), encoding="utf-8")
    project.set(active_learning__initial=str(ids))
    status, _, err = run("al_loop.py", *project.arguments_of_loop())
    assert status == 0, err
    labeled = (project.work_dir / "cycle_01/labeled.txt").read_text(encoding="utf-8")
    assert set(names) <= set(labeled.splitlines())


def test_boxes_without_area_are_skipped_and_named(run, project):
    project.edit_xml(r"<xmin>[^<]*", "<xmin>9999", number=0)  # inverted
    project.edit_xml(r"<xmax>[^<]*", "<xmax>-5", number=1)  # outside
    status, out, err = run("al_loop.py", *project.arguments_of_loop(), "--cycles", 1)
    assert status == 0, err
    assert len(re.findall(r"Skipped 1 box\(es\) .* in .*\.xml", out)) == 2


def test_objects_that_are_all_difficult_train_as_background(run, project):
    project.label_first()
    for path in (project.root / "Annotations").glob("*.xml"):
        path.write_text(path.read_text().replace("<difficult>0", "<difficult>1"))
    status, _, err = run("al_loop.py", *project.arguments_of_loop(), "--cycles", 1)
    assert status == 0, err


def test_the_pool_may_be_empty_in_the_last_cycle(run, project):
    project.set(active_learning__initial=30, active_learning__budget=10)
    status, _, err = run("al_loop.py", *project.arguments_of_loop())
    assert status == 0, err
    assert (project.work_dir / "cycle_01/unlabeled.txt").read_text() == ""


# -- state --------------------------------------------------------------------------------------


def edit_state(p, **changes):
    path = p.work_dir / "pool.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def newer_format(p):
    edit_state(p, format=2)


def no_json(p):
    (p.work_dir / "pool.json").write_text("{")


def strange_cycle(p):
    edit_state(p, images={"a": "yes"})


def other_images(p):
    edit_state(p, images={"a": 0, "b": -1})


def no_resume(p):
    p.arguments = ["--cycles", 3]


def other_seed(p):
    p.arguments += ["--seed", 8]


def other_config(p):
    p.arguments += ["--cfg-options", "method.tau=0.3"]


def broken_metrics(p):
    (p.work_dir / "cycle_00/metrics.json").write_text("{")


def broken_scores(p):
    (p.work_dir / "cycle_01/picks.txt").write_text("nobody\n")
    content = json.loads((p.work_dir / "pool.json").read_text())
    images = {k: min(v, 1) if v >= 0 else v for k, v in content["images"].items()}
    edit_state(p, images={k: -1 if content["images"][k] == 2 else v for k, v in images.items()})


def model_of(p, state):
    path = p.work_dir / "cycle_02/model.pth"
    content = torch.load(path, weights_only=True)
    content["state_dict"] = {k: state(v) for k, v in content["state_dict"].items()}
    torch.save(content, path)
    (p.work_dir / "cycle_02/metrics.json").unlink()


def truncated_model(p):
    path = p.work_dir / "cycle_02/model.pth"
    path.write_bytes(path.read_bytes()[:-1000])
    (p.work_dir / "cycle_02/metrics.json").unlink()


def nan_model(p):
    model_of(p, lambda v: torch.full_like(v, float("nan")) if v.is_floating_point() else v)


def other_architecture(p):
    model_of(p, lambda v: v.reshape(-1)[:1])


class Command:
    """What a malicious checkpoint holds."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('the checkpoint ran code')",))


def malicious_model(p):
    (p.work_dir / "cycle_02/model.pth").write_bytes(pickle.dumps(Command()))
    (p.work_dir / "cycle_02/metrics.json").unlink()


def missing_scores(p):
    (p.work_dir / "cycle_01/scores.csv").unlink()
    (p.work_dir / "cycle_01/picks.png").unlink()


def no_stored_config(p):
    """Then leaving the config out is no way to go on."""
    other_config(p)
    (p.work_dir / "config.json").unlink()


def no_state(p):
    (p.work_dir / "pool.json").unlink()


def lists_of_another_run(p):
    path = p.work_dir / "cycle_02/labeled.txt"
    path.write_text("\n".join(path.read_text().split()[1:]))


def cut_candidates(p):
    path = p.work_dir / "cycle_02/unlabeled.txt"
    path.write_text("\n".join(path.read_text().split()[1:]))


STATE = {
    cut_candidates: "unlabeled.txt is not what pool.json says of this cycle",
    lists_of_another_run: "labeled.txt is not what pool.json says",
    newer_format: "format 2, this version reads 1",
    no_json: "pool.json cannot be read",
    strange_cycle: "changed by hand",
    other_images: "no longer the one of the run",
    no_resume: "already holds a run; add --resume",
    other_seed: "differ in the seed",
    other_config: "differ in method.tau: nothing then, 0.3 now.*leave the config out",
    no_stored_config: r"differ in method\)?; give the same --cfg-options as then",
    broken_metrics: "metrics.json cannot be read",
    missing_scores: "scores.csv is missing although picks.txt exists",
    broken_scores: "picks.txt is not what a selection wrote",
    truncated_model: "model.pth cannot be read.*delete it",
    nan_model: "holds NaN",
    other_architecture: "of another architecture",
    malicious_model: "model.pth cannot be read",
}


@pytest.mark.parametrize("change", STATE, ids=lambda f: f.__name__)
def test_state(run, begun, change):
    change(begun)
    before = (begun.work_dir / "pool.json").read_bytes()
    fails(run, begun, STATE[change])
    assert (begun.work_dir / "pool.json").read_bytes() == before


def test_cycles_without_their_state(run, begun):
    no_state(begun)
    fails(run, begun, "holds cycle_.* but no pool.json")
    assert not (begun.work_dir / "pool.json").exists()


@pytest.mark.slow
def test_a_warm_start_from_a_bad_model(run, project):
    project.label_first()
    project.set(active_learning__warm_start=True)
    assert run("al_loop.py", *project.arguments_of_loop())[0] == 0
    model = project.work_dir / "cycle_00/model.pth"
    good = model.read_bytes()
    project.arguments = ["--resume"]
    torch.save(dict(state_dict={}, bomb=Command()), project.folder / "bomb.pth")
    for bad in ((project.folder / "bomb.pth").read_bytes(), good[:-1000]):
        shutil.rmtree(project.work_dir / "cycle_01")
        model.write_bytes(bad)
        fails(run, project, "cycle_00/model.pth cannot be read.*delete it")


def test_two_runs_in_one_work_directory(run, begun):
    holder = (
        "import sys; from pathlib import Path; from ads_det.lock import lock_folder\n"
        "lock = lock_folder(Path(sys.argv[1])); print('locked', flush=True); input()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", holder, str(begun.work_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert other.stdout.readline() == "locked\n"
        fails(run, begun, f"in use by process {other.pid} on ")
        other.kill()  # a dead process keeps no lock
        other.wait()
        assert run("al_loop.py", *begun.arguments_of_loop())[0] == 0
    finally:
        other.kill()
        other.communicate()


def test_children_of_a_dead_process_keep_no_lock(tmp_path):
    """Loader workers live on for some seconds."""
    script = (
        "import os, sys, time; from pathlib import Path; from ads_det.lock import lock_folder\n"
        "lock = lock_folder(Path(sys.argv[1]))\n"
        "if os.fork() == 0: time.sleep(5)\n"
        "else: os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)])
    assert done.returncode == -9
    lock_folder(tmp_path).close()


def test_a_run_without_its_config(run, begun):
    (begun.work_dir / "config.json").unlink()
    status, _, err = run("al_loop.py", "--work-dir", begun.work_dir, "--resume")
    assert status == 2 and "config.json is missing; restore it, or name the config that" in err


def test_a_work_directory_that_is_a_file(run, project):
    project.work_dir.write_text("")
    fails(run, project, "cannot be made|cannot be written")


def test_a_work_directory_that_is_a_link_to_nothing(run, project):
    project.work_dir.symlink_to(project.folder / "nowhere")
    fails(run, project, "cannot be made .it is a link to nothing.")


@pytest.mark.slow
def test_a_disk_that_takes_no_more(project, tmp_path):
    """The kernel refuses files above 40 kB, as a full disk does; afterwards the run goes on."""
    project.label_first()
    command = [tmp_path / "limited.py", *project.arguments_of_loop(), "--cycles", 1]
    command[0].write_text(
        "import resource, runpy, sys\n"
        "limit = int(sys.argv.pop())\n"
        "if limit: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
        f"runpy.run_path({str(TOOLS / 'al_loop.py')!r}, run_name='__main__')\n"
    )
    assert Forked([*command, 40000], tmp_path).wait() == 2
    errors = (tmp_path / "err").read_text()
    last = errors.strip().splitlines()[-1]
    assert re.match(r"error: .*epoch_1.pth cannot be written .*--resume", last), errors
    assert "Traceback" not in errors
    assert (project.work_dir / "pool.json").exists()
    assert Forked([*command, "--resume", 0], tmp_path).wait() == 0


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("benchmark.py", ["--jobs", "0"], "--jobs is 0"),
        ("benchmark.py", ["--work-dir", "{run}"], "is of a run, whose files would be overwritten"),
        ("train.py", ["{ids}", "--work-dir", "{run}"], "is of a run"),
        (
            "train.py",
            ["{strange}", "--work-dir", "new"],
            "names 'nobody', which the data",
        ),
        ("train.py", ["{ids}", "--unlabeled", "{ids}", "--work-dir", "new"], "keep it in one"),
        ("test.py", ["{model}", "--out", "a/b.json"], "--out a/b.json is in no folder that exists"),
        ("test.py", ["{model}", "--out", "{model}"], "is of a run, whose files would be"),
        ("test.py", ["{model}", "--out", "{run}/pool.json"], "is of a run, whose files would be"),
        ("test.py", ["{model}", "--out", "{config}"], "is read by this very command"),
        ("test.py", ["{model}", "--out", "{strange}"], "exists and is no .json file"),
        ("test.py", ["{model}", "--work-dir", "{run}"], "is of a run, whose files would be"),
        ("al_loop.py", ["--work-dir", ""], "--work-dir: the path is empty"),
        ("select_images.py", ["{model}", "--strategy", ""], "--strategy is empty"),
        ("benchmark.py", ["--work-dir", "{file}"], "{file}"),
        ("benchmark.py", ["--cfg-options", "active_learning.strategy=None"], "strategy is None"),
        ("benchmark.py", ["--metric", "mean/pascal_voc/AP"], "--metric is 'pascal_voc/AP', but"),
        ("benchmark.py", ["--metric", "pascal_voc/mAP"], "such as mean/pascal_voc/mAP"),
        (
            "benchmark.py",
            ["--metric", "classifier_2/pascal_voc/mAP"],
            "not every method has as many classifiers",
        ),
        ("benchmark.py", ["--metric", "member_0/mean/pascal_voc/mAP"], "every method has members"),
        (
            "benchmark.py",
            ["--cfg-options", "pool={{'type':'x'}}"],
            "has a dict; write its values as",
        ),
        (
            "al_loop.py",
            ["--cfg-options", "custom_hooks=[dict(type='EMAHook', momentum=1e-4)]"],
            "has a dict; write its values as",
        ),
        ("al_loop.py", ["--work-dir", "{run}/cycle_00"], "is of a run, whose files would be over"),
        ("al_loop.py", ["--work-dir", "{comparison}"], "is of a comparison, whose runs lie in"),
        ("train.py", ["{ids}", "--work-dir", "{file}"], "{file}"),
        ("select_images.py", ["{model}", "--out", "{file}"], "{file}"),
        ("select_images.py", ["{model}", "--seed", "-1"], "--seed is -1"),
        ("test.py", ["gone.pth"], "gone.pth does not exist"),
        (
            "test.py",
            ["{model}", "--cfg-options", "test_dataloader.dataset.pipeline=[]"],
            "pipeline is [",
        ),
    ],
)
def test_other_tools(run, project, finished, tool, arguments, message):
    names = dict(
        file=project.folder / "file",
        run=finished,
        strange=project.folder / "strange.txt",
        comparison=project.folder / "comparison",
        ids=finished / "cycle_00/labeled.txt",
        model=finished / "cycle_00/model.pth",
    )
    names["file"].write_text("")
    names["comparison"].mkdir(exist_ok=True)
    (names["comparison"] / "manifest.json").write_text("{}")
    names["strange"].write_text("nobody\n")
    config = names["config"] = project.arguments_of_loop()[0]
    status, _, err = run(tool, config, *(a.format(**names) for a in arguments))
    assert status == 2, err
    assert message.format(**names) in err and err.count("\n") == 1, err
    assert not (project.folder / "new").exists()  # which the next try would meet
