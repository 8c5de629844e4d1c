"""Opens and builds each file named, in a process of its own, and reports what it took; run as a script.

One JSON line a file: error (None if it opened), seconds, megabytes above the idle process, and the audit events that no
reading of data should raise.
"""
import json
import os
import resource
import sys
import time

HARMLESS_MODES = ("r", "rb", None)
ACTS = ("os.system", "os.exec", "os.spawn", "os.posix_spawn", "os.remove", "os.rename", "os.mkdir", "subprocess.",
        "socket.", "shutil.", "ctypes.", "pickle.")
watched: list[str] = []


def audit(event: str, args: tuple) -> None:
    writes = event == "open" and (args[1] not in HARMLESS_MODES or isinstance(args[2], int) and args[2] & os.O_CREAT)
    if writes or event.startswith(ACTS) or event in ("os.fork", "exec", "compile") and not is_own_code():
        watched.append(event)
    if event == "import" and args[0] in ("antigravity", "code", "commands"):
        watched.append(f"import {args[0]}")


def is_own_code() -> bool:
    """Modules imported late, and annotations that `typing` evaluates, are compiled too."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.endswith(("typing.py", "importlib._bootstrap>")):
            return True
        frame = frame.f_back
    return False


def watch(path: str) -> dict:
    from nets.checkpoint import open_checkpoint
    from nets.errors import CheckpointError
    before, start, error = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic(), None
    watched.clear()
    try:
        with open_checkpoint(path) as checkpoint:
            for name in checkpoint.networks:
                checkpoint.build(name)
    except CheckpointError as caught:
        error = str(caught)
    except BaseException as caught:
        error = f"NOT A CHECKPOINT ERROR: {caught!r}"
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"path": path, "error": error, "seconds": time.monotonic() - start, "megabytes": (after - before) / 1024,
            "events": sorted(set(watched))}


def main(warm_up: str, paths: list[str]) -> None:
    """`warm_up`: a good file, opened first so that everything imported lazily is there."""
    watch(warm_up)
    sys.addaudithook(audit)
    for path in paths:
        sys.stdout.flush()
        child = os.fork()                        # each file's memory is measured from the same beginning
        if child == 0:
            print(json.dumps(watch(path)), flush=True)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            print(json.dumps({"path": path, "error": f"CRASHED with {status}", "seconds": 0, "megabytes": 0,
                              "events": []}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
