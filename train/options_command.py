"""`python -m train options`: presets and options of `run`, for people and, as JSON, for programs. No torch."""
from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace

from train.run_options import OPTIONS, PRESETS, as_json


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="machine-readable")


def run(args: Namespace) -> None:
    if args.json:
        print(json.dumps(as_json(), indent=1, ensure_ascii=False))
        return
    print("presets (--cfg)")
    for name, line in PRESETS.items():
        print(f"  {name:16}{line}")
    for group in dict.fromkeys(option.group for option in OPTIONS):
        print(f"\n{group}")
        for option in OPTIONS:
            if option.group == group:
                print(f"  --{option.name:15}{option.help}")
