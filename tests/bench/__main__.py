"""python -m tests.bench [PART ...] [--submissions N] [--stock N]; the parts are those of PARTS, all of them by default"""

import argparse
import os
import platform

import torch

PARTS = ["training", "grading", "attacks", "text", "memory", "backbone", "tuning", "dpo"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Print the project's figures.")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument(
        "--submissions", type=int, default=100, help="size of the class (default: %(default)s)"
    )
    parser.add_argument(
        "--stock",
        type=int,
        default=5,
        help="how many of them stock nbgrader grades; it is slow (default: %(default)s)",
    )
    arguments = parser.parse_args()
    parts = arguments.parts or PARTS
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}"
    )
    if "training" in parts:
        from . import training

        training.run()
    if "grading" in parts:
        from . import grading

        grading.run(arguments.submissions, arguments.stock)
    if "attacks" in parts:
        from . import attacks

        attacks.run()
    if "text" in parts:
        from . import text

        text.run()
    if "memory" in parts:
        from . import memory

        memory.run()
    if "backbone" in parts:
        from . import backbone

        backbone.run()
    if "tuning" in parts:
        from . import tuning

        tuning.run()
    if "dpo" in parts:
        from . import dpo

        dpo.run()


if __name__ == "__main__":
    main()
