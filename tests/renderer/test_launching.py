"""Training's processes: what outlives its starter, what is asked, command lines, and what goes wrong."""
import os
import shlex
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from nets.errors import UserError
from renderer import launching

POSIX = pytest.mark.skipif(os.name == "nt", reason="signals and process groups of POSIX")


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Lets a script of Python stand in for `python`; it finds what it is called with in `words`."""
    def use(script: str) -> None:
        program = tmp_path / "stand in ü"
        program.write_text(f"#!{sys.executable}\nimport os, signal, sys, time\nwords = sys.argv[1:]\n"
                           + textwrap.dedent(script))
        program.chmod(0o755)
        monkeypatch.setenv("STYLESCOPE_PYTHON", str(program))
    return use


def until(condition, seconds: float = 30):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return found


# -- a process of its own ---------------------------------------------------------------------------------------------

@POSIX
def test_a_process_outlives_its_starter(tmp_path):
    """The starter is killed with its whole group, as at the end of a terminal; what it started ends by itself later."""
    log, done, going = tmp_path / "a log.txt", tmp_path / "done", tmp_path / "going"
    program = tmp_path / "program"
    program.write_text(f"#!{sys.executable}\nimport pathlib, time\npathlib.Path({str(going)!r}).touch()\n"
                       f"while not pathlib.Path({str(done)!r}).exists():\n    time.sleep(0.02)\nprint('the end')\n")
    program.chmod(0o755)
    script = f"from renderer import launching\nprint(launching.start(['run'], {str(log)!r}).pid, flush=True)\ninput()"
    starter = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               cwd=launching.ROOT, start_new_session=True,
                               env=os.environ | {"STYLESCOPE_PYTHON": str(program)})
    pid = int(starter.stdout.readline())
    until(going.exists)
    os.killpg(starter.pid, signal.SIGKILL)
    starter.wait(10)
    os.kill(pid, 0)                      # it is there
    assert os.getsid(pid) == pid
    done.touch()
    until(lambda: log.read_text().endswith("the end\n"))


@POSIX
def test_what_ended_is_known_with_its_last_line_and_is_no_zombie(tmp_path, stand_in):
    stand_in("print('before'); print('out of luck\\n', file=sys.stderr); sys.exit(3)")
    log = tmp_path / "new folder" / "log.txt"
    started = launching.start(["run", "--data", "a b"], log)
    assert until(lambda: started.status) == 3
    assert started.last_line() == "out of luck"
    with pytest.raises(ProcessLookupError):
        os.kill(started.pid, 0)
    assert log.read_text().splitlines() == ["$ python -m train run --data 'a b'", "before", "out of luck", ""]


@POSIX
def test_the_last_line_is_of_this_process(tmp_path, stand_in):
    stand_in("pass")
    log = tmp_path / "log.txt"
    log.write_text("an error of another\n")
    started = launching.start(["run"], log)
    until(lambda: started.status is not None)
    assert started.status == 0 and started.last_line() == "" and log.read_text().startswith("an error of another\n")


@POSIX
def test_arguments_arrive_as_they_are(tmp_path, stand_in):
    stand_in("print('\\n'.join(words)); print(os.getcwd())")
    words = ["run", "--data", "/a folder/ü 顔 'x'", "--desc", 'say "so" $HOME *', ""]
    log = tmp_path / "ü log"
    started = launching.start(words, log)
    until(lambda: started.status is not None)
    assert log.read_text(encoding="utf-8").splitlines()[1:] == ["-m", "train", *words, str(launching.ROOT)]
    assert shlex.split(launching.typed(words)) == ["python", "-m", "train", *words]
    assert launching.ask(words).splitlines()[2:-1] == words


def test_a_log_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file: training cannot be started: ") as caught:
        launching.start(["run"], tmp_path / "file" / "log")
    assert "\n" not in str(caught.value)


def test_a_program_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("STYLESCOPE_PYTHON", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="cannot be started"):
        launching.start(["run"], tmp_path / "log")
    with pytest.raises(UserError, match="cannot be asked"):
        launching.ask(["options"])


# -- a question -------------------------------------------------------------------------------------------------------

@POSIX
@pytest.mark.parametrize("script, words", [
    ("print('a warning', file=sys.stderr); print('SET: is not there', file=sys.stderr); sys.exit(1)",
     "^SET: is not there$"),
    ("sys.exit(7)", "without a word, with status 7"),
    ("os.kill(os.getpid(), signal.SIGKILL)", "without a word, by signal 9")], ids=["refused", "silent", "killed"])
def test_a_refusal_is_the_last_line(stand_in, script, words):
    stand_in(script)
    with pytest.raises(UserError, match=words):
        launching.ask(["run"])


@POSIX
def test_progress_is_told(tmp_path, stand_in):
    go = tmp_path / "go"
    stand_in(f"""
        sys.stderr.write("looking: 100%|####| 8/8 [00:00<00:00]\\rconverting:  25%|#   | 2/8 [00:01<00:03]\\r")
        sys.stderr.flush()
        while not os.path.exists({str(go)!r}):
            time.sleep(0.02)
        print("done")""")
    seen = []

    def told(progress):
        seen.append(progress)
        if progress:
            go.touch()
    assert launching.ask(["data"], told) == "done\n"
    assert seen[-1] == ("converting", 0.25)


@POSIX
def test_who_is_told_may_end_it(tmp_path, stand_in):
    pid = tmp_path / "pid"
    stand_in(f"""
        with open({str(pid)!r} + ".part", "w") as file:
            file.write(str(os.getpid()))
        os.rename({str(pid)!r} + ".part", {str(pid)!r})
        time.sleep(600)""")

    class GivenUp(Exception):
        pass

    def told(progress):
        if pid.exists():
            raise GivenUp
    with pytest.raises(GivenUp):
        launching.ask(["data"], told)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


@POSIX
def test_a_look_has_every_setting(stand_in):
    stand_in("""
        import json
        assert words[2:] == ["run", "--data", "x", "--dry-run", "json"], words
        print(json.dumps({"text": "batch   8", "train": {"loss": {"gamma": 0.5}, "growing": None}, "run": {"snap": 1}}))
    """)
    found = launching.look(["run", "--data", "x"])
    assert found.text == "batch   8"
    assert [found.value(place) for place in ("train.loss.gamma", "run.snap", "train.growing.steady_kimg", "")] == \
        [0.5, 1, None, None]


@POSIX
def test_the_folder_is_known_once_it_is_there(tmp_path, stand_in):
    folder, go = tmp_path / "00000-a ü set", tmp_path / "go"
    stand_in(f"""
        print("a warning", flush=True)
        while not os.path.exists({str(go)!r}):
            time.sleep(0.02)
        print("2026-01-31 12:00:00 " + {str(folder)!r}, flush=True)
        print("2026-01-31 12:00:00 generator  /", flush=True)""")
    started = launching.start(["run"], tmp_path / "log")
    assert started.folder() is None
    folder.mkdir()
    (folder / "config.json").touch()
    go.touch()
    assert until(started.folder) == folder


# -- what training offers ---------------------------------------------------------------------------------------------

def test_the_offer_is_that_of_the_command_line():
    from train.run_options import OPTIONS, PRESETS
    offer = launching.offer()
    assert [option.name for option in offer.options] == [option.name for option in OPTIONS]
    assert offer.presets == PRESETS
    for ours, theirs in zip(offer.options, OPTIONS):
        assert all(getattr(ours, name) == getattr(theirs, name) for name in vars(ours))


@pytest.mark.slow
def test_the_real_command_line_refuses_in_one_line(tmp_path):
    with pytest.raises(UserError, match="nothing here: is not there") as caught:
        launching.ask(["run", "--dry-run", "--outdir", str(tmp_path), "--data", str(tmp_path / "nothing here")])
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_real_look_knows_the_values_of_the_presets_own(tmp_path):
    data = tmp_path / "set.zip"
    launching.ask(["data", "demo", "-o", str(data), "--images", "40", "--resolution", "16"])
    found = launching.look(["run", "--outdir", str(tmp_path), "--data", str(data), "--cbase", "64", "--cmax", "4"])
    values = {option.name: found.value(option.place) for option in launching.offer().options if option.place}
    assert values["batch"] == 32 and values["cmax"] == 4 and values["snap"] == 10 and values["aug"] == "ada"
    assert values["gamma"] == pytest.approx(0.0002 * 16 ** 2 / 32)
    assert values["phase-kimg"] is None and "batch          32 = " in found.text
