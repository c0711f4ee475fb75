"""Say whether a release would hold: version, badges, notebooks, changelog, citation and tag come from one place and agree.

python -m grader.release            exit 1, with a line for each thing that does not agree
python -m grader.release --tag v1   also: this is the tag of the version (what CI asks when a tag is pushed)
"""

import argparse
import re
import subprocess
import sys

from .build import drift
from .project import Project, own_project


def problems(project: Project, tag: str | None = None) -> list[str]:
    """What does not agree with the version in pyproject.toml, a line each.

    Args:
        project: whose release.
        tag: the tag that is being released, or None for the one that would be.
    """
    version, found = project.version, []
    if not version or not re.fullmatch(r"\d+\.\d+\.\d+", version):
        return [f"pyproject.toml: the version should read like 1.2.3, not {version!r}"]
    wanted = project.values()["tag"]
    if tag is not None and tag != wanted:
        found.append(f"the tag is {tag}, the version in pyproject.toml asks for {wanted}")
    section = re.search(
        rf"^## {re.escape(version)}\b.*\n((?:(?!## ).*\n?)*)", _read(project, "CHANGELOG.md"), re.MULTILINE
    )
    if not section or not section[1].strip():
        found.append(f"CHANGELOG.md has nothing under `## {version}`")
    first = re.search(r"^## (.*)$", _read(project, "CHANGELOG.md"), re.MULTILINE)
    if section and first and not first[1].startswith(version):
        found.append(f"CHANGELOG.md has {first[1]!r} above {version}")
    cited = re.search(r"^version: *(.*)$", _read(project, "CITATION.cff"), re.MULTILINE)
    if not cited or cited[1].strip("\"' ") != version:
        found.append(f"CITATION.cff says version {cited[1] if cited else 'nothing'}, not {version}")
    if project.repository and f'"{project.repository}"' not in _read(project, "CITATION.cff"):
        found.append(f"CITATION.cff does not name {project.repository}")
    if drift(project):
        found.append("notebooks or badges are not built from this version: run `make notebooks`, and commit")
    return found + _of_git(project, wanted)


def _of_git(project: Project, wanted: str) -> list[str]:
    """What the repository has against it: uncommitted changes, or a tag that names another commit."""
    found = []
    if _git(project, "status", "--porcelain"):
        found.append("there are changes that are not committed")
    tagged = _git(project, "rev-list", "-n", "1", f"refs/tags/{wanted}")
    if tagged and tagged != _git(project, "rev-parse", "HEAD"):
        found.append(f"{wanted} is there already, at another commit: raise the version")
    return found


def _git(project: Project, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=project.root, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def _read(project: Project, name: str) -> str:
    path = project.root / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m grader.release", description=__doc__.split("\n")[0])
    parser.add_argument("--tag", help="the tag that is being released")
    project = own_project()
    found = problems(project, parser.parse_args(argv).tag)
    for problem in found:
        print(f"release: {problem}", file=sys.stderr)
    if not found:
        print(
            f"{project.version} can be released: tag this commit {project.values()['tag']}, and push the tag"
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
