"""What a run needs to go on after an interruption, in one file that is always whole."""

import io
import os
from pathlib import Path

import torch


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that whenever the program dies there is the old one or the new one, whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


class Checkpoint:
    """The state of a run in a file.

    Args:
        path: the file; it need not exist.
        run: what the run is made of, such as a hash of its data and settings. A checkpoint of another run is
            refused: going on from it would mix two runs.
    """

    def __init__(self, path: str | Path, run: str):
        self.path, self.run = Path(path), run

    def load(self) -> dict | None:
        """The state, on the CPU, or None if there is no file.

        Raises:
            ValueError: the file is damaged, or of another run.
        """
        if not self.path.exists():
            return None
        try:
            # weights_only: tensors and plain values; a file from somebody else can't run code.
            saved = torch.load(self.path, map_location="cpu", weights_only=True)
            run, state = saved["run"], saved["state"]
        except Exception as error:  # torch raises many kinds for a damaged file
            raise ValueError(f"{self.path} is damaged: delete it to start anew ({error})") from None
        if run != self.run:
            raise ValueError(
                f"{self.path} is of a run with other data or settings: repeat those to go on with it, use another "
                "folder, or delete it to start anew"
            )
        return state

    def save(self, state: dict) -> None:
        """Replace the file by one with this state: tensors, and dicts, lists, numbers and texts."""
        buffer = io.BytesIO()
        torch.save({"run": self.run, "state": state}, buffer)
        write_atomically(self.path, buffer.getvalue())

    def delete(self) -> None:
        """Remove the file, if there is one."""
        self.path.unlink(missing_ok=True)
