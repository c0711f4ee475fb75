"""How reward-lab sets nbgrader up. A course's own nbgrader_config.py calls `configure`."""

import os
import sysconfig
import warnings

from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from .submitted import handed_in_at

# nbgrader calls the `alembic` command by name. It stands beside this Python, which is on no PATH unless
# the virtual environment was activated.
os.environ["PATH"] = sysconfig.get_path("scripts") + os.pathsep + os.environ.get("PATH", "")

# nbgrader's models make SQLAlchemy 2.1 warn at every submission; nothing that a user could act on.
warnings.filterwarnings("ignore", message="Object of type <Submitted", module="nbgrader")

# nbgrader's own version ends the student, or the whole class, at a timestamp.txt that holds no date.
CourseDirectory.get_existing_timestamp = lambda self, folder: handed_in_at(folder, self.log)

COURSE_CONFIG = '''"""nbgrader settings of this course. Add your own below."""

from grader.nbgrader_config import configure

c = get_config()  # noqa: F821
configure(c)
'''


def configure(c: Config, timeout: float = 60, device: str = "cpu", unsafe: bool = False) -> Config:
    """Set what reward-lab's lessons need of nbgrader.

    Args:
        c: changed in place, and returned.
        timeout: seconds that one submission may take while it is graded.
        device: `cpu` or `cuda`.
        unsafe: grade without a sandbox.
    """
    c.CourseDirectory.course_id = "reward-lab"
    # Marking schemes stand in the locked question above a written answer. nbgrader knows them in "task"
    # cells only, where students would have no cell of their own to write in.
    c.ClearMarkScheme.enforce_metadata = False
    c.ClearSolutions.text_stub = "YOUR ANSWER HERE"
    # Nothing that a student wrote runs in a page of feedback or Formgrader.
    c.HTMLExporter.filters = {"markdown2html": "grader.pages.markdown"}
    # Editors' locks are links that lead nowhere, and can't be copied.
    c.CourseDirectory.ignore = [".*", "*~", "~*", "*.pyc", "__pycache__", "__MACOSX"]
    # By name, so that commands that grade nothing need not import torch.
    c.Autograde.exporter_class = "grader.preprocessors.SubmissionExporter"
    c.Autograde.pre_convert_hook = "grader.preprocessors.by_the_lessons_name"
    c.Autograde.sanitize_preprocessors = ["grader.preprocessors.TakeIn"]
    c.Autograde.autograde_preprocessors = [
        "grader.preprocessors.Verify",
        "nbgrader.preprocessors.LimitOutput",
        "nbgrader.preprocessors.SaveAutoGrades",
        "nbgrader.preprocessors.AssignLatePenalties",
        "nbgrader.preprocessors.CheckCellMetadata",
    ]
    c.Verify.timeout, c.Verify.device, c.Verify.unsafe = timeout, device, unsafe
    # zip_collect, on what Canvas, Moodle, Blackboard, Brightspace and ILIAS hand out: see lms_names.
    c.ZipCollectApp.extractor_plugin = "grader.collect.SafeExtractor"
    c.ZipCollectApp.collector_plugin = "grader.collect.Collector"
    return c
