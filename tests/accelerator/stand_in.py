"""A stand-in for a GPU: a device of torch's own kind, `standin`, that computes on the CPU and behaves as if far away.

Its tensors refuse to meet CPU tensors, and refuse `.numpy()`, as CUDA's do. So code that puts a tensor in the wrong
place fails on a machine without a GPU. It stands on torch's PrivateUse1 device with a Python backend.
"""

import contextlib
import time

import torch
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "standin"
MAY_MEET = {"_to_copy", "copy_", "index_put_", "_index_put_impl_", "index_put", "set_", "_local_scalar_dense"}
"""Operations that take tensors of two devices on a GPU too: copies, and indices that lie on the CPU."""


class StandInTensor(torch.Tensor):
    """A tensor that claims to lie on the stand-in. `raw` is where its numbers are."""

    @staticmethod
    def __new__(cls, raw: torch.Tensor):
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            raw.size(),
            strides=raw.stride(),
            storage_offset=raw.storage_offset(),
            dtype=raw.dtype,
            layout=raw.layout,
            device=torch.device(NAME, 0),
        )
        made.raw = raw
        return made

    def __repr__(self, *args, **kwargs) -> str:
        return f"StandInTensor({self.raw!r})"

    def numpy(self, *args, **kwargs):
        raise TypeError(f"can't convert {NAME}:0 device type tensor to numpy. Use Tensor.cpu() first.")

    __array__ = numpy

    def tolist(self) -> list:
        return self.raw.tolist()  # as on a GPU, which copies the numbers

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return _compute(operation, args, kwargs or {})


class StandInGenerator(torch.Generator):
    """torch.Generator, which may claim to lie on the stand-in. Tensors there are drawn with such a one only.

    What is not caught: a CPU tensor drawn with it, which a GPU's generator refuses.
    """

    claims: dict[int, torch.Generator] = {}
    """Those that lie on the stand-in, by what torch knows them by: an operation gets another Python object."""

    def __new__(cls, device="cpu"):
        there = torch.device(device).type == NAME
        made = super().__new__(cls, "cpu" if there else device)
        if there:
            cls.claims[made._cdata] = made
        return made

    @property
    def device(self) -> torch.device:
        return torch.device(NAME, 0) if self._cdata in self.claims else torch.device("cpu")


class OutOfTime(RuntimeError):
    """The CPU time that `within` allows is used up."""


_until = [float("inf")]


@contextlib.contextmanager
def within(seconds: float):
    """Let operations on the stand-in raise OutOfTime after so many seconds of CPU time."""
    # Raised from inside an operation: an exception of a signal's handler may strike while torch holds half a tensor.
    _until[0] = time.process_time() + seconds
    try:
        yield
    finally:
        _until[0] = float("inf")


def _compute(operation, args: tuple, kwargs: dict):
    """Run an operation on the CPU, and say where its result lies."""
    # Not from within a backward pass, which may end the process when an operation raises.
    if time.process_time() > _until[0] and torch._C._current_graph_task_id() == -1:
        raise OutOfTime
    name = operation._schema.name.removeprefix("aten::")
    leaves = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, torch.Tensor)]
    ours = [leaf for leaf in leaves if isinstance(leaf, StandInTensor)]
    # A 0-dim CPU tensor counts as a number, also on a GPU.
    far = [leaf for leaf in leaves if not isinstance(leaf, StandInTensor) and leaf.dim() > 0]
    if ours and far and name not in MAY_MEET and not _only_indices(name, args):
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but found at least two devices, {NAME}:0 and cpu! "
            f"(when checking the arguments of {name})"
        )
    device = kwargs.get("device")
    there = bool(ours) if device is None else torch.device(device).type == NAME
    if name == "copy_":
        there = isinstance(args[0], StandInTensor)
    generator = kwargs.get("generator")
    if generator is not None and there != (generator._cdata in StandInGenerator.claims):
        raise RuntimeError(
            f"Expected a '{NAME if there else 'cpu'}' device type for generator but found another"
        )
    if device is not None:
        kwargs = {**kwargs, "device": "cpu"}
    raw_args, raw_kwargs = tree_map(_raw, (args, kwargs))
    result = operation(*raw_args, **raw_kwargs)
    known = {id(leaf.raw): leaf for leaf in ours}
    return tree_map(lambda value: _wrapped(value, known), result) if there else result


def _only_indices(name: str, args: tuple) -> bool:
    """x[i] takes indices that lie on the CPU, wherever x lies."""
    return name == "index" and isinstance(args[0], StandInTensor)


def _raw(value):
    return value.raw if isinstance(value, StandInTensor) else value


def _wrapped(value, known: dict):
    """A result as a tensor of the device; the same object again where an operation works in place."""
    if not isinstance(value, torch.Tensor) or isinstance(value, StandInTensor):
        return value
    return known[id(value)] if id(value) in known else StandInTensor(value)


class _Module:
    """What torch asks of `torch.standin`."""

    def is_initialized(self) -> bool:
        return True

    def is_available(self) -> bool:
        return True

    def current_device(self) -> int:
        return 0

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        pass

    def device_count(self) -> int:
        return 1

    def get_amp_supported_dtype(self) -> list:
        return [torch.float16, torch.bfloat16]

    def get_rng_state(self, *_) -> torch.Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: torch.Tensor, *_) -> None:
        torch.set_rng_state(state)


def _with_device(make):
    """torch.tensor and its like build on the CPU; the backend in Python can't be asked for memory to write into."""

    def made(*args, device=None, **kwargs):
        if device is None or torch.device(device).type != NAME:
            return make(*args, device=device, **kwargs)
        tracked = kwargs.pop("requires_grad", False)
        there = make(*args, **kwargs).to(device)
        return there.requires_grad_() if tracked else there

    return made


def install() -> str:
    """Register the device, once in a process, and return its name."""
    if not hasattr(torch, NAME):
        _setup_privateuseone_for_python_backend(NAME, _Module())
        library = torch.library.Library("_", "IMPL")
        library.fallback(lambda operation, *args, **kwargs: _compute(operation, args, kwargs), "PrivateUse1")
        install.library = library  # it deregisters when it is collected
    return NAME


REPLACED = {
    "tensor": _with_device(torch.tensor),
    "as_tensor": _with_device(torch.as_tensor),
    "Generator": StandInGenerator,
}
"""What has to stand in place of torch's own while the device is in use."""
