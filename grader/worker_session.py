"""A session: set itself up, run cells, answer calls. From `_serve` on everything here runs beside student code."""

import contextlib
import os
import re
import socket
import traceback
from collections.abc import Iterator

from .codec import ProtocolError
from .protocol import Channel
from .worker_limits import drop_privileges, limit, mount_fresh_folders

MESSAGE_LETTERS = 4000


@contextlib.contextmanager
def exit_after() -> Iterator[None]:
    """Leave a forked process for good, whatever happens in it: it must never return into its parent's code."""
    try:
        yield
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def serve_session(descriptor: int, shell: object, sandboxed: bool, keep_proc: bool, cpu_seconds: int) -> None:
    """Be a session until the channel closes; never return.

    Args:
        descriptor: the session's end of the channel.
        shell: the student's shell.
        sandboxed: whether there are namespaces to furnish and privileges to drop.
        keep_proc: leave /proc as it is, which CUDA needs.
        cpu_seconds: what each process may compute.
    """
    with exit_after():
        channel = Channel(socket.socket(fileno=descriptor))
        os.closerange(3, descriptor)
        os.closerange(descriptor + 1, 1024)
        limit(cpu_seconds, unlimited_addresses=keep_proc)
        if sandboxed:
            mount_fresh_folders(keep_proc)
            drop_privileges()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):  # endless output goes nowhere, at no cost
            os.dup2(nowhere, stream)
        if sandboxed:
            os.makedirs("/tmp/work", exist_ok=True)
            os.chdir("/tmp/work")
        _serve(channel, shell)


def _serve(channel: Channel, shell: object) -> None:
    """Answer requests until the channel closes. Everything from here on runs beside student code."""
    from reward_lab.checks.subject import Failure, LocalSubject, Reply

    subject: LocalSubject | None = None
    while True:
        request, descriptors = channel.receive_with_descriptors()
        match request["op"]:
            case "run":
                channel.send(_run_cell(shell, request["source"]))
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
                try:
                    reply = getattr(subject, method)(*request["arguments"])
                except Exception as error:  # an answer broke the subject itself, for example its generators
                    reply = Reply(failure=Failure(type(error).__name__, "while the answer was called", ""))
                try:
                    channel.send(reply)
                except ProtocolError as error:
                    channel.send(Reply(failure=Failure("TooLong", str(error), "")))


def _run_cell(shell: object, source: str) -> dict:
    """Run one cell. Returns what it raised, if anything, as the student would want to read it."""
    from IPython.core.interactiveshell import InteractiveShell

    # Looked up on IPython's class: the student's code may have replaced the instance's own methods.
    result = InteractiveShell.run_cell(shell, source, store_history=False)
    error = result.error_before_exec or result.error_in_exec
    if error is None:
        return {"error": None}
    lines = traceback.format_exception(type(error), error, _students_part(error.__traceback__), limit=20)
    text = re.sub(r"0x[0-9a-f]{6,}", "0x...", "".join(lines))
    value = "".join(traceback.format_exception_only(type(error), error)).partition(": ")[2]
    return {"error": [type(error).__name__, value[:MESSAGE_LETTERS], text[-MESSAGE_LETTERS:]]}


def _students_part(trace):
    """The traceback from the student's first line on."""
    while trace is not None and "interactiveshell" in trace.tb_frame.f_code.co_filename:
        trace = trace.tb_next
    return trace
