"""How reward-lab sets nbgrader up. A course's own nbgrader_config.py calls `configure`."""

import os
import sysconfig
import warnings

from traitlets.config import Config

# nbgrader calls the `alembic` command by name. It stands beside this Python, which is on no PATH unless
# the virtual environment was activated.
os.environ["PATH"] = sysconfig.get_path("scripts") + os.pathsep + os.environ.get("PATH", "")

# nbgrader's models make SQLAlchemy 2.1 warn at every submission; nothing that a user could act on.
warnings.filterwarnings("ignore", message="Object of type <Submitted", module="nbgrader")

COURSE_CONFIG = '''"""nbgrader settings of this course. Add your own below."""

from grader.nbgrader_config import configure

c = get_config()  # noqa: F821
configure(c)
'''


def configure(c: Config, timeout: int = 60) -> Config:
    """Set what reward-lab's lessons need of nbgrader.

    Args:
        c: changed in place, and returned.
        timeout: seconds that one cell may run while grading.
    """
    c.CourseDirectory.course_id = "reward-lab"
    # Marking schemes stand in the locked question above a written answer. nbgrader knows them in "task"
    # cells only, where students would have no cell of their own to write in.
    c.ClearMarkScheme.enforce_metadata = False
    c.ClearSolutions.text_stub = "YOUR ANSWER HERE"
    c.Execute.timeout = timeout
    # A kernel on this machine talks over the loopback interface, and new ones warn about it at every start.
    c.Execute.extra_arguments = ["--log-level=ERROR"]
    return c
