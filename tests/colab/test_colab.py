"""What `python -m tests.colab` looks at. The environments themselves are made by hand and on a schedule."""

import nbformat
import pytest
from packaging.requirements import Requirement

from grader.build import ROOT, lesson_notebook, lesson_sources
from grader.project import own_project

from .__main__ import changes
from .environment import requirements
from .lessons import complaint, from_archive


def test_only_the_package_may_be_new():
    before = {"numpy": "2.0.2", "torch": "2.9.0"}
    assert changes(before, {**before, "reward-lab": "0.1.0"}) == []
    assert changes(before, before) == ["the set-up cell did not install reward-lab"]
    worse = changes(before, {"numpy": "2.4.0", "reward-lab": "0.1.0", "tqdm": "4.67"})
    assert worse == ["numpy was 2.0.2 and is 2.4.0", "torch was 2.9.0 and is gone", "tqdm 4.67 was added"]


def test_the_lists_of_versions_meet_the_floors():
    floors = {Requirement(line).name: line for line in requirements("floors")}
    assert floors["torch"] == "torch==2.6" and floors["numpy"] == "numpy==2.0"
    assert {"torch", "ipykernel"} <= set(requirements("newest"))
    listed = [Requirement(line) for line in requirements("colab")]
    assert {"numpy==2.0.2", "ipython==7.34.0", "ipykernel==6.17.1", "matplotlib==3.10.0"} <= {
        f"{one.name}{one.specifier}" for one in listed
    }
    assert {Requirement(line).name for line in requirements("floors")} <= {one.name for one in listed}


@pytest.mark.parametrize("lesson", lesson_sources())
def test_every_lessons_set_up_cell_installs_the_archive_that_it_is_given(lesson, tmp_path):
    for solved in (False, True):
        notebook = from_archive(lesson_notebook(own_project(), lesson, solved), tmp_path / "a.tar.gz")
        (cell,) = [cell for cell in notebook.cells if (tmp_path / "a.tar.gz").as_uri() in cell.source]
        assert '"--no-deps"' in cell.source
    with pytest.raises(ValueError, match="no set-up cell"):
        from_archive(nbformat.v4.new_notebook(), tmp_path / "a.tar.gz")


def test_a_failed_check_and_a_warning_are_told():
    cell = nbformat.v4.new_code_cell("check.bt_mle(bt_mle)")
    cell.outputs = [nbformat.v4.new_output("execute_result", data={"text/plain": "bt_mle: some cases fail"})]
    notebook = nbformat.v4.new_notebook(cells=[cell])
    assert complaint(notebook, solved=False) is None and "some cases fail" in complaint(notebook, solved=True)
    cell.outputs = [nbformat.v4.new_output("execute_result", data={"text/plain": "bt_mle: all cases pass"})]
    assert complaint(notebook, solved=True) is None
    cell.outputs = [nbformat.v4.new_output("stream", name="stderr", text="UserWarning")]
    assert complaint(notebook, solved=False) == "on stderr: UserWarning"


def test_a_workflow_runs_it_on_a_schedule_for_every_list():
    workflow = (ROOT / ".github" / "workflows" / "colab.yml").read_text()
    assert (
        "schedule:" in workflow and "workflow_dispatch:" in workflow and "python -m tests.colab" in workflow
    )
    assert all(f"versions: {name}," in workflow for name in ("colab", "floors", "newest"))
