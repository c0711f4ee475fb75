"""How to grade."""

from dataclasses import dataclass, field

from .project import Project, own_project


@dataclass(frozen=True)
class Settings:
    """How to grade. The same settings and file give the same verdict."""

    seed: str | None = None
    """What the inputs of checks are drawn from. None: the course's own secret, made on first use."""
    device: str = "cpu"
    """`cpu` or `cuda`."""
    timeout: float = 60
    """Seconds that one submission may compute, or sleep, its cells and all its checks together. What other
    programs take of the machine meanwhile does not count. What has to run again, after a crash, may take as long again."""
    workers: int = 1
    """Submissions graded at the same time."""
    unsafe: bool = False
    """Grade in a plain subprocess, without a sandbox."""
    project: Project = field(default_factory=own_project)
    """Whose lessons are graded."""

    @property
    def answer_timeout(self) -> float:
        """Seconds that one statement of a cell, or one call of an answer, may take."""
        return self.timeout / 6
