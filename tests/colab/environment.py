"""An environment with chosen versions, and a Jupyter kernel in it."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

from grader.build import ROOT

NEEDED_BY_A_KERNEL = ("ipython", "ipykernel")


class VersionsError(Exception):
    """The environment can't be made. The message says what failed."""


def requirements(versions: str) -> list[str]:
    """What to install for `colab`, `floors` or `newest`, as pip reads it."""
    if versions == "colab":
        lines = (Path(__file__).parent / "colab.txt").read_text(encoding="utf-8").splitlines()
        return [line for line in lines if line and not line.startswith("#")]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = project["dependencies"] + project["optional-dependencies"]["text"]
    if versions == "floors":
        return [line.replace(">=", "==") for line in declared] + [*NEEDED_BY_A_KERNEL]
    return [re.split("[>=]", line)[0] for line in declared] + [*NEEDED_BY_A_KERNEL]


@dataclass(frozen=True)
class Environment:
    """A virtual environment whose kernel is called `name`."""

    folder: Path
    name: str

    @classmethod
    def make(cls, folder: Path, versions: str, python: str, torch: str | None) -> "Environment":
        """Make one anew.

        Args:
            folder: is emptied.
            versions: `colab`, `floors` or `newest`.
            python: the interpreter to make it of.
            torch: a requirement that takes the place of the list's, or None.

        Raises:
            VersionsError: Python or a package is not to be had.
        """
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        environment = cls(folder, f"reward-lab-{versions}")
        wanted = [torch if torch and re.match(r"torch\b", line) else line for line in requirements(versions)]
        _must([python, "-m", "venv", str(folder / "venv")], f"no environment of {python}")
        _must([environment.python, "-m", "pip", "install", "--quiet", *wanted], "not all versions can be had")
        environment._write_kernel()
        return environment

    @property
    def python(self) -> str:
        return str(self.folder / "venv" / "bin" / "python")

    def installed(self) -> dict[str, str]:
        """Name -> version of every package, as `pip list` says."""
        listed = _must([self.python, "-m", "pip", "list", "--format", "json"], "pip list failed")
        return {
            package["name"].lower().replace("_", "-"): package["version"] for package in json.loads(listed)
        }

    def described(self) -> str:
        """Python and the versions that matter, in a line."""
        python = _must(
            [self.python, "-c", "import platform; print(platform.python_version())"], "no Python"
        ).strip()
        found = self.installed()
        names = ("torch", "numpy", "matplotlib", "ipython", "ipykernel", "safetensors", "tqdm")
        return f"Python {python}, " + ", ".join(f"{name} {found[name]}" for name in names)

    def _write_kernel(self) -> None:
        """Where Jupyter finds the kernel. It sees nothing of the checkout."""
        spec = self.folder / "kernels" / self.name
        spec.mkdir(parents=True)
        command = [self.python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        surroundings = {
            "PYTHONPATH": "",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "MPLCONFIGDIR": str(self.folder / "matplotlib"),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        content = {"argv": command, "display_name": self.name, "language": "python", "env": surroundings}
        (spec / "kernel.json").write_text(json.dumps(content), encoding="utf-8")
        os.environ["JUPYTER_PATH"] = str(self.folder)


def _must(command: list[str], otherwise: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise VersionsError(f"{otherwise}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout
