"""This grader inside stock nbgrader: `nbgrader autograde` and Formgrader's button run these in place of Execute."""

import atexit
from pathlib import Path

import nbformat
from nbconvert.exporters import NotebookExporter
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool, Enum, Float

from .gradebook import autograded_notebook, marking_schemes, pristine_lessons
from .grading import course_seed
from .intake import Submission, take_in_submitted
from .intake_file import Refused
from .project import course_project
from .settings import Settings
from .submitted import submitted_file
from .verify import Worker

_workers: dict[Settings, Worker] = {}


def _course_of(preprocessor: NbGraderPreprocessor) -> Path:
    converter = preprocessor.parent.parent  # preprocessor -> exporter -> converter
    return Path(converter.coursedir.root)


def by_the_lessons_name(assignment: str, notebooks: list[str], **_: object) -> None:
    """nbgrader's hook before it takes up a submission, whose notebooks may have any names ("Copy of ...").

    It skips names that it doesn't know, so the list is changed in place to the one name that it does.
    """
    notebooks[:] = [str(Path(notebooks[0]).parent / f"{assignment}.ipynb")]


class SubmissionExporter(NotebookExporter):
    """Leaves the reading of a submitted file to intake. nbformat ends at a byte order mark, and what students break."""

    def from_filename(
        self, filename: str, resources: dict | None = None, **kw: object
    ) -> tuple[str, ResourcesDict]:
        if not self.parent._sanitizing:
            return super().from_filename(filename, resources, **kw)
        file = Path(filename)
        place = {"name": file.stem, "path": str(file.parent)}
        return self.from_notebook_node(
            nbformat.v4.new_notebook(), {**(resources or {}), "metadata": place}, **kw
        )


class TakeIn(NbGraderPreprocessor):
    """Put the submitted answers into the pristine lesson. Takes the place of nbgrader's sanitizing.

    Raises Refused, which nbgrader logs; it then goes on with the next student.
    """

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        lesson = resources["nbgrader"]["assignment"]
        file = submitted_file(Path(resources["metadata"]["path"]), lesson)
        submission = take_in_submitted(file, pristine_lessons(_course_of(self)), lesson)
        for note in submission.notes:
            self.log.warning("%s: %s", file, note)
        return submission.notebook, resources


class Verify(NbGraderPreprocessor):
    """Grade in the sandbox, and put what each check said into its cell. Takes the place of Execute."""

    timeout = Float(60, help="seconds for one submission").tag(config=True)
    device = Enum(("cpu", "cuda"), "cpu", help="where answers run").tag(config=True)
    unsafe = Bool(False, help="grade without a sandbox").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        course, lesson = _course_of(self), resources["nbgrader"]["assignment"]
        project = course_project(course)
        settings = Settings(
            course_seed(course), self.device, self.timeout, unsafe=self.unsafe, project=project
        )
        if settings not in _workers:
            _workers[settings] = Worker(settings)
            atexit.register(_workers[settings].close)
        submission = Submission(lesson, nb)
        outcome = _workers[settings].grade(submission)
        if outcome.verdict.problem:
            raise Refused(outcome.verdict.problem)
        for note in outcome.verdict.notes:
            self.log.warning("%s: %s", resources["nbgrader"]["student"], note)
        return autograded_notebook(submission, outcome, marking_schemes(course, lesson)), resources
