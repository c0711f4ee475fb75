"""The wheel holds the package and nothing else, and what lies in it says what there is. Building it takes a second."""

import importlib.util
import os
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from grader.build import ROOT, lesson_sources
from grader.project import own_project
from reward_lab.__main__ import OPTIONAL, overview


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = folder.iterdir()
    assert file.name == f"reward_lab-{own_project().version}-py3-none-any.whl"
    return zipfile.ZipFile(file)


def test_it_holds_every_file_of_the_package_and_no_other(wheel):
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    source = ROOT / "src"
    files = {p.relative_to(source).as_posix() for p in (source / "reward_lab").rglob("*") if p.is_file()}
    assert inside == {name for name in files if "__pycache__" not in name}
    assert {Path(name).suffix for name in inside} == {".py", ".csv", ".jsonl"}


def test_it_brings_the_licence_and_asks_for_what_pyproject_asks_for(wheel):
    (licence,) = [name for name in wheel.namelist() if name.endswith("LICENSE")]
    assert wheel.read(licence) == (ROOT / "LICENSE").read_bytes()
    (metadata,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
    message = message_from_bytes(wheel.read(metadata))
    needed = [line for line in message.get_all("Requires-Dist") if "extra ==" not in line]
    assert sorted(needed) == [
        "matplotlib>=3.10",
        "numpy>=2.0",
        "safetensors>=0.4",
        "torch>=2.6",
        "tqdm>=4.66",
    ]
    assert {"text", "book", "grader"} <= set(message.get_all("Provides-Extra"))


def test_what_it_installs_says_what_there_is(wheel, tmp_path):
    wheel.extractall(tmp_path)
    surroundings = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "reward_lab"]
    done = subprocess.run(command, env=surroundings, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"reward-lab {own_project().version}, in {tmp_path / 'reward_lab'}" in done.stdout
    for lesson in lesson_sources():
        assert f"  Lesson {int(lesson[:2])}: " in done.stdout
    for command in ("train", "evaluate", "score"):
        assert f"python -m reward_lab.{command} " in done.stdout


def test_what_is_missing_is_told_with_the_extra_that_brings_it(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "trl" else found(name))
    assert "trl           missing: pip install 'reward-lab[ecosystem]'" in overview()
    extras = own_project().root / "pyproject.toml"
    for package, (extra, _) in OPTIONAL.items():
        (line,) = [x for x in extras.read_text().splitlines() if x.startswith(f"{extra} = ")]
        assert f'"{package}>=' in line
