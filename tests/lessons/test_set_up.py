"""The first cell of a lesson: short, the same in all, and one plain sentence where the package can't be had."""

import importlib.util
import subprocess
import types

import nbformat
import pytest

from grader.build import ROOT, lesson_sources

CELLS = {
    lesson: next(
        cell.source
        for cell in nbformat.read(ROOT / "notebooks" / f"{lesson}.ipynb", as_version=4).cells
        if cell.cell_type == "code"
    )
    for lesson in lesson_sources()
}


def test_the_set_up_is_the_same_in_all_lessons_and_ten_lines_at_most():
    (cell,) = set(CELLS.values())
    assert len(cell.splitlines()) <= 10 and max(map(len, cell.splitlines())) <= 88


@pytest.fixture
def installs(monkeypatch):
    """Runs the set-up on a machine without reward_lab, where pip ends with the given code; gives pip's commands."""
    find, commands = importlib.util.find_spec, []

    def run(command, **options):
        commands.append(command)
        return types.SimpleNamespace(returncode=run.code)

    def set_up(code: int, missing=("reward_lab",)):
        run.code = code
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else find(name))
        monkeypatch.setattr(subprocess, "run", run)
        exec(next(iter(CELLS.values())), {})
        return commands

    return set_up


def test_it_installs_this_one_package_at_a_tag_and_touches_no_other(installs):
    ((*_, package),) = commands = installs(0)
    assert "--no-deps" in commands[0] and "/refs/tags/v" in package


def test_without_a_network_it_stops_with_one_plain_sentence(installs):
    with pytest.raises(RuntimeError, match="turn internet on") as raised:
        installs(1)
    assert "\n" not in str(raised.value)


def test_a_machine_without_torch_is_told_to_set_up_and_nothing_is_installed(installs, monkeypatch):
    with pytest.raises(RuntimeError, match="make setup"):
        installs(0, ("reward_lab", "torch"))
