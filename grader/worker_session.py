"""A session: set itself up, run cells, answer calls. From `_serve` on everything here runs beside student code."""

import contextlib
import functools
import os
import socket
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass

from reward_lab.checks.subject import Failure, LocalSubject, Reply

from .codec import ProtocolError, encode
from .protocol import Channel
from .worker_cells import run_cell
from .worker_given import give
from .worker_limits import drop_privileges, limit, mount_fresh_folders, start_loopback
from .worker_syscalls import filter_calls


@dataclass(frozen=True)
class Setting:
    """What a session is made of.

    Fields: `sandboxed`, whether there are namespaces to furnish and privileges to drop; `folder`, where its
    cells run; `keep_proc`, leave /proc as it is, which CUDA needs; `cpu_seconds`, what each process may compute.
    """

    sandboxed: bool
    folder: str
    keep_proc: bool
    cpu_seconds: int


@contextlib.contextmanager
def exit_after() -> Iterator[None]:
    """Leave a forked process for good, whatever happens in it: it must never return into its parent's code."""
    try:
        yield
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def serve_session(descriptor: int, shell: object, setting: Setting) -> None:
    """Be a session until the channel closes; never return.

    Args:
        descriptor: the session's end of the channel.
        shell: the student's shell.
        setting: see there.
    """
    with exit_after():
        channel = Channel(socket.socket(fileno=descriptor))
        os.closerange(3, descriptor)
        os.closerange(descriptor + 1, 1024)
        limit(setting.cpu_seconds, unlimited_addresses=setting.keep_proc)
        if setting.sandboxed:
            mount_fresh_folders(setting.keep_proc)
            start_loopback()
            drop_privileges()
            filter_calls()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):  # endless output goes nowhere, at no cost
            os.dup2(nowhere, stream)
        os.makedirs(setting.folder, exist_ok=True)
        os.chdir(setting.folder)
        sys.path.insert(0, "")  # as in a notebook: a file beside it can be imported
        shell.builtin_trap.activate()  # as there: display() and get_ipython() are at hand, within functions too
        _serve(channel, shell)


def _serve(channel: Channel, shell: object) -> None:
    """Answer requests until the channel closes."""
    subject: LocalSubject | None = None
    while True:
        request, descriptors = channel.receive_with_descriptors()
        match request["op"]:
            case "run":
                told = (request["skip"], request["definitions_only"])
                channel.send(run_cell(shell, request["source"], *told, functools.partial(_tell, channel)))
            case "give":
                give(request["module"], request["name"], request["source"])
                channel.send({"given": True})
            case "fork":
                if os.fork() == 0:
                    channel.close()
                    channel = Channel(socket.socket(fileno=descriptors[0]))
                    continue
                os.close(descriptors[0])
                channel.send({"forked": True})
            case "call" | "differentiate" | "create" | "apply" | "step" | "length" | "items" as method:
                if request["subject"] is not None:  # a new case
                    name, device, seed = request["subject"]
                    if name not in shell.user_ns:
                        channel.send({"missing": True})
                        continue
                    subject = LocalSubject(shell.user_ns[name], device, seed)
                channel.send_frame(_frame(_reply(subject, method, request["arguments"])))


def _tell(channel: Channel, *place: int) -> None:
    channel.send({"at": place})


def _reply(subject: LocalSubject, method: str, arguments: tuple) -> Reply:
    try:
        return getattr(subject, method)(*arguments)
    except Exception as error:  # an answer broke the subject itself, for example its generators
        return _failed(type(error).__name__, "while the answer was called")


def _frame(reply: Reply) -> bytes:
    """The reply as it is sent. What can't be sent costs the answer this call, and nothing else."""
    try:
        return encode(reply)
    except ProtocolError as error:
        return encode(_failed("TooLong", str(error)))


def _failed(type_name: str, message: str) -> Reply:
    return Reply(failure=Failure(type_name, message, ""))
