"""The project's own files agree with each other."""

import re
import subprocess
import tomllib

import pytest
from packaging.requirements import Requirement

from grader.build import BADGE, ROOT, lesson_sources
from grader.project import own_project

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EVERYTHING = [
    *PROJECT["dependencies"],
    *(text for extra in PROJECT["optional-dependencies"].values() for text in extra),
]


def tracked_files():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_environment_yml_lists_what_pyproject_lists():
    lines = (ROOT / "environment.yml").read_text().splitlines()
    listed = {line.strip(" -") for line in lines if re.match(r"\s{6}- [a-z]", line)}
    assert listed == set(EVERYTHING)
    assert f"python{PROJECT['requires-python']}" in {line.strip(" -") for line in lines}


def test_the_pinned_versions_meet_every_floor():
    pins = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    )
    for text in EVERYTHING:
        wanted = Requirement(text)
        assert wanted.specifier.contains(pins[wanted.name]), text


def test_colabs_own_versions_meet_the_floors():
    colab = {
        "torch": "2.6.0",
        "numpy": "2.0.2",
        "matplotlib": "3.10.0",
        "safetensors": "0.5.3",
        "tqdm": "4.67.1",
    }
    for text in PROJECT["dependencies"]:
        wanted = Requirement(text)
        assert wanted.specifier.contains(colab[wanted.name])


def test_the_readme_has_a_badge_for_every_lesson_at_the_right_tag():
    readme = (ROOT / "README.md").read_text()
    values = own_project().values()
    badges = re.findall(BADGE.pattern + r"(\w+)\.ipynb", readme)
    assert sorted(badges) == sorted(lesson_sources())
    start = (
        f"https://colab.research.google.com/github/{values['owner_and_name']}/blob/{values['tag']}/notebooks/"
    )
    assert set(BADGE.findall(readme)) == {start}


def test_every_make_target_that_the_readme_names_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"make ([a-z]+)\b", (ROOT / "README.md").read_text()))
    assert named and named <= targets


def test_every_file_that_the_readme_links_to_exists():
    for page in (ROOT / "README.md", ROOT / "grader" / "README.md"):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert link.startswith("https://") or (page.parent / link).exists(), link


def test_the_hooks_run_what_make_style_runs():
    hooks = set(re.findall(r"entry: \.venv/bin/(.*)", (ROOT / ".pre-commit-config.yaml").read_text()))
    recipe = re.search(r"^style:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    assert set(re.findall(r"\$\(BIN\)/([^&\n]*[^&\s])", recipe)) == hooks and len(hooks) == 3


@pytest.mark.parametrize("workflow", ["book", "colab", "release", "test"])
def test_every_command_of_a_workflow_exists(workflow):
    text = (ROOT / ".github" / "workflows" / f"{workflow}.yml").read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"run: make ([a-z-]+)", text)) <= targets
    for module in re.findall(r"python -m ((?:grader|tests)[\w.]*)", text):
        path = ROOT.joinpath(*module.split("."))
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
    assert re.search(r"run: (make|bash)", text)


def test_ci_runs_the_readmes_test_command():
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert ".ci/run" in (ROOT / ".github" / "workflows" / "test.yml").read_text()
    assert "make test" in (ROOT / "README.md").read_text()


def test_no_tracked_file_names_a_machine_a_registry_or_a_cache():
    registry = re.compile(r"pypi\.org|pythonhosted\.org|anaconda\.org|registry\.npmjs|download\.pytorch\.org")
    machine = re.compile(r"(?<![\w.])/(?:work|root)/\w|/home/\w+/|/Users/\w+/")
    for path in tracked_files():
        assert not {"__pycache__", ".venv", ".ipynb_checkpoints", "build"} & set(path.relative_to(ROOT).parts)
        if path.suffix not in (".png", ".woff2"):
            text = path.read_text(encoding="utf-8")
            assert not registry.search(text) or path.name == "test_project.py", path
            assert not machine.search(text) or path.name in ("test_project.py",), path
