"""Nothing outlives a session: what one leaves, in whatever place, the next does not find, and every byte of it is limited.

Cost: one sandbox for all, 4 s of CPU to start and 0.2 s a session; marked slow.
"""

# ruff: noqa: E501  (submissions are written as students would write them)

import time

import pytest

from grader.host import sandbox_problem
from grader.protocol import until
from grader.sandbox import Sandbox
from grader.worker_limits import MAX_FILES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sandbox_problem() is not None, reason=f"no sandbox: {sandbox_problem()}"),
]


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox("01_reward_modeling") as sandbox:
        sandbox.wait_until_ready()
        yield sandbox


def said(sandbox, code: str) -> str:
    """What `code` leaves in `told`, in a new session."""
    channel = sandbox.open_session(60)
    source = f"{PRELUDE}\n{code}\nraise KeyError(repr(told))"
    channel.send({"op": "run", "source": source, "skip": [], "definitions_only": False})
    while True:
        reply = channel.receive(until(time.monotonic() + 120))
        if "errors" in reply:
            break
    channel.close()
    sandbox.end_session()
    assert [error[1] for error in reply["errors"]] == ["KeyError"], reply
    return reply["errors"][0][2]


PRELUDE = """
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
told = []
def call(number, *arguments):
    "The result of a system call, or the name of its error."
    ctypes.set_errno(0)
    result = libc.syscall(number, *arguments)
    return result if result >= 0 else -ctypes.get_errno()
"""
# Numbers of x86_64; a machine of another kind has the same calls under others.
LEAVE = {
    "a file in any folder": """
for folder, folders, files in os.walk("/"):
    if folder.count("/") > 4 or folder.startswith(("/usr", "/proc", "/sys")): folders.clear()
    try:
        open(os.path.join(folder, "left-behind"), "w").write("x")
        told.append(folder)
    except OSError: pass
""",
    "a user keyring": "told.append(call(248, b'user', b'left-behind', b'x', ctypes.c_size_t(1), ctypes.c_int(-4)))",
    "a session keyring": "told.append(call(248, b'user', b'left-behind', b'x', ctypes.c_size_t(1), ctypes.c_int(-3)))",
    "a process keyring": "told.append(call(248, b'user', b'left-behind', b'x', ctypes.c_size_t(1), ctypes.c_int(-2)))",
    "System V memory": "told.append(call(29, 4321, ctypes.c_size_t(4096), 0o1666))",
    "System V messages": "told.append(call(68, 4321, 0o1666))",
    "System V semaphores": "told.append(call(64, 4321, 1, 0o1666))",
    "a POSIX queue": "told.append(call(240, b'left-behind', 0o102, 0o666, None))",
    "POSIX memory": """
fd = libc.shm_open(b"/left-behind", os.O_CREAT | os.O_RDWR, 0o666)
told.append(os.write(fd, b"x"))
""",
    "an abstract socket": """
left = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); left.bind("\\0left-behind")
pair = socket.socketpair()  # in flight in itself, it outlives its process until the kernel looks
socket.send_fds(pair[0], [b"x"], [left.fileno(), pair[1].fileno()])
told.append(0)
""",
    "a port": """
server = socket.create_server(("127.0.0.1", 4321)); client = socket.create_connection(("127.0.0.1", 4321))
server.accept()[0].close(); client.close()
told.append(0)
""",
}  # fmt: skip
FIND = """
for folder, folders, files in os.walk("/"):
    if folder.startswith(("/usr", "/proc", "/sys")): folders.clear()
    told += [os.path.join(folder, f) for f in files if "left-behind" in f]
for keyring in (-2, -3, -4, -5):
    found = call(250, 10, ctypes.c_int(keyring), b"user", b"left-behind", 0)  # KEYCTL_SEARCH
    if found >= 0: told.append(["key", found])
for number, arguments in ((29, (4321, ctypes.c_size_t(0), 0)), (68, (4321, 0)), (64, (4321, 0, 0)), (240, (b"left-behind", 0, 0, None))):
    if call(number, *arguments) >= 0: told.append(["System V or POSIX", number])
if libc.shm_open(b"/left-behind", 0, 0) >= 0: told.append("POSIX memory")
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
try: s.bind("\\0left-behind")
except OSError as error: told.append(["abstract", str(error)])
t = socket.socket()
try: t.bind(("127.0.0.1", 4321))
except OSError as error: told.append(["port", str(error)])
try: told += [line for line in open("/proc/net/dev") if line.split()[0] == "lo:" and line.split()[1] != "0"]
except OSError: pass
"""  # fmt: skip


@pytest.mark.parametrize("what", LEAVE)
def test_the_next_session_finds_nothing_of_it(what, sandbox):
    said(sandbox, LEAVE[what])
    assert said(sandbox, FIND) == "'[]'", what


@pytest.mark.parametrize(
    "what", [name for name in LEAVE if "keyring" in name or "System V" in name or "queue" in name]
)
def test_what_no_lesson_needs_is_not_to_be_had(what, sandbox):
    assert said(sandbox, LEAVE[what]) == "'[-38]'"  # ENOSYS


def test_files_go_where_they_are_counted_and_nowhere_else(sandbox):
    folders = said(sandbox, LEAVE["a file in any folder"])
    assert set(eval(eval(folders))) <= {"/tmp", "/tmp/work", "/dev/shm", "/tmp/ipython", "/tmp/matplotlib"}


HOLD = {
    "a device folder": "open('/dev/full-of-it', 'wb').write(bytes(2**20))\ntold.append('held')",
    "a file in memory": "told.append('held' if call(319, b'x', 0) >= 0 else 0)",
    "a mount of its own": "told.append('held' if call(272, 0x10020000) >= 0 else 0)",
    "a mount by clone": "told.append('held' if call(56, 0x10020000 | 17, 0, 0, 0, 0) > 0 else 0)",
    "more than the limit in a folder": f"""
with open('/dev/shm/a', 'wb') as one, open('/dev/shm/b', 'wb') as two:
    for file in (one, two):
        for _ in range({MAX_FILES // 2**20} - 8): file.write(bytes(2**20))
told.append('held')
""",
    "files without end": "os.makedirs('many')\nfor n in range(10**5): open(f'many/{n}', 'w').close()\ntold.append('held')",
}


@pytest.mark.parametrize("what", HOLD)
def test_bytes_that_no_limit_counts_are_not_to_be_had(what, sandbox):
    body = "".join(f"    {line}\n" for line in HOLD[what].strip().splitlines())
    assert "held" not in said(sandbox, f"try:\n{body}except OSError as error: told.append(error.errno)")


def test_processes_of_a_session_reach_each_other_by_127_0_0_1(sandbox):
    code = "server = socket.create_server(('127.0.0.1', 0))\nsocket.create_connection(server.getsockname())\ntold.append(1)"
    assert said(sandbox, code) == "'[1]'"
