"""A run's folder: its own number, one writer, readable after kill -9, and a run that outlives a full disk."""
from __future__ import annotations

import errno
import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import masked_crc32c

import train.events
import train.folder
import train.status
from nets.errors import UserError
from train.folder import RunFolder, fit_for_a_folder
from train.stats import read_stats

ROOT = Path(__file__).resolve().parents[2]
posix = pytest.mark.skipif(os.name != "posix", reason="forks, or kill -9: POSIX's")


@pytest.fixture
def folder(tmp_path):
    with RunFolder.create(tmp_path, "mine", {"train": {"batch": 4}}, quiet=True) as folder:
        yield folder


def status_of(path: Path) -> dict:
    return json.loads((path / "status.json").read_text())


def python(code: str, *arguments: object, **options) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, env=os.environ | {"PYTHONIOENCODING": "utf-8"}, **options)


# --- making and opening ----------------------------------------------------------------------------------------------

def test_folders_are_numbered_behind_all_that_are_there(tmp_path):
    for there in ("00007-old", "00003-x", "notes", "12", "a-00044", "100-short"):
        (tmp_path / there).mkdir()
    with RunFolder.create(tmp_path, "a", {}) as a, RunFolder.create(tmp_path, "b", {}) as b:
        assert (a.path.name, b.path.name) == ("00101-a", "00102-b")
    assert not list(tmp_path.glob(".*"))


def test_a_new_place_is_made(tmp_path):
    with RunFolder.create(tmp_path / "x" / "y", "a", {}) as folder:
        assert folder.path == tmp_path / "x" / "y" / "00000-a"


@pytest.mark.parametrize("name, expected", [
    ("stylegan2-my faces", "stylegan2-my-faces"), ("../../etc/pass wd", "etc-pass-wd"), ("a\\b:c*d?\n", "a-b-c-d"),
    ("Füße 猫", "Füße-猫"), ("u\u0308", "ü"), ("🙂", "run"), ("", "run"), ("...", "run"), ("bad\udcff", "bad"),
    ("x" * 1000, "x" * 100), ("ü" * 1000, "ü" * 50), ("gamma=1.5,+x_y", "gamma-1.5-+x_y")], ids=ascii)
def test_names_are_made_fit(tmp_path, name, expected):
    assert fit_for_a_folder(name) == expected
    with RunFolder.create(tmp_path, name, {}) as folder:
        assert folder.path.name == f"00000-{expected}" and folder.path.is_dir()


def test_the_configuration_comes_back(folder):
    folder.close()
    with RunFolder.open(folder.path) as again:
        assert again.config == folder.config == {"format_version": 1, "train": {"batch": 4}}


@pytest.mark.parametrize("content, expected", [
    (None, "is no run's folder"), ("{", "is damaged"), ("[]", "is damaged"), ("{}", "is damaged"), ("\0", "is damaged"),
    ('{"format_version": 2}', "format version 2, this program reads 1")])
def test_what_is_no_run_is_refused(tmp_path, content, expected):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(UserError, match=expected) as refusal:
        RunFolder.open(tmp_path)
    assert str(refusal.value).startswith(str(tmp_path)) and "\n" not in str(refusal.value)
    assert not (tmp_path / "lock").exists()


def test_what_is_not_there(tmp_path):
    with pytest.raises(UserError, match="is not there"):
        RunFolder.open(tmp_path / "missing")


def test_an_unwritable_place_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for outdir in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match="no run can be written there: .*--outdir"):
            RunFolder.create(outdir, "a", {})
    monkeypatch.setattr(train.folder, "_write_config", fail)
    with pytest.raises(UserError, match=r"no run can be written there: No space left on device"):
        RunFolder.create(tmp_path, "a", {})
    assert sorted(tmp_path.iterdir()) == [tmp_path / "file"]


CREATOR = """
import sys
from train.folder import RunFolder
print("ready", flush=True)
sys.stdin.readline()
for i in range(40):
    with RunFolder.create(sys.argv[1], sys.argv[2], {"i": i}, quiet=True) as folder:
        assert folder.config["i"] == i
"""


def test_two_at_once_get_two_numbers(tmp_path):
    """Eighty folders by two processes that start together: numbers 0 to 79, each whole, and nothing else."""
    creators = [python(CREATOR, tmp_path, name, stdin=subprocess.PIPE) for name in "ab"]
    for creator in creators:
        assert creator.stdout.readline() == "ready\n"
    for creator in creators:
        creator.stdin.write("go\n")
        creator.stdin.flush()
    for creator in creators:
        creator.communicate(timeout=100)
        assert creator.returncode == 0
    assert [path.name[:6] for path in sorted(tmp_path.iterdir())] == [f"{number:05d}-" for number in range(80)]
    for name in "ab":
        runs = sorted(tmp_path.glob(f"*-{name}"))
        assert [json.loads((run / "config.json").read_text())["i"] for run in runs] == list(range(40))


def test_a_number_that_was_taken_in_between_is_not_given_again(tmp_path, monkeypatch):
    """The other process gives its folder the final name between this one's look and its claim."""
    listdir, looks = os.listdir, []

    def slow(path):
        names = listdir(path)
        if not looks:
            (tmp_path / "00000-other").mkdir()
        looks.append(names)
        return names
    monkeypatch.setattr(train.folder.os, "listdir", slow)
    with RunFolder.create(tmp_path, "mine", {}) as folder:
        assert folder.path.name == "00001-mine"
    assert looks[0] == [] and sorted(listdir(tmp_path)) == ["00000-other", "00001-mine"]


# --- one writer ------------------------------------------------------------------------------------------------------

def test_a_second_writer_is_refused(folder):
    with pytest.raises(UserError, match=f"process {os.getpid()} on .* is writing there") as refusal:
        RunFolder.open(folder.path)
    assert str(folder.path) in str(refusal.value) and "\n" not in str(refusal.value)
    folder.close()
    RunFolder.open(folder.path).close()


HOLDER = """
import os, sys, time
from train.folder import RunFolder
folder = RunFolder.open(sys.argv[1], quiet=True)
folder.status(state="running", images=77)
child = os.fork()                                        # such as a data loader's worker, which outlives its parent
if child:
    print(child, flush=True)
time.sleep(600)
"""


@posix
def test_kill_9_frees_the_folder(folder):
    folder.close()
    holder = python(HOLDER, folder.path)
    child = int(holder.stdout.readline())
    try:
        with pytest.raises(UserError, match=f"process {holder.pid} on .* is writing there"):
            RunFolder.open(folder.path)
        holder.kill()
        holder.wait()
        assert status_of(folder.path)["state"] == "running" and status_of(folder.path)["images"] == 77
        os.kill(child, 0)                                # still there, and no hindrance
        RunFolder.open(folder.path).close()
    finally:
        os.kill(child, signal.SIGKILL)
        holder.stdout.close()


WRITER = """
import sys, time
from train.folder import RunFolder
folder = RunFolder.open(sys.argv[1], quiet=True)
for n in range(1, 1 << 30):
    folder.add_stats({"images": n, "time": time.time(), "G.loss": 1 / n})
    folder.status(state="running" if n % 2 else "paused", images=n)
    folder.say("n" * 5000)
    print(n, flush=True)
"""


@posix
def test_killed_in_the_middle_of_writing_it_stays_readable(folder):
    folder.close()
    writer = python(WRITER, folder.path)
    for _ in range(50):
        writer.stdout.readline()
    writer.kill()
    reported = int([50, *writer.stdout.read().split("\n")[:-1]][-1])
    writer.wait()
    writer.stdout.close()
    assert [line["images"] for line in read_stats(folder.path)] in (
        list(range(1, reported + 1)), list(range(1, reported + 2)))
    assert status_of(folder.path)["images"] in (reported, reported + 1)
    steps = [event.step for event in events(folder.path) if event.HasField("summary")]
    assert steps[:reported] == list(range(1, reported + 1))
    with RunFolder.open(folder.path, quiet=True):
        assert not list(folder.path.glob(".*"))


# --- words -----------------------------------------------------------------------------------------------------------

def test_the_log_has_the_time_on_every_line(tmp_path, capsys):
    with RunFolder.create(tmp_path, "a", {}) as folder:
        folder.say("begun\nat once")
        folder.say("Füße 猫 \udcff")
    lines = (folder.path / "log.txt").read_text(encoding="utf-8").splitlines()
    assert [line[20:] for line in lines] == ["begun", "at once", "Füße 猫 \\udcff"]
    for line in lines:
        time.strptime(line[:19], "%Y-%m-%d %H:%M:%S")
    assert capsys.readouterr().out.splitlines() == lines


def test_quiet_prints_nothing(folder, capsys):
    folder.say("begun")
    assert capsys.readouterr().out == "" and "begun" in (folder.path / "log.txt").read_text()


SPEAKER = """
import sys
from train.folder import RunFolder
with RunFolder.open(sys.argv[1]) as folder:
    print("ready", flush=True)
    sys.stdin.readline()
    for i in range(3):
        folder.say(f"line {i}")
    folder.status(state="finished")
"""


def test_a_run_outlives_whoever_reads_its_output(folder):
    folder.close()
    speaker = python(SPEAKER, folder.path, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert speaker.stdout.readline() == "ready\n"
    speaker.stdout.close()
    speaker.stdin.write("go\n")
    speaker.stdin.close()
    errors = speaker.stderr.read()
    speaker.stderr.close()
    assert (speaker.wait(), errors) == (0, "")
    assert [line[20:] for line in (folder.path / "log.txt").read_text().splitlines()] == ["line 0", "line 1", "line 2"]
    assert status_of(folder.path)["state"] == "finished"


@pytest.mark.parametrize("stdout", [None, "closed"])
def test_no_stdout_at_all(folder, monkeypatch, stdout):
    file = open(os.devnull, "w")
    file.close()
    monkeypatch.setattr(sys, "stdout", file if stdout else None)
    folder._quiet = False
    folder.say("one")
    folder.say("two")
    assert len((folder.path / "log.txt").read_text().splitlines()) == 2


def test_letters_that_a_terminal_lacks(folder, monkeypatch, tmp_path):
    with open(tmp_path / "out", "w", encoding="ascii") as file:
        monkeypatch.setattr(sys, "stdout", file)
        folder._quiet = False
        folder.say("Füße")
    assert "F\\xfc\\xdfe" in (tmp_path / "out").read_text()


# --- numbers ---------------------------------------------------------------------------------------------------------

def records(path: Path) -> list[bytes]:
    """TFRecord: length, its checksum, content, its checksum."""
    found, content = [], path.read_bytes()
    while content:
        size, check = struct.unpack("<QI", content[:12])
        assert check == masked_crc32c(content[:8])
        record, (check,) = content[12:12 + size], struct.unpack("<I", content[12 + size:16 + size])
        assert len(record) == size and check == masked_crc32c(record)
        found.append(record)
        content = content[16 + size:]
    return found


def events(folder: Path) -> list[Event]:
    files = sorted(folder.glob("events.out.tfevents.*"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    return [Event.FromString(record) for path in files for record in records(path)]


def test_statistics_and_events_say_the_same(folder):
    folder.add_stats({"images": 4000, "time": 12.5, "G.loss": torch.tensor(0.75), "D.loss": np.float32(2),
                      "p": float("nan"), "lr_g": float("inf"), "metric.swd": None})
    line, = read_stats(folder.path)
    assert line == {"images": 4000, "time": 12.5, "G.loss": 0.75, "D.loss": 2.0}
    assert type(line["images"]) is int
    version, event = events(folder.path)
    assert version.file_version == "brain.Event:2" and (event.step, event.wall_time) == (4000, 12.5)
    assert {value.tag: value.simple_value for value in event.summary.value} == {
        "images": 4000, "time": 12.5, "G/loss": 0.75, "D/loss": 2.0}


def test_rewinding_drops_the_lost_interval(folder):
    for images in (4000, 8000, 12000):
        folder.add_stats({"images": images})
    folder.close()
    with open(folder.path / "stats.jsonl", "ab") as file:
        file.write(b'{"images": 160')                    # half a line: a power cut
    with RunFolder.open(folder.path, quiet=True) as again:
        assert [line["images"] for line in read_stats(folder.path)] == [4000, 8000, 12000]
        again.rewind(8000)
        again.add_stats({"images": 12000, "p": 0.5})
    lines = (folder.path / "stats.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"images": 4000}, {"images": 8000}, {"images": 12000, "p": 0.5}]
    start, = [event for event in events(folder.path) if event.HasField("session_log")]
    assert (start.step, start.session_log.status) == (8001, SessionLog.START)
    assert len(list(folder.path.glob("events.out.tfevents.*"))) == 2


def test_damaged_lines_are_passed_over(tmp_path):
    assert read_stats(tmp_path) == []
    (tmp_path / "stats.jsonl").write_bytes(b'{"images": 1}\n\xff\n[1]\n\n3\n{"images": 2}\n{"ima')
    assert read_stats(tmp_path) == [{"images": 1}, {"images": 2}]


# --- status ----------------------------------------------------------------------------------------------------------

def test_status(folder):
    first = status_of(folder.path)
    assert set(first) == {"state", "doing", "images", "total_images", "pid", "host", "started", "updated", "error"}
    assert (first["state"], first["pid"], first["error"]) == ("starting", os.getpid(), None)
    folder.status(state="running", doing="G main", images=64, total_images=1000)
    assert first | {"state": "running", "doing": "G main", "images": 64, "total_images": 1000} == (
        status_of(folder.path) | {"updated": first["updated"]})


def test_changes_that_are_not_urgent_wait(folder):
    """Every phase of every step names itself; the file is written once a second at most for that, and at the end."""
    folder.status(state="running")
    written = folder._status._written
    folder._status._written = written + 3600             # as though it had just been written, whatever time passes
    folder.status(doing="D main", images=8)
    assert status_of(folder.path)["doing"] == ""
    folder.close()
    assert status_of(folder.path)["doing"] == "D main" and status_of(folder.path)["images"] == 8


def test_the_heartbeat_renews_it(tmp_path, monkeypatch):
    monkeypatch.setattr(train.status, "HEARTBEAT", 0.01)
    with RunFolder.create(tmp_path, "a", {}, quiet=True) as folder:
        first = status_of(folder.path)["updated"]
        end = time.monotonic() + 60
        while status_of(folder.path)["updated"] == first and time.monotonic() < end:
            time.sleep(0.01)
        assert status_of(folder.path)["updated"] > first
    last = (folder.path / "status.json").read_bytes()
    assert not [thread for thread in train.status.threading.enumerate() if thread is folder._status._heart]
    assert (folder.path / "status.json").read_bytes() == last


@pytest.mark.parametrize("error, state, line", [
    (None, "stopped", None), (ValueError("bad\nthing"), "failed", "bad thing"), (MemoryError(), "failed",
    "MemoryError"), (KeyboardInterrupt(), "stopped", None)], ids=["close", "error", "without words", "interrupt"])
def test_how_it_ended_stays(tmp_path, error, state, line):
    folder = RunFolder.create(tmp_path, "a", {}, quiet=True)
    with pytest.raises(BaseException) if error else train.folder.contextlib.nullcontext():
        with folder:
            folder.status(state="running")
            if error:
                raise error
    assert (status_of(folder.path)["state"], status_of(folder.path)["error"]) == (state, line)
    log = (folder.path / "log.txt").read_text() if state == "failed" else ""
    assert ("Traceback" in log and type(error).__name__ in log) == (state == "failed")


def test_an_error_for_people_is_a_line_of_the_log(tmp_path, capsys):
    with pytest.raises(UserError), RunFolder.create(tmp_path, "a", {}) as folder:
        raise UserError("set.zip: is gone")
    assert (folder.path / "log.txt").read_text()[20:] == "set.zip: is gone\n"
    assert status_of(folder.path)["error"] == "set.zip: is gone" and capsys.readouterr().out == ""


@posix
def test_a_signal_in_the_middle_of_a_change_may_change_it_too(folder):
    """Its handler runs in the thread that holds the status."""
    folder._status._attempt = lambda name, action: (action(), signal.raise_signal(signal.SIGUSR1))
    calls, before = [], signal.signal(signal.SIGUSR1, lambda *_: calls or (calls.append(1),
                                                                           folder.status(state="stopped")))
    try:
        folder.status(state="running")
    finally:
        signal.signal(signal.SIGUSR1, before)
        folder._status._attempt = folder._attempt
    assert calls and status_of(folder.path)["state"] == "stopped"


@pytest.mark.parametrize("state", ["finished", "failed", "stopped"])
def test_what_the_run_says_of_its_end_counts(tmp_path, state):
    with RunFolder.create(tmp_path, "a", {}, quiet=True) as folder:
        folder.status(state=state)
    folder.close()
    assert status_of(folder.path)["state"] == state


def test_wishes(folder):
    assert folder.wish() == "run"
    (folder.path / "pause").touch()
    assert folder.wish() == "pause"
    (folder.path / "stop").touch()
    assert folder.wish() == "stop"
    folder.forget_wishes()
    folder.forget_wishes()
    assert folder.wish() == "run"


# --- pictures, networks ----------------------------------------------------------------------------------------------

def test_snapshots_by_images_shown(folder):
    assert folder.snapshots() == []
    for images in (204800, 1000, 10 ** 9):
        folder.snapshot_path(images).touch()
    (folder.path / ".snapshot-000000300000.safetensors.1.tmp").touch()
    assert [path.name for path in folder.snapshots()] == [
        "snapshot-000000001000.safetensors", "snapshot-000000204800.safetensors", "snapshot-001000000000.safetensors"]


def test_grids_are_saved(folder):
    path = folder.save_grid("fakes-000000204800", np.zeros((6, 3, 8, 8), np.uint8), 3)
    assert path == folder.path / "fakes-000000204800.png" and path.stat().st_size > 0


# --- a full disk -----------------------------------------------------------------------------------------------------

def fail(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_named_once_and_outlived(folder, monkeypatch, capsys):
    folder._quiet = False
    folder.add_stats({"images": 1})
    with monkeypatch.context() as full:
        for place, name in ((train.folder, "append"), (train.folder, "append_stats"), (train.status, "write_whole"),
                            (train.folder, "save_grid"), (train.events.EventsWriter, "flush")):
            full.setattr(place, name, fail)
        for images in (2, 3):
            folder.say(f"tick {images}")
            folder.add_stats({"images": images})
            folder.status(state=("running", "paused")[images % 2])
            assert folder.save_grid("fakes", np.zeros((1, 3, 8, 8), np.uint8), 1) is None
    said = [line for line in capsys.readouterr().out.splitlines() if "cannot be written" in line]
    for what in ("log.txt", "stats.jsonl", "TensorBoard events", "status.json", "fakes.png"):
        assert sum(f"{what} cannot be written, the run goes on: No space left on device" in line for line in said) == 1
    folder.add_stats({"images": 4})
    folder.say("tick 4")
    folder.status(state="running")
    assert [line["images"] for line in read_stats(folder.path)] == [1, 4]
    assert (folder.path / "log.txt").read_text().endswith("tick 4\n")
    assert status_of(folder.path)["state"] == "running"
    assert [event.step for event in events(folder.path) if event.HasField("summary")][::3] == [1, 4]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_device_that_is_full_indeed(folder, capsys):
    """Every write to it fails in the kernel."""
    folder._quiet = False
    for name in ("log.txt", "stats.jsonl"):
        (folder.path / name).unlink(missing_ok=True)
        (folder.path / name).symlink_to("/dev/full")
    for images in (1, 2):
        folder.say("tick")
        folder.add_stats({"images": images})
    out = capsys.readouterr().out
    assert out.count("log.txt cannot be written, the run goes on: No space left on device") == 1
    assert out.count("stats.jsonl cannot be written, the run goes on: No space left on device") == 1
    assert len([event for event in events(folder.path) if event.HasField("summary")]) == 2


@posix
def test_a_line_that_fits_in_part_is_taken_back(tmp_path):
    """The limit on a file's size stands in for the disk's: the kernel writes what fits, then refuses."""
    code = """
import resource, signal, sys
from pathlib import Path
from train.stats import append
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
append(Path(sys.argv[1]), "a" * 60 + "\\n")
try:
    append(Path(sys.argv[1]), "b" * 60 + "\\n")
except OSError as error:
    print(error.strerror)
append(Path(sys.argv[1]), "c\\n")
"""
    run = python(code, tmp_path / "log.txt")
    assert run.communicate(timeout=100)[0] == "No space left on device\n"
    assert (tmp_path / "log.txt").read_text() == "a" * 60 + "\nc\n"
