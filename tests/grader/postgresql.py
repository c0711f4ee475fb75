"""A PostgreSQL server of the tests' own: in a temporary folder, on a socket in it, gone when they are done."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path


def programs() -> Path | None:
    """The folder of the newest server's programs; None if there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda p: float(p.parts[-3]))
    on_path = shutil.which("pg_ctl")
    found = found or ([Path(on_path)] if on_path else [])
    return found[-1].parent if found else None


def why_none() -> str | None:
    """What is missing for a server, or None."""
    if programs() is None:
        return "no PostgreSQL server: apt-get install postgresql"
    return None


class Server:
    """A running server.

    Args:
        folder: an empty folder, for its data and its socket.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        # It refuses to run as root.
        self._user: dict = {"user": _other_user(), "group": _other_user(), "extra_groups": []}
        if os.geteuid() != 0:
            self._user = {}
        else:
            os.chown(folder, _other_user(), -1)
        self._call(
            "initdb", "-D", f"{folder}/data", "-U", "marker", "--auth=trust", "--no-sync", "-E", "UTF8"
        )
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = f"-c listen_addresses='' -k {self.folder} -c fsync=off -c max_connections=50"
        self._call(
            "pg_ctl", "-D", f"{self.folder}/data", "-l", f"{self.folder}/log", "-w", "-o", settings, "start"
        )

    def stop(self) -> None:
        """Stop it, whoever is connected."""
        self._call("pg_ctl", "-D", f"{self.folder}/data", "-w", "-m", "immediate", "stop")

    def new_database(self, name: str) -> str:
        """An empty database's URL."""
        self._call("createdb", "-h", str(self.folder), "-U", "marker", name)
        return f"postgresql+psycopg://marker:secret@/{name}?host={self.folder}"

    def _call(self, program: str, *arguments: str) -> None:
        command = [str(programs() / program), *arguments]
        done = subprocess.run(
            command, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={"PATH": os.defpath, "LANG": "C"}, **self._user,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout


def _other_user() -> int:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    return 65534


@contextlib.contextmanager
def running_server() -> Iterator[Server]:
    """A server for as long as the block runs."""
    # Not below pytest's folders, which only their owner may enter.
    with tempfile.TemporaryDirectory(prefix="reward-lab-postgresql-", ignore_cleanup_errors=True) as name:
        server = Server(Path(name))
        try:
            yield server
        finally:
            with contextlib.suppress(AssertionError):  # a test may have stopped it
                server.stop()
