"""Two and three gloo processes on the CPU."""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest
import torch
from family_models import tiny_family_config
from helpers import dump_config, tiny_classification_config, tiny_config
from processes import ENVIRONMENT, TOOLS, forked, output
from retina_models import tiny_retina_config

from ads_det.active.pool import Pool
from ads_det.data.synthetic import CLASSES
from ads_det.files import read_ids, write_ids
from ads_det.labels.coco import read_coco
from ads_det.labels.store import LabelStore
from ads_det.labels.voc import read_voc


@pytest.mark.slow
def test_the_loop_on_two_processes(on_processes, config, tmp_path):
    out = on_processes(2, "al_loop.py", config, "--work-dir", tmp_path / "run", "--cycles", 2)
    assert out.count("Cycle 2 of 2: 8 of 40 images labelled") == 1  # one process talks
    pool, _ = Pool.load(tmp_path / "run/pool.json")
    assert [len(pool.labeled(c)) for c in (0, 1)] == [4, 8]
    cycles = json.loads((tmp_path / "run/history.json").read_text())["cycles"]
    assert [row["labeled_images"] for row in cycles] == [4, 8]


@pytest.mark.slow
def test_processes_of_other_settings_are_refused(config, tmp_path):
    code = (
        "import os, runpy, sys\n"
        "sys.argv += ['--seed', os.environ['RANK']]\n"
        f"runpy.run_path({str(TOOLS / 'al_loop.py')!r}, run_name='__main__')\n"
    )
    (tmp_path / "wrapper.py").write_text(code)
    arguments = [tmp_path / "wrapper.py", config, "--launcher", "pytorch", "--work-dir"]
    with pytest.raises(AssertionError, match="Process 1 was started with another seed"):
        forked(2, [*arguments, tmp_path / "run"], tmp_path)
    assert not (tmp_path / "run/pool.json").exists()


def test_two_processes_hand_out_a_batch(on_processes, digits, tmp_path):
    """Proposals come from both; one writes them."""
    truth = {image.image: image for image in read_voc(digits / "Annotations")}
    test = [f"{name}.jpg" for name in read_ids(digits / "ImageSets/Main/test.txt")]
    first = [name for name in truth if name not in test][:4]
    LabelStore(tmp_path / "labels").add([truth[n] for n in test + first], CLASSES, "given")
    write_ids(tmp_path / "test.txt", test)
    write_ids(tmp_path / "initial.txt", first)
    cfg = tiny_config(digits)
    images = dict(
        type="ads_det.ImageFolderDataset",
        ann_file="",
        data_root=str(digits / "JPEGImages"),
        labels=str(tmp_path / "labels"),
    )
    cfg.pool.update(images, exclude=str(tmp_path / "test.txt"))
    cfg.test_dataloader.dataset.update(images, ids=str(tmp_path / "test.txt"))
    block = dict(oracle="human", proposal_threshold=0.0, initial=str(tmp_path / "initial.txt"))
    cfg.active_learning.update(block)
    dump_config(cfg, tmp_path / "human.py")
    out = on_processes(2, "al_loop.py", tmp_path / "human.py", "--work-dir", tmp_path / "run")
    assert out.count("Next: label the 4 images") == 1
    proposed = read_coco(tmp_path / "run/cycle_00/to_label/proposals/coco.json")
    picks = read_ids(tmp_path / "run/cycle_00/picks.txt")
    assert [image.image for image in proposed] == picks
    assert all(image.boxes for image in proposed)


@pytest.mark.slow
def test_a_main_process_that_writes_slowly_is_waited_for(on_processes, config, tmp_path):
    """The others must not read a stage's file before it is there, not even in the last cycle."""
    slow = tmp_path / "slow.py"
    slow.write_text(
        "import sys, time\n"
        "import ads_det.registry\n"
        "from ads_det.active import cycle\n"
        "from mmengine.dist import is_main_process\n"
        "write = cycle.write_json\n"
        "def write_slowly(*args):\n"
        "    time.sleep(2)\n"
        "    write(*args)\n"
        "cycle.write_json = write_slowly\n"
        "import runpy\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    arguments = (TOOLS / "al_loop.py", config, "--work-dir", tmp_path / "run", "--cycles", 1)
    on_processes(2, slow, *arguments)
    assert (tmp_path / "run/history.json").exists()


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        pytest.param("DiverseEntropy", (1, 2, 3), marks=pytest.mark.slow),
        ("ClassBalancedEntropy", (1, 2)),
    ],
)
def test_picks_do_not_depend_on_the_number_of_processes(
    on_processes, config, finished, tmp_path, kind, numbers
):
    """37 candidates in batches of 8 divide evenly by none of the numbers."""
    folder = finished / "cycle_00"
    excluded = tmp_path / "excluded.txt"
    excluded.write_text("".join((folder / "labeled.txt").read_text().splitlines(True)[:3]))
    files = []
    strategy = ("--cfg-options", f"active_learning.strategy.type=ads_det.{kind}")
    for processes in numbers:
        out = tmp_path / f"out{processes}"
        arguments = (config, folder / "model.pth", "--exclude", excluded, "--out", out)
        on_processes(processes, "select_images.py", *arguments, *strategy)
        files.append([(out / name).read_text() for name in ("scores.csv", "picks.txt")])
    assert len(files[0][0].splitlines()) == 38
    assert all(other == files[0] for other in files[1:])


@pytest.mark.slow
def test_the_classification_loop_on_two_processes(tmp_path):
    """By the script; its picks from a given model are those of one process."""
    dump_config(tiny_classification_config(), tmp_path / "tiny.py")
    command = [TOOLS / "dist_al_loop.sh", "tiny.py", 2, "--work-dir", "run", "--cycles", 2]
    out = output(command, tmp_path)
    assert out.count("Cycle 2 of 2: 30 of 1297 images labelled") == 1
    folder = tmp_path / "run/cycle_00"
    chosen = tmp_path / "excluded.txt"
    candidates = set((folder / "unlabeled.txt").read_text().split())
    pool, _ = Pool.load(tmp_path / "run/pool.json")
    chosen.write_text("".join(f"{name}\n" for name in pool.ids if name not in candidates))
    command = [TOOLS / "select_images.py", "tiny.py", folder / "model.pth"]
    forked(1, [*command, "--exclude", chosen, "--out", "alone"], tmp_path)
    for name in ("scores.csv", "picks.txt"):
        assert (folder / name).read_text() == (tmp_path / "alone" / name).read_text()


OTHER_FAMILIES = ("fcos", "atss", "gfl", "rtmdet")


@pytest.mark.parametrize(
    "others", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["quick", "other families"]
)
def test_a_phase_moves_its_part_alone_and_alike_on_all_ranks(
    on_processes, digits, tmp_path, others
):
    """Detectors of one and two stages and a classifier; the labelled images divide unevenly."""
    if others:
        configs = {f"detector_{f}": tiny_family_config(digits, f) for f in OTHER_FAMILIES}
    else:
        configs = dict(
            detector=tiny_config(digits, **{"method.positive_filter": "predicted"}),
            detector_retina=tiny_retina_config(digits),
            detector_two_stages=tiny_family_config(digits, "faster_rcnn"),
            classifier=tiny_classification_config(),
        )
    for name, cfg in configs.items():
        dump_config(cfg, tmp_path / f"{name}.py")
    script = tmp_path / "ranks.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from mmengine.dist import all_gather_object, barrier, is_main_process\n"
        "from ads_det.active.settings import load_config\n"
        "from ads_det.launchers import leave_processes, start_processes\n"
        "from ads_det.engine.methods import ads as ads_method\n"
        "from ads_det.engine.phases import unwrap\n"
        "from ads_det.engine.runner import CycleRunner\n"
        "from ads_det.engine.datasets import candidate_dataset\n"
        "from ads_det.engine.training import training_config\n"
        "from ads_det.files import write_ids\n"
        "start_processes('pytorch')\n"
        "def same(model, what):\n"
        "    weights = [p.detach().double().sum().item() for p in unwrap(model).parameters()]\n"
        "    everywhere = all_gather_object(weights)\n"
        "    assert len(everywhere) == 2 and everywhere[0] == everywhere[1], what\n"
        "    if is_main_process():\n"
        "        with open('same.txt', 'a') as file: print(what, file=file)\n"
        "def check(name):\n"
        "    original = getattr(ads_method, name)\n"
        "    def checked(model, *args, **kwargs):\n"
        "        inner = unwrap(model)\n"
        "        before = [p.detach().clone() for p in inner.parameters()]\n"
        "        stats = original(model, *args, **kwargs)\n"
        "        pairs = list(zip(before, inner.parameters()))\n"
        "        moved = {id(p) for old, p in pairs if not old.equal(p)}\n"
        "        heads = {id(p) for c in inner.classifiers() for p in c.parameters()}\n"
        "        if name == 'run_agreement': assert not moved & heads\n"
        "        else: assert moved and moved <= heads\n"
        "        assert moved or not stats.images\n"
        "        assert stats.images or 'detector' in str(path)\n"
        "        same(model, name)\n"
        "        return stats\n"
        "    setattr(ads_method, name, checked)\n"
        "check('run_agreement'); check('run_discrepancy')\n"
        "for path in map(Path, sys.argv[1:5]):\n"
        "    cfg = load_config(path)\n"
        "    cfg.launcher = 'pytorch'\n"
        "    ids = candidate_dataset(cfg).image_ids()[:40]\n"
        "    if is_main_process():\n"
        "        write_ids(path.with_suffix('.labeled'), ids[:9])\n"
        "        write_ids(path.with_suffix('.unlabeled'), ids[9:36])\n"
        "    barrier()\n"
        "    lists = (path.with_suffix('.labeled'), path.with_suffix('.unlabeled'))\n"
        "    cfg = training_config(cfg, path.with_suffix('.work'), *lists, seed=0)\n"
        "    runner = CycleRunner.from_cfg(cfg)\n"
        "    runner.train()\n"
        "    same(runner.model, 'training')\n"
        "leave_processes()\n"
    )
    paths = [tmp_path / f"{name}.py" for name in configs]
    on_processes(2, script, *paths, launcher=())
    ads_epoch = ["run_agreement", "run_discrepancy"]
    told = (tmp_path / "same.txt").read_text().split()  # an output that both write to may be mixed
    assert told == [*ads_epoch, *ads_epoch, "training"] * 4


@pytest.mark.slow
def test_a_rank_that_dies_ends_the_run_which_then_goes_on(on_processes, config, tmp_path):
    """With one process, or with as many as before: then to the same bits."""
    arguments = [config, "--cycles", 2, "--work-dir"]
    command = [TOOLS / "dist_al_loop.sh", config, 2, *arguments[1:], tmp_path / "run"]
    started = subprocess.Popen(
        [str(part) for part in command],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        begun = tmp_path / "run/cycle_00/train/epoch_1.pth"
        deadline = time.monotonic() + 120
        while not begun.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(last_rank(started.pid), signal.SIGKILL)
        assert started.wait(timeout=90) != 0
    finally:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)
    assert not (tmp_path / "run/history.json").exists()
    shutil.copytree(tmp_path / "run", tmp_path / "alone")
    on_processes(1, "al_loop.py", *arguments, tmp_path / "alone", "--resume")
    on_processes(2, "al_loop.py", *arguments, tmp_path / "run", "--resume")
    for name in ("alone", "run"):
        pool, _ = Pool.load(tmp_path / name / "pool.json")
        assert [len(pool.labeled(c)) for c in (0, 1)] == [4, 8]
    on_processes(2, "al_loop.py", *arguments, tmp_path / "undisturbed")
    for number in (0, 1):
        states = [
            torch.load(tmp_path / name / f"cycle_{number:02d}/model.pth", weights_only=True)
            for name in ("run", "undisturbed")
        ]
        tensors = [state["state_dict"] for state in states]
        assert all(torch.equal(tensors[0][k], tensors[1][k]) for k in tensors[0])


def last_rank(pid):
    """The youngest child of torchrun whose command is the loop."""
    ps = ["ps", "-ww", "-eo", "pid=,ppid=,args="]  # unlimited width, whatever COLUMNS says
    out = subprocess.run(ps, capture_output=True, text=True).stdout
    rows = [line.split(None, 2) for line in out.splitlines()]
    ranks = [int(p) for p, parent, args in rows if int(parent) == pid and "al_loop.py" in args]
    assert len(ranks) == 2, out
    return max(ranks)
