"""Compare an answer, call by call, with the right one and then with the usual wrong ones."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from .exercise import Mistake
from .naming import named, ways
from .subject import LocalSubject, Subject
from .values import describe, number_text, number_texts

Outcome = dict[str, Tensor]
"""What a call came to: name of each part -> its numbers, float64 on the CPU."""
Read = Callable[[object, tuple], Outcome]
"""(value of a reply, arguments of the call) -> its outcome; raises Mistake where the form is wrong."""
Explain = Callable[[Sequence[Outcome], Sequence[Outcome]], str | None]
"""(what came, what was expected) -> a sentence on what the numbers themselves show, or None."""

GRADIENT = "the gradient in "
"""How a part that is a gradient is named. It is compared relative to its largest entry."""


def expect_like(
    subject: Subject,
    right: Callable,
    mistakes: Mapping[str, Callable | Sequence[Callable]],
    calls: Sequence[tuple],
    read: Read,
    request: str = "call",
    rtol: float = 1e-4,
    atol: float = 1e-5,
    explain: Explain | None = None,
) -> None:
    """Pass if every call comes out as the right answer's. Otherwise name the mistakes that explain every call.

    Args:
        subject: the student's.
        right: the package's own.
        mistakes: sentence -> the answer that makes this mistake, or several answers that make it.
        calls: the arguments of each call.
        read: takes a reply apart.
        request: "call" or "differentiate".
        rtol, atol: relative and absolute tolerance, as in torch.allclose. A gradient's is `rtol` of its largest entry.
        explain: asked where no usual mistake fits, or too many do for any of them to be named.

    Raises:
        Mistake: with the first number that differs.
    """
    got = [read(getattr(subject, request)(*arguments).value, arguments) for arguments in calls]
    want = list(_outcomes(right, calls, read, request, subject.device))

    def agree(a: Sequence[Outcome], b: Sequence[Outcome]) -> bool:
        return all(
            x.keys() == y.keys() and all(_same(part, x[part], y[part], rtol, atol) for part in y)
            for x, y in zip(a, b, strict=True)
        )

    if agree(got, want):
        return

    def explains(mistake: Callable) -> bool:
        wrong = []
        for came, outcome in zip(got, _outcomes(mistake, calls, read, request, subject.device), strict=True):
            if outcome is None or not agree([came], [outcome]):
                return False
            wrong.append(outcome)
        return not agree(wrong, want)

    likely = named(said for said, mistake in ways(mistakes) if explains(mistake))
    if likely is None and explain is not None:
        likely = explain(got, want)
    expected_text, got_text = next(
        _first_difference(part, y[part], x[part], rtol, atol)
        for x, y in zip(got, want, strict=True)
        for part in y
        if not _same(part, x[part], y[part], rtol, atol)
    )
    raise Mistake(expected_text, got_text, likely)


def _outcomes(
    answer: Callable, calls: Sequence[tuple], read: Read, request: str, device: str
) -> Iterator[Outcome | None]:
    """What each call of an answer of ours comes to, or None where it fails: a wrong one may fail on some inputs."""
    local = LocalSubject(answer, device)
    for arguments in calls:
        try:
            yield read(getattr(local, request)(*arguments).value, arguments)
        except Mistake:
            yield None


def _tolerance(part: str, want: Tensor, rtol: float, atol: float) -> tuple[float, float]:
    """Relative and absolute tolerance of a part."""
    if not part.startswith(GRADIENT) or not want.numel():
        return rtol, atol
    return 0.0, rtol * want.nan_to_num(posinf=0, neginf=0).abs().max().item() + 1e-9


def _same(part: str, got: Tensor, want: Tensor, rtol: float, atol: float) -> bool:
    rtol, atol = _tolerance(part, want, rtol, atol)
    return got.shape == want.shape and torch.allclose(got, want, rtol=rtol, atol=atol, equal_nan=True)


def _first_difference(part: str, want: Tensor, got: Tensor, rtol: float, atol: float) -> tuple[str, str]:
    rtol, atol = _tolerance(part, want, rtol, atol)
    if part.startswith(GRADIENT) and want.any():
        if not got.any():
            return f"{part}, as large as {number_text(want.abs().max().item())}", "none there"
        if not got.isfinite().all():
            return f"{part} to be finite", "NaN or infinity in it"
    differ = ~torch.isclose(got, want, rtol=rtol, atol=atol, equal_nan=True)
    place = tuple(differ.nonzero()[0].tolist())
    name = part + (f"[{', '.join(map(str, place))}]" if place else "")
    wanted, found = number_texts(want[place].item(), got[place].item())
    return f"{name} = {wanted}", found


def numbers_of(value: object, shape: tuple[int, ...], what: str, likely: str | None = None) -> Tensor:
    """The numbers of a floating-point tensor of this shape, as float64 on the CPU; anything else is a Mistake."""
    wanted = f"{what} to be a floating-point tensor of shape {shape}"
    if not isinstance(value, Tensor) or not value.is_floating_point() or tuple(value.shape) != shape:
        raise Mistake(wanted, describe(value), likely)
    return value.detach().cpu().double()


def loss_and_gradients(
    names: Sequence[str], reduce: str = "One number is asked for: take the mean over all elements."
) -> Read:
    """Reads a reply of `differentiate`: the loss, and its gradient in each argument that requires one.

    Args:
        names: of the arguments, in order.
        reduce: said where the loss has a dimension left.
    """

    def read(value: object, arguments: tuple) -> Outcome:
        loss, gradients = value if type(value) is tuple and len(value) == 2 else (value, None)
        if not isinstance(loss, Tensor) or loss.dim() != 0 or not loss.is_floating_point():
            likely = None
            if isinstance(loss, Tensor) and loss.dim() > 0:
                likely = reduce
            elif type(loss) is float:
                likely = "A Python number carries no gradient: return the tensor, without .item()."
            raise Mistake("a scalar tensor (0-dim)", describe(loss), likely)
        if gradients is None:
            raise Mistake(
                "a loss that gradients flow from",
                "a tensor that is cut off from `" + names[0] + "`",
                "Something detached it: look for .detach(), .item(), torch.tensor(...) or torch.no_grad() around it.",
            )
        outcome = {"loss": loss.detach().cpu().double()}
        leaves = [
            (name, a)
            for name, a in zip(names, arguments, strict=True)
            if isinstance(a, Tensor) and a.requires_grad
        ]
        for (name, leaf), gradient in zip(leaves, gradients, strict=True):
            # An argument that the loss does not depend on has no gradient: that is a gradient of 0.
            numbers = torch.zeros_like(leaf) if gradient is None else gradient
            outcome[f"{GRADIENT}`{name}`"] = numbers.detach().cpu().double()
        return outcome

    return read


def levels_off(got: Sequence[Outcome], want: Sequence[Outcome]) -> bool:
    """Whether some calls are right, and all others have a wrong, finite loss and no gradient where it should be large.

    A clamp shows so, and a small number inside a logarithm, whatever the constant. To be used as, or in, an Explain.
    """
    flat = []
    for a, b in zip(got, want, strict=True):
        if a.keys() != b.keys() or not all(part.isfinite().all() for part in a.values()):
            return False
        if not all(_same(part, a[part], b[part], rtol=1e-2, atol=1e-2) for part in b):
            flat.append(not _same("loss", a["loss"], b["loss"], rtol=1e-2, atol=1e-2) and _is_flat(a, b))
    return bool(flat) and all(flat) and len(flat) < len(got)


def _is_flat(got: Outcome, want: Outcome) -> bool:
    """Whether a gradient is 0 everywhere, or at an entry where it should be nearly as large as anywhere."""
    pairs = [(got[part].abs(), want[part].abs()) for part in want if part.startswith(GRADIENT)]
    if not any(a.any() for a, _ in pairs):
        return True
    return any(((b > 0.4 * b.max()) & (a < 1e-3 * b.max())).any() for a, b in pairs if b.numel())


def normal(
    draw: torch.Generator, *shape: int, dtype: torch.dtype = torch.float32, scale: float = 1.0
) -> Tensor:
    """Normal numbers around 0."""
    return torch.randn(*shape, generator=draw, dtype=dtype) * scale
