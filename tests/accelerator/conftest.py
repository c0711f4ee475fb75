import builtins
from collections.abc import Iterator

import pytest
import torch
from torch.utils._device import _device_constructors

from reward_lab.checks import subject, values

from .stand_in import REPLACED, StandInTensor, install


@pytest.fixture
def device(monkeypatch) -> Iterator[str]:
    """The stand-in. Checks take its tensors for what a GPU's are: plain tensors."""

    def kind(value):
        return torch.Tensor if isinstance(value, StandInTensor) else builtins.type(value)

    for module in (values, subject):
        monkeypatch.setattr(module, "type", kind, raising=False)
    name = install()
    # torch remembers which functions make tensors, for `with torch.device(...)`: it must not remember the replaced ones.
    _device_constructors()
    for what, stand_in in REPLACED.items():
        monkeypatch.setattr(torch, what, stand_in)
    # Gradients are computed by the calling thread: torch's threads for a device are as many as there were devices when
    # the first gradient of this process was computed, and an exception in one of them ends the process.
    with torch.autograd.set_multithreading_enabled(False):
        yield name
