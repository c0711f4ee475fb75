"""System calls that a session can't make: what would outlive it, hold bytes that nobody counts, or undo its walls.

A filter of the kernel's (seccomp, see seccomp(2)) answers each with "no such call", so that programs fall back on
something else. It holds for all processes of the session and can't be taken off.
"""

import ctypes
import errno
import platform
import struct

_X86_64, _AARCH64 = 0xC000003E, 0xC00000B7
_MACHINES = {"x86_64": (_X86_64, 0), "aarch64": (_AARCH64, 1)}
_BLOCKED = {
    # kernel keyrings outlive a session, and the session's own is that of the user who grades
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    # System V and POSIX objects: shared memory that no process has attached is in nobody's sum
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195),
    "semget": (64, 190), "semop": (65, 193), "semctl": (66, 191), "semtimedop": (220, 192),
    "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187),
    "mq_open": (240, 180), "mq_unlink": (241, 181),
    # files in memory that no folder's limit counts
    "memfd_create": (319, 279), "memfd_secret": (447, 447),
    # namespaces and mounts: a new user namespace has every privilege in it, and mounts without a limit
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "clone3": (435, 435),  # its flags can't be looked at; libraries fall back on clone, whose can
    # other processes' memory, and parts of the kernel that no lesson needs
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "pidfd_getfd": (438, 438),
    "kcmp": (312, 272), "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
}  # fmt: skip
"""name -> its number on x86_64 and on aarch64."""
_CLONE = (56, 220)
_NAMESPACES = 0x7E020080
"""All CLONE_NEW... flags of clone(2)."""
_X32 = 0x40000000
"""On x86_64, numbers from here on are a second set of the same calls."""

_LOAD, _JUMP_IF, _JUMP_IF_AT_LEAST, _JUMP_IF_ANY, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # places in struct seccomp_data
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def can_filter() -> bool:
    """Whether there is a filter for this kind of machine."""
    return platform.machine() in _MACHINES


def filter_calls() -> None:
    """Take the calls away from this process and all that it starts, for good. It must have given up new privileges before.

    Raises:
        OSError: the kernel has no filters.
    """
    architecture, column = _MACHINES[platform.machine()]
    numbers = [each[column] for each in _BLOCKED.values()]
    code = _program(architecture, numbers, _CLONE[column])
    libc = ctypes.CDLL(None, use_errno=True)
    program = _Program(len(code) // 8, code)
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_SECCOMP)")


def _program(architecture: int, numbers: list[int], clone: int) -> bytes:
    """The filter as instructions of the kernel's packet filter, 8 bytes each."""
    refuse = (_RETURN, 0, 0, _ERROR | errno.ENOSYS)
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_IF, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if architecture == _X86_64:
        steps += [(_JUMP_IF_AT_LEAST, 0, 1, _X32), refuse]
    for number in numbers:
        steps += [(_JUMP_IF, 0, 1, number), refuse]
    steps += [
        (_JUMP_IF, 0, 3, clone),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_JUMP_IF_ANY, 0, 1, _NAMESPACES),
        refuse,
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
