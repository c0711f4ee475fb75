"""A release is refused where version, tag, changelog, citation, notebooks and repository part."""

import subprocess
from dataclasses import replace

import pytest

from grader import release
from grader.build import ROOT
from grader.project import own_project


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository that can be released. Notebooks are another test's business: building them takes seconds."""
    project = replace(own_project(), root=tmp_path)
    for name in ("CHANGELOG.md", "CITATION.cff"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    monkeypatch.setattr(release, "drift", lambda project: "")
    git(project, "init", "-q")
    commit(project)
    return project


def git(project, *arguments):
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=project.root, check=True, capture_output=True)


def commit(project):
    git(project, "add", "-A")
    git(project, "commit", "-q", "--allow-empty", "-m", "state")


def test_this_repositorys_own_files_agree(project):
    assert release.problems(project) == []
    assert release.problems(project, "v" + project.version) == []


def test_a_tag_at_this_commit_is_fine_and_at_another_is_not(project):
    git(project, "tag", "v" + project.version)
    assert release.problems(project) == []
    commit(project)
    (found,) = release.problems(project)
    assert "is there already, at another commit" in found


@pytest.mark.parametrize(
    "file, old, new, said",
    [
        ("CHANGELOG.md", "## {version}", "## 9.9.9", "has nothing under `## {version}`"),
        ("CHANGELOG.md", "## {version}", "## 9.9.9\n\nA\n\n## {version}", "has '9.9.9' above {version}"),
        (
            "CITATION.cff",
            "version: {version}",
            "version: 9.9.9",
            "CITATION.cff says version 9.9.9, not {version}",
        ),
        ("CITATION.cff", "{repository}", "https://example.org", "does not name {repository}"),
    ],
)
def test_what_does_not_agree_is_named(project, file, old, new, said):
    values = {"version": project.version, "repository": project.repository}
    path = project.root / file
    text = path.read_text()
    assert old.format(**values) in text
    path.write_text(text.replace(old.format(**values), new.format(**values)))
    assert "there are changes that are not committed" in release.problems(project)
    commit(project)
    (found,) = release.problems(project)
    assert said.format(**values) in found


def test_an_empty_section_a_wrong_tag_old_notebooks_and_a_strange_version_are_refused(project, monkeypatch):
    (project.root / "CHANGELOG.md").write_text(f"# New\n\n## {project.version}\n\n## 0.0.1\n\nA line.\n")
    commit(project)
    assert release.problems(project) == [f"CHANGELOG.md has nothing under `## {project.version}`"]
    assert any("the tag is v7" in found for found in release.problems(project, "v7"))
    monkeypatch.setattr(release, "drift", lambda project: "- a\n+ b\n")
    assert any("make notebooks" in found for found in release.problems(project))
    assert "like 1.2.3" in release.problems(replace(project, version="one"))[0]
