"""Stands in for `python` where training would take long: data sets and options are real, runs are told from a file.

The file that STAND_IN names is JSON: {"refusal": a line, or "", "end": a line, or ""}. A run that is not refused makes
its folder, and then waits for `stop`; one with an "end" dies with that line before.
"""
import json
import os
import sys
import time
from pathlib import Path

WORDS = sys.argv[3:]                     # behind `-m train`


def value(name: str) -> str:
    return WORDS[WORDS.index(f"--{name}") + 1] if f"--{name}" in WORDS else ""


def main() -> int:
    with open(os.environ["STAND_IN"] + ".words", "a", encoding="utf-8") as file:
        file.write(json.dumps(WORDS) + "\n")
    if WORDS[0] != "run":
        os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
    told = json.loads(Path(os.environ["STAND_IN"]).read_text(encoding="utf-8"))
    if "--dry-run" in WORDS:
        if told["refusal"]:
            print(told["refusal"], file=sys.stderr)
            return 1
        batch, gamma = int(value("batch") or 16), float(value("gamma") or 0.0125)
        print(json.dumps({"text": f"batch          {batch} = 1 GPU(s)\nmemory         1.5 GB: networks",
                          "train": {"batch": batch, "loss": {"gamma": gamma}}, "run": {"snap": 10}}))
        return 0
    if told["end"]:
        print(f"a warning\n{told['end']}", file=sys.stderr)
        return 1
    train(Path(value("outdir")) / f"00007-{value('cfg')}-stand-in")
    return 0


def train(folder: Path) -> None:
    folder.mkdir(parents=True)
    now = time.time()
    (folder / "config.json").write_text(json.dumps({"format_version": 1, "train": {}, "run": {}, "data": {},
                                                    "command": "python -m train"}))
    (folder / "status.json").write_text(json.dumps({
        "state": "running", "doing": "G main", "images": 0, "total_images": 1000, "pid": os.getpid(),
        "host": os.uname().nodename, "started": now, "updated": now, "error": None}))
    print(f"2026-01-31 12:00:00 {folder}", flush=True)
    end = time.monotonic() + 60
    while not (folder / "stop").exists() and time.monotonic() < end:
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
