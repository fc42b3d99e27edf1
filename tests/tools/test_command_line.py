"""What is answered before anything large is imported, and how a command ends."""

import logging
import os
import subprocess
import sys
import tempfile
import warnings

import pytest
from processes import ENVIRONMENT, TOOLS

from ads_det import cli
from ads_det.active.settings import load_config
from ads_det.arguments import Parser, add_common_options, option_values
from ads_det.commands import COMMANDS
from ads_det.errors import ADSError

SCRIPTS = {
    "al_loop.py": "run",
    "init_project.py": "init",
    "import_labels.py": "import",
    "select_images.py": "rank",
    "train.py": "train",
    "test.py": "test",
    "export.py": "export",
    "report.py": "report",
    "benchmark.py": "benchmark",
}
ROOT = TOOLS.parent
CONFIG = ROOT / "configs/ssd_digits_ads.py"
# runs a script, and says which of the large packages are there at the end
WATCH = (
    "import atexit, runpy, sys\n"
    "large = ('torch', 'mmengine', 'mmcv', 'mmdet', 'matplotlib', 'numpy', 'tqdm')\n"
    "atexit.register(lambda: print('IMPORTED', *(n for n in large if n in sys.modules)))\n"
    "sys.argv = sys.argv[1:]\n"
    "runpy.run_path(sys.argv[0], run_name='__main__')\n"
)


def start(*command, **environment):
    """The status, output and errors of a command in a process of its own."""
    path = {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        env=ENVIRONMENT | path | environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    return done.returncode, done.stdout, done.stderr


def light(*command):
    """As :func:`start`, for a command that must import no large package."""
    status, out, err = start("-c", WATCH, *command)
    out, _, imported = out.rpartition("IMPORTED")
    assert not imported.strip(), imported
    return status, out, err


def refused(*command):
    """The one sentence of a command that must be refused at once."""
    status, out, err = light(*command)
    assert status == 2 and not out and err.startswith("error: ") and err.count("\n") == 1, err
    return err


def test_every_command_has_a_script_and_no_script_changes_the_import_path():
    assert set(SCRIPTS.values()) == set(COMMANDS) - {"status", "predict"}
    assert {path.name for path in TOOLS.glob("*.py")} == {*SCRIPTS, "make_vocdevkit.py"}
    for path in TOOLS.iterdir():
        assert "sys.path" not in path.read_text()
        assert path.stem not in sys.stdlib_module_names - {"test"}  # that one nobody imports


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_of_a_tool(script):
    status, out, err = light(TOOLS / script, "--help")
    assert status == 0 and not err
    assert out.startswith("usage: python ") and f"{script} " in out and "xample" in out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_sub_command(name):
    status, out, err = light(ROOT / "ads_det/__main__.py", name, "--help")
    assert status == 0 and not err and out.startswith(f"usage: ads-det {name} ")
    assert f"ads-det {name} " in out.partition("xample")[2]


def test_help_of_all():
    status, out, err = light(ROOT / "ads_det/__main__.py", "--help")
    assert status == 0 and not err
    lines = [line.split(maxsplit=1) for line in out.splitlines() if line.startswith("  ")]
    assert [name for name, _ in lines] == list(COMMANDS)
    assert all(summary.endswith(".") for _, summary in lines)
    assert light(ROOT / "ads_det/__main__.py")[1] == out
    assert light(ROOT / "ads_det/__main__.py", "--version")[1].startswith("ads-det 0.")


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("trian", "unknown command trian; did you mean train?"),
        ("xyz", "unknown command xyz; see ads-det --help"),
        ("--hlep", "unknown option --hlep; did you mean --help?"),
    ],
)
def test_no_such_sub_command(word, sentence):
    assert refused(ROOT / "ads_det/__main__.py", word) == f"error: {sentence}\n"


@pytest.mark.parametrize(
    ("script", "arguments", "sentence"),
    [
        ("al_loop.py", [CONFIG, "--resum"], "unknown option --resum; did you mean --resume?"),
        ("al_loop.py", ["--work_dir=x"], "unknown option --work_dir; did you mean --work-dir?"),
        ("al_loop.py", [CONFIG, "-r"], "unknown option -r; see "),
        ("al_loop.py", [], "No config is given"),
        ("al_loop.py", [CONFIG, "--cycles", "many"], "invalid int value: 'many'"),
        ("al_loop.py", ["gone.py"], "config gone.py does not exist"),
        ("al_loop.py", [TOOLS], "tools is a folder"),
        ("al_loop.py", [ROOT / "README.md"], "README.md is no config"),
        ("al_loop.py", [CONFIG, "--launcher", "mpi"], "start the command with mpirun"),
        ("al_loop.py", ["--cfg-options", "a=1", CONFIG], "takes KEY=VALUE"),
        ("al_loop.py", [CONFIG, "--cfg-options", "=1"], "takes KEY=VALUE, which '=1' is not"),
        ("train.py", [CONFIG, "gone.txt", "--work-dir", "x"], "id list gone.txt cannot be read"),
        ("test.py", [CONFIG], "required: checkpoint"),
        ("test.py", [CONFIG, "gone.pth"], "checkpoint gone.pth does not exist"),
        ("select_images.py", [CONFIG, "gone.pth"], "checkpoint gone.pth does not exist"),
        ("select_images.py", [CONFIG, CONFIG, "--images", "gone"], "folder gone does not exist"),
        ("select_images.py", [CONFIG, CONFIG, "--exclude", "gone"], "id list gone cannot be read"),
        ("select_images.py", [CONFIG, CONFIG, "--seed", "-1"], "--seed is -1"),
        ("select_images.py", [CONFIG, CONFIG, "--strategy-options", "k"], "--strategy-options tak"),
        ("init_project.py", ["gone", "--out", "x"], "folder gone does not exist"),
        ("init_project.py", ["", "--out", "x"], "images: the path is empty, as of a variable"),
        ("init_project.py", [TOOLS, "--labels", ""], "--labels: the path is empty"),
        ("init_project.py", [TOOLS, "--out", " "], "--out: the path is empty"),
        ("init_project.py", [TOOLS, "--out", "caf\udce9"], r"'caf\udce9' is no UTF-8 text"),
        ("init_project.py", [ROOT / "README.md", "--out", "x"], "README.md is a file, where a"),
        ("al_loop.py", [""], "config: the path is empty"),
        ("init_project.py", [TOOLS, "--out", "x", "--labels", "g.json"], "g.json does not exist"),
        ("init_project.py", [TOOLS, "--out", "x", "--base", "gone.py"], "gone.py does not exist"),
        ("init_project.py", [TOOLS, "--out", TOOLS / "x"], "lies in the folder of images"),
        ("import_labels.py", ["gone"], "gone holds no run"),
        ("import_labels.py", [TOOLS, "gone.json"], "gone.json does not exist"),
        ("report.py", ["gone"], "folder gone does not exist"),
        ("report.py", [TOOLS], "tools holds no history.json"),
        ("benchmark.py", ["gone.py"], "config gone.py does not exist"),
        ("benchmark.py", [CONFIG, "--jobs", "0"], "--jobs is 0"),
    ],
)
def test_refused_at_once(script, arguments, sentence):
    assert sentence in refused(TOOLS / script, *arguments)


def test_links_that_go_round(tmp_path):
    link = tmp_path / "round"
    link.symlink_to(link)
    for place in (link, link / "x"):
        said = refused(TOOLS / "al_loop.py", CONFIG, "--work-dir", place)
        assert said.startswith("error: argument --work-dir: the path ")
        assert "has a link that leads back to itself; delete the link" in said


def test_no_temporary_folder(monkeypatch, run):
    def nowhere():
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    status, _, err = run("al_loop.py", CONFIG, "--check")
    assert status == 2 and "No temporary folder can be written (/tmp, /var/tmp or" in err


def test_a_stack_that_is_missing(tmp_path):
    """Asked after the arguments, and before anything is said or imported."""
    blind = tmp_path / "blind.py"
    blind.write_text(
        "import importlib.util, runpy, sys\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name: None if name[:2] == 'mm' else find(name)\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    assert "pip install 'ads_det[onedl]'" in refused(blind, TOOLS / "al_loop.py", CONFIG)
    assert light(blind, TOOLS / "al_loop.py", "--help")[0] == 0


@pytest.mark.parametrize(
    ("environment", "says"),
    [({}, True), ({"RANK": "0"}, True), ({"RANK": "1"}, False), ({"SLURM_PROCID": "2"}, False)],
)
def test_the_first_line_comes_before_the_imports(environment, says, tmp_path):
    """The stand-in for mmengine ends the process."""
    (tmp_path / "mmengine.py").write_text("import sys; sys.exit(7)")
    path = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    status, out, _ = start(TOOLS / "al_loop.py", CONFIG, **path, **environment)
    assert status == 7 and out == (f"Loading {CONFIG} ...\n" if says else "")


def test_what_to_type_to_go_on(run, config, monkeypatch):
    """As the user began: with the script or with ads-det."""
    from ads_det.commands import main
    from ads_det.commands.work import run as work

    typed = []
    monkeypatch.setattr(work, "main", lambda args: typed.append(args.typed))
    assert run("al_loop.py", config, "--cycles", 2)[0] == 0
    monkeypatch.setattr(sys, "argv", ["/bin/ads-det", "run", str(config)])
    main()
    assert typed[0] == ["python", str(TOOLS / "al_loop.py"), str(config), "--cycles", "2"]
    assert typed[1] == ["ads-det", "run", str(config)]


def test_key_value_options_mean_what_they_mean_to_mmengine():
    from mmengine.config import DictAction

    words = ["a.b=1", "c=0.5", "d=[1,2]", "e='[a,(1,x)]'", 'f="x"', "g=a,b", "h=None", "i=true"]
    words += ["j=", "k=x=y", "l.0.m=()", "a.b=2"]
    theirs, ours = Parser(), Parser()
    theirs.add_argument("--cfg-options", nargs="+", action=DictAction)
    add_common_options(ours)
    given = ["--cfg-options", *words, "--cfg-options", "n=1e-3"]
    expected = theirs.parse_args(given).cfg_options
    assert option_values(ours.parse_args(given).cfg_options) == expected
    assert load_config(CONFIG, {"train_cfg.max_epochs": expected["a.b"]}).train_cfg.max_epochs == 2
    assert option_values(ours.parse_args([]).cfg_options) is None
    with pytest.raises(ADSError, match="Imbalanced brackets"):
        option_values({"a": "[1,(2]"})


def test_values_that_look_like_options():
    parser = Parser()
    parser.add_argument("words", nargs="*")
    parser.add_argument("--number", type=float)
    assert parser.parse_args(["--number", "-1.5"]).number == -1.5
    assert parser.parse_args(["--", "--number"]).words == ["--number"]
    assert parser.parse_args(["-a b"]).words == ["-a b"]


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["gone"]])
def test_a_pipe_that_nobody_reads(arguments):
    """As with ``| head`` or, for the last, ``2>&1 | head``."""
    command = [sys.executable, str(ROOT / "ads_det/__main__.py"), *arguments]
    environment = ENVIRONMENT | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        errors = pipe if arguments == ["gone"] else subprocess.PIPE
        done = subprocess.run(command, env=environment, stdout=pipe, stderr=errors)
    assert done.returncode == 141 and not done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_cannot_show_a_name(encoding):
    environment = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    status, _, err = start(TOOLS / "al_loop.py", "日本.py", **environment)
    assert status == 2 and err.startswith("error: The config ") and "Traceback" not in err
    code = (
        "from ads_det.cli import prepared_streams\n"
        "with prepared_streams(): print('\\u65e5\\U0001f431')\n"
    )
    assert start("-c", code, **environment)[1] == "\\u65e5\\U0001f431\n"


def test_what_other_packages_say_at_the_start_is_left_out_only_if_it_does_not_matter(
    monkeypatch, capsys
):
    def load(name):
        print("Could not import OneDL. Skipping OneDL datasets.")
        print(f"{name} needs another version of this.")

    monkeypatch.setattr(cli.importlib, "import_module", load)
    with warnings.catch_warnings(), monkeypatch.context() as patch:
        patch.setattr(logging, "raiseExceptions", True)  # which it would leave changed
        cli._quieten_packages()
    assert capsys.readouterr().out == "mmdet.datasets needs another version of this.\n"
