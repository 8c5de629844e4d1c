"""Training's command line: `python -m train data`, `run`, `metrics`, `options`.

Exit status 0, or 1 with exactly one line on standard error.
"""
from __future__ import annotations

import importlib
import sys

from nets.command_line import Parser, guarded
from nets.errors import UserError

COMMANDS = {"data": "train.data_command", "run": "train.run_command", "metrics": "train.metrics_command",
            "options": "train.options_command"}
USAGE = """\
python -m train data SOURCE -o DEST        a data set: pictures of one size, with labels if wanted
python -m train run --outdir DIR --data SET [--cfg PRESET]        train a network
python -m train run --resume RUN           go on with a run that was stopped
python -m train metrics FILE --data SET    how good a network is, in numbers
python -m train options [--json]           presets and options of `run`
Each explains itself: python -m train run --help
"""


def main(argv: list[str]) -> int:
    return guarded(lambda: command(argv))


def command(argv: list[str]) -> int | None:
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    name, *rest = argv
    if name not in COMMANDS:
        raise UserError(f"python -m train: there is no command '{name}'; choose one of {', '.join(COMMANDS)}")
    module = importlib.import_module(COMMANDS[name])
    parser = Parser(prog=f"python -m train {name}")
    module.add_options(parser)
    return module.run(parser.parse_args(rest))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
