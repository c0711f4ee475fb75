"""Which room may import which, which names the rooms hand out, and how large a module may be."""

import ast
import importlib
from collections import Counter
from pathlib import Path

import pytest

import reward_lab
from grader.build import ROOT

PACKAGE = ROOT / "src" / "reward_lab"
FLOORS = {"core": 0, "statistics": 1, "language": 1, "rlhf": 1, "text": 1}
FLOORS |= {"commands": 2, "checks": 2, "lessons": 3, "grader": 4}
"""Room -> floor. Imports go down, or stay in the room; on the first floor they may also go sideways, but never round."""
ROOMS = ("statistics", "language", "rlhf", "text")
COMMANDS = ("train", "score", "evaluate", "__main__", "__init__")
"""Modules at the top of the package that stand on the rooms: the commands, and the front door."""
LINES = 250


def room_of(module: str) -> str:
    """The room of a module such as `reward_lab.text.rows`; a lesson is a room of its own."""
    first, *rest = module.split(".")
    if first != "reward_lab":
        return first
    if not rest or rest[0] in COMMANDS:
        return "commands"
    if rest[0] == "lessons":
        return ".".join(rest[:2])
    return rest[0] if rest[0] in FLOORS else "core"


def imports_of(source: str, module: str, is_package: bool = False) -> set[str]:
    """The modules of the package, the grader and the tests that a module's source imports, also inside functions."""
    found = set()
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*start, *([node.module] if node.module else [])])
            # `from . import plots` imports a module, `from .plots import show` a name of one.
            found |= {
                f"{name}.{alias.name}" if _is_module(f"{name}.{alias.name}") else name for alias in node.names
            }
    return {name for name in found if name.split(".")[0] in ("reward_lab", "grader", "tests")}


def _is_module(name: str) -> bool:
    path = (
        (ROOT / "src" / Path(*name.split(".")))
        if name.startswith("reward_lab")
        else ROOT / Path(*name.split("."))
    )
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def upward(module: str, imported: str) -> bool:
    """Whether this import goes up, or from one lesson into another."""
    here, there = room_of(module), room_of(imported)
    if there == "tests":
        return here != "tests"
    floors = [FLOORS[room.split(".")[0]] for room in (here, there)]
    # What all lessons share stands beside them.
    if here == there or (
        here.startswith("lessons")
        and imported in ("reward_lab.lessons", "reward_lab.lessons.starting", "reward_lab.lessons.graphs")
    ):
        return False
    if module == "reward_lab":  # the front door shows what is behind it
        return floors[1] > FLOORS["text"]
    sideways = here in ROOMS and there in ROOMS
    return not sideways and floors[1] >= floors[0]


def modules() -> dict[str, Path]:
    paths = [*PACKAGE.rglob("*.py"), *(ROOT / "grader").rglob("*.py")]
    names = {}
    for path in paths:
        base = ROOT / "src" if PACKAGE in path.parents else ROOT
        names[".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__")] = path
    return names


IMPORTS = {
    module: imports_of(path.read_text(encoding="utf-8"), module, path.name == "__init__.py")
    for module, path in modules().items()
}


def test_no_import_runs_from_a_lower_room_to_a_higher_one_or_into_another_lesson():
    assert len(IMPORTS) > 100
    wrong = [(module, name) for module, names in IMPORTS.items() for name in names if upward(module, name)]
    assert not wrong


def test_the_rooms_of_one_floor_import_each_other_one_way():
    arrows = {(room_of(m), room_of(name)) for m, names in IMPORTS.items() for name in names}
    below = {room: {b for a, b in arrows if a == room and b in ROOMS and b != a} for room in ROOMS}
    while below:
        free = [room for room, others in below.items() if not others & below.keys()]
        assert free, f"rooms that import each other in a circle: {below}"
        below = {room: others for room, others in below.items() if room not in free}


@pytest.mark.parametrize(
    "module, line, wrong",
    [
        ("reward_lab.trainer", "from .text.token_pairs import TokenPairs", True),
        ("reward_lab.trainer", "def f():\n    from reward_lab.text import saving", True),
        ("reward_lab.trainer", "from .losses import bradley_terry_loss", False),
        ("reward_lab.checks.exercise", "from ..lessons import lesson01", True),
        ("reward_lab.checks.exercise", "from reward_lab.statistics import calibration", False),
        ("reward_lab.statistics.ties", "import reward_lab.checks.report", True),
        ("reward_lab.text.training", "from ..statistics.calibration import calibration", False),
        ("reward_lab.lessons.lesson03.figures", "from reward_lab.lessons.lesson02 import figures", True),
        ("reward_lab.lessons.lesson03.figures", "from reward_lab.lessons import start", False),
        ("reward_lab.lessons.lesson03.figures", "from grader import build", True),
        ("reward_lab.plots", "from reward_lab import train", True),
        ("grader.verify", "from reward_lab.checks import report", False),
        ("grader.verify", "from tests import conftest", True),
    ],
)
def test_a_wrong_import_would_be_found(module, line, wrong):
    assert any(upward(module, name) for name in imports_of(line, module)) == wrong


def test_the_front_door_has_about_25_names_and_no_name_is_handed_out_twice():
    assert len(reward_lab.__all__) <= 26
    rooms = [importlib.import_module(f"reward_lab.{room}") for room in (*ROOMS, "checks", "lessons")]
    handed_out = Counter(name for room in (reward_lab, *rooms) for name in getattr(room, "__all__", []))
    assert not [name for name, times in handed_out.items() if times > 1]


@pytest.mark.parametrize(
    "room", ["reward_lab", *(f"reward_lab.{room}" for room in ROOMS), "reward_lab.lessons"]
)
def test_everything_that_is_handed_out_says_what_it_is(room):
    module = importlib.import_module(room)
    assert module.__all__ == sorted(module.__all__) and len(module.__all__) > 0
    for name in module.__all__:
        assert (getattr(module, name).__doc__ or "").strip(), name


@pytest.mark.parametrize("path", modules().values(), ids=modules())
def test_a_module_fits_on_two_screens(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES
