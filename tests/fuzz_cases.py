"""Seeded bad inputs of every kind of file: shared by test_fuzz.py and benchmarks/fuzz.py.

A case ends in one sentence or reads what the whole file says; all else, and any other exception,
is a failure.
"""

import copy
import csv
import io
import json
import random
import signal
from contextlib import contextmanager
from pathlib import Path

import torch
from helpers import CONFIGS
from mmengine.config import Config
from mutations import (
    ANY,
    CASES,
    FORMATS,
    READERS,
    check_labels,
    closed_socket,
    dangling,
    device,
    json_key,
    json_twice,
    json_value,
    pipe,
    understood,
    write,
    write_images,
)

from ads_det.active.pool import Pool
from ads_det.active.settings import Settings, load_config, run_seed, use_default_scope
from ads_det.arguments import checkpoint_file, config_file
from ads_det.benchmark.runs import MANIFEST
from ads_det.engine.checkpoints import read_model
from ads_det.engine.config_keys import check_keys
from ads_det.engine.dry_run import check_config
from ads_det.engine.stored_config import read_config, write_config
from ads_det.engine.training import check_training
from ads_det.errors import ADSError
from ads_det.files import read_ids, read_table
from ads_det.labels.store import owner_of
from ads_det.work_files import CycleFiles, RunFiles

LIMIT = 20  # seconds of a case
CONFIG_NAMES = ("ssd_digits_ads.py", "resnet8_digits_ads.py")
VALUES = (None, float("nan"), -1, -2.5, 0, "text", "", [], [3], {}, {"a": 1}, True, 10**30)


def refusal(work, *arguments):
    """The one sentence that something ends in, or None."""
    try:
        work(*arguments)
    except ADSError as error:
        assert "\n" not in str(error) and len(str(error)) < 900, error
        return str(error)
    return None


# -- configs ------------------------------------------------------------------------------------


def check(content):
    """What the loop does before it reads anything."""
    cfg = Config(copy.deepcopy(content), format_python_code=False)
    use_default_scope(cfg)
    check_keys(cfg)
    run_seed(cfg)
    Settings.from_config(cfg)
    check_training(cfg)
    check_config(cfg)


def places(node, path=()):
    """Every dict of a config with its path."""
    if isinstance(node, dict):
        yield path, node
    inner = enumerate(node) if isinstance(node, list) else ()
    for name, value in node.items() if isinstance(node, dict) else inner:
        yield from places(value, (*path, name))


def misspelt(name, generator):
    i = generator.randrange(1, len(name))
    return generator.choice([name[:i] + name[i + 1 :], name[:i] + name[i - 1] + name[i:]])


def slip(content, generator, value=None):
    """A config with one misspelt key or one wrong value, and where it is."""
    found = [(path, name) for path, node in places(content) for name in node]
    path, name = generator.choice(found)
    content = copy.deepcopy(content)
    node = content
    for part in path:
        node = node[part]
    if value if value is not None else generator.random() < 0.6:
        node[name] = generator.choice(VALUES)
    elif len(str(name)) > 1 and (wrong := misspelt(str(name), generator)) not in node:
        node[wrong] = node.pop(name)
    return content, (*path, name)


# -- state files --------------------------------------------------------------------------------

ROW = dict(cycle=0, labeled_images=3, labeled_objects=5, metrics={"mean/m": 0.5}, seconds={})
_HASHES = dict(model="a" * 12, pool="b" * 12)


def rows(text):
    """Scores by id, read with nothing of the project."""
    lines = list(csv.reader(text.splitlines()))[1:]
    return {name: float(score) for name, score, *_ in filter(None, lines)}


# content, how the project reads it, and what is read, told without the project
STATES = {
    "pool.json": (
        dict(format=1, run=dict(seed=0, config=_HASHES), images={"a": 0, "b/c": -1, "d": -2}),
        lambda run: Pool.load(run / "pool.json")[0].labeled_in.tolist(),
        lambda text: list(json.loads(text)["images"].values()),
    ),
    "history.json": (
        dict(metric="m", cycles=[ROW, ROW | dict(cycle=1)], advice=dict(text="go on")),
        lambda run: RunFiles(run).read_history(),
        json.loads,
    ),
    "metrics.json": (
        ROW,
        lambda run: CycleFiles(run).result().metrics,
        lambda text: json.loads(text)["metrics"],
    ),
    "seconds.json": (
        dict(train=1.5, evaluate=2.0),
        lambda run: CycleFiles(run).seconds(),
        json.loads,
    ),
    "manifest.json": (
        dict(
            config="a", trainings={"b": "c"}, methods={"b": "c"}, seeds=[0], versions=[{"a": "1"}]
        ),
        lambda run: read_table(run / "manifest.json", **MANIFEST),
        json.loads,
    ),
    "scores.csv": (
        "id,score\na,0.5\nb/c,-1.25e-3\nd d,0\n",
        lambda run: CycleFiles(run).scores(),
        rows,
    ),
    "picks.txt": (
        "a\nb/c\nd d\n",
        lambda run: read_ids(run / "picks.txt"),
        lambda text: [line.strip() for line in text.split("\n") if line.strip()],
    ),
    "run.txt": ("/a/b\n", owner_of, str.strip),
}


def check_state(rng, folder):
    content, read, meant = STATES[name := rng.choice(sorted(STATES))]
    text = content if isinstance(content, str) else json.dumps(content, indent=1)
    kinds = ANY if isinstance(content, str) else [*ANY, json_value, json_key, json_twice]
    place, found = write(folder, {name: rng.choice(kinds)(rng, text)}), []
    if refusal(lambda: found.append(read(place))) is not None:
        return True
    changed = (place / name).read_bytes().decode("utf-8-sig")
    assert json.dumps(found[0]) == json.dumps(meant(changed)), changed
    return False


# -- checkpoints --------------------------------------------------------------------------------


def check_checkpoint(rng, folder):
    model = torch.nn.Linear(2, 2)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    odd = (3, None, [], {}, "x", torch.zeros(0), torch.zeros(2, 2, dtype=torch.int8))
    odd += (torch.full((2, 2), float("nan")), torch.zeros(2, 2).to_sparse(), model.weight.half())
    content = dict(state_dict=state, meta=dict(seed=0))
    kind = rng.randrange(4)
    if kind == 0:
        state[rng.choice(["weight", "bias", "more"])] = rng.choice(odd)
    elif kind == 1:
        content = rng.choice([rng.choice(odd), dict(state_dict=rng.choice(odd)), state])
    buffer = io.BytesIO()
    torch.save(content, buffer)
    data = bytearray(buffer.getvalue())
    if kind == 2:
        del data[rng.randrange(len(data)) :]
    elif kind == 3:
        data = bytearray(rng.choice([b"", b"PK\3\4", b"\x80\2.", bytes(rng.randbytes(99))]))
    if refusal(read_model, model, write(folder, {"a.pth": bytes(data)}) / "a.pth") is not None:
        return True
    for name, value in model.state_dict().items():  # what it holds is what is loaded
        assert torch.equal(value, state[name].to(value.dtype)), name
    return False


# -- special files ------------------------------------------------------------------------------


def check_special(rng, folder, images):
    """A pipe, device, socket or dangling link in the place of any file that is read."""
    make = rng.choice([pipe, device, closed_socket, dangling])
    folder.mkdir()
    where = rng.randrange(4)
    if where == 0:
        name = rng.choice(sorted(STATES))
        read = STATES[name][1]
        make(folder / name)
        found = refusal(read, folder)
        assert found or make is dangling, name
        return found is not None
    if where == 1:
        place = folder / "model.pth"
        make(place)
        for read in (lambda p: read_model(torch.nn.Linear(2, 2), p), checkpoint_file):
            assert refusal(read, place), (make, read)
    elif where == 2:
        place = folder / "config.json"
        make(place)
        for read in (read_config, load_config, config_file):
            assert refusal(read, place), (make, read)
    else:
        read, name = rng.choice(READERS)
        files = dict(FORMATS[name]())
        first = "labels.json" if "labels.json" in files else sorted(files)[0]
        place = write(folder / "labels", files) / first
        place.unlink()
        make(place)
        assert isinstance(understood(read, place.parent, images), str), (make, name)
    return True


# -- all of them --------------------------------------------------------------------------------


def check_stored(content, folder):
    """A config in a work directory, changed there."""
    folder.mkdir()
    write_config(folder / "config.json", Config(content, format_python_code=False))
    stored = read_config(folder / "config.json").to_dict()
    assert repr(stored) == repr(Config(content).to_dict())  # NaN is not equal to itself
    check(stored)


@contextmanager
def limit(seconds):
    """Interrupt what hangs."""

    def stop(*_):
        raise TimeoutError(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Cases:
    """Case after case, each a function of its number and the seed alone.

    Args:
        folder: a new one, for the files.
        seed: of all.
    """

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.folder, self.seed = folder, seed
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "images").mkdir()
        self.images = write_images(folder / "images")
        self.configs = [load_config(CONFIGS / name).to_dict() for name in CONFIG_NAMES]

    def run(self, number: int) -> tuple[str, bool]:
        """Its kind, and whether it was refused.

        Raises:
            Exception: of any kind, if it is wrong.
        """
        rng = random.Random(f"{self.seed} {number}")
        folder = self.folder / str(number)
        kind = rng.choices(
            ["labels", "config", "stored", "state", "checkpoint", "special"],
            [40, 12, 4, 24, 10, 10],
        )[0]
        with limit(LIMIT):
            if kind == "labels":
                case = rng.choice(CASES)
                return f"{kind} {case[1]}", check_labels(rng, *case, self.images, folder)
            if kind == "state":
                return kind, check_state(rng, folder)
            if kind == "checkpoint":
                return kind, check_checkpoint(rng, folder)
            if kind == "special":
                return kind, check_special(rng, folder, self.images)
            content, _ = slip(rng.choice(self.configs), rng)
            if kind == "config":
                return kind, refusal(check, content) is not None
            return kind, refusal(check_stored, content, folder) is not None
