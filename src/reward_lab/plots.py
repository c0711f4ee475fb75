"""The figures that lessons share. Colours are told apart by everybody (Okabe and Ito, 2008), and never alone."""

import base64
import html
import io
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .trainer import History

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#666666"
CHANCE_LOSS = float(np.log(2))


def show(figure: Figure, alt: str) -> None:
    """Display a figure in a notebook, with a text for those who can't see it, and close it.

    The output is an `<img>` element. An `image/png` output with `alt` in its metadata would be shorter, but JupyterLab and
    nbconvert ignore it and write `alt=""`. The picture is kept once; where no HTML is shown the text stands for it.

    Args:
        figure: what to show.
        alt: what the figure shows, in a sentence or two.
    """
    from IPython.display import display  # here, so that the package works without IPython

    display({"text/html": image_element(figure, alt), "text/plain": alt}, raw=True)
    plt.close(figure)


def image_element(figure: Figure, alt: str) -> str:
    """The figure as an HTML `<img>` that holds its PNG, is never wider than the page, and has this alt text."""
    png = io.BytesIO()
    figure.savefig(png, format="png", bbox_inches="tight")
    data = base64.b64encode(png.getvalue()).decode()
    return f'<img alt="{html.escape(alt)}" style="max-width:100%" src="data:image/png;base64,{data}">'


def new_panels(count: int, width: float = 5.2, height: float = 3.8) -> tuple[Figure, Sequence[Axes]]:
    """A figure with so many plots side by side, in the style of the lessons. Width and height of one, in inches."""
    figure, axes = plt.subplots(
        1, count, figsize=(width * count, height), layout="constrained", squeeze=False
    )
    for axis in axes[0]:
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes[0]


def new_diagram(
    boxes: Sequence[tuple[float, float, str, str]],
    arrows: Sequence[tuple[tuple[float, float], tuple[float, float], str]],
    size: tuple[float, float],
    limits: tuple[float, float],
) -> tuple[Figure, Axes]:
    """Boxes with words in them, and arrows between places.

    Args:
        boxes: (x, y, text, colour of the frame) of each, the place being its middle.
        arrows: (start, end, colour) of each.
        size: width and height in inches.
        limits: the largest x and y; the least are 0.
    """
    figure, (axis,) = new_panels(1, *size)
    axis.axis("off")
    axis.set(xlim=(0, limits[0]), ylim=(0, limits[1]))
    for x, y, text, colour in boxes:
        frame = {"boxstyle": "round,pad=0.5", "facecolor": "none", "edgecolor": colour}
        axis.text(x, y, text, ha="center", va="center", fontsize=10, bbox=frame)
    for start, end, colour in arrows:
        axis.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": colour})
    return figure, axis


def draw_band(
    axis: Axes,
    x: Sequence[float],
    rows: Sequence[Sequence[float]],
    style: tuple[str, str],
    label: str,
    alpha: float = 0.18,
) -> None:
    """The mean over seeds as a line, and their range as a band: one row of numbers a seed, (colour, line style)."""
    values = np.array(rows)
    axis.plot(x, values.mean(axis=0), color=style[0], linestyle=style[1], label=label)
    axis.fill_between(x, values.min(axis=0), values.max(axis=0), color=style[0], alpha=alpha, linewidth=0)


def plot_bradley_terry(differences: Sequence[float] = (2.0, -2.0)) -> Figure:
    """The preference probability and the loss as functions of the reward difference, with points marked."""
    figure, (left, right) = new_panels(2)
    x = np.linspace(-5, 5, 201)
    marked = np.asarray(differences)
    for axis, curve, name, offset in (
        (left, lambda d: 1 / (1 + np.exp(-d)), "P(preferred wins)", (7, -12)),
        (right, lambda d: np.logaddexp(0, -d), "loss (nats)", (7, 5)),
    ):
        axis.plot(x, curve(x), color=BLUE)
        axis.plot(marked, curve(marked), "o", color=ORANGE)
        for d in marked:
            axis.annotate(f"{d:+g}: {curve(d):.3f}", (d, curve(d)), xytext=offset, textcoords="offset points")
        axis.set(xlabel="reward of preferred - reward of rejected", ylabel=name)
        axis.axvline(0, color=GREY, linestyle=":")
    left.set_title("The sigmoid turns a difference into a probability")
    right.set_title("The loss grows linearly when the ranking is wrong")
    return figure


def plot_history(history: History, title: str, held_out: bool = True, limit: float | None = 1.0) -> Figure:
    """Loss and accuracy per epoch, on training and, if asked for, held-out pairs, beside chance and limit.

    Args:
        history: of a run.
        title: the finding.
        held_out: show held-out pairs too.
        limit: the best possible accuracy; None where nobody knows it.
    """
    figure, (left, right) = new_panels(2)
    epochs = np.arange(1, len(history.train_loss) + 1)
    for axis, name in ((left, "loss"), (right, "accuracy")):
        axis.plot(epochs, getattr(history, f"train_{name}"), color=BLUE, label="training pairs")
        if held_out:
            axis.plot(
                epochs,
                getattr(history, f"held_out_{name}"),
                color=ORANGE,
                linestyle="--",
                label="held-out pairs",
            )
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
    left.axhline(CHANCE_LOSS, color=GREY, linestyle=":", label=f"guessing (ln 2 = {CHANCE_LOSS:.3f})")
    left.set(ylabel="Bradley-Terry loss (nats)", ylim=(0, None))
    right.axhline(0.5, color=GREY, linestyle=":", label="guessing")
    if limit is not None:
        right.axhline(limit, color=GREEN, linestyle="-.", label="best possible")
    right.set(ylabel="preference accuracy", ylim=(0.2, 1.05))
    for axis in (left, right):
        axis.legend(fontsize=8, loc="best" if axis is left else "lower right")
    figure.suptitle(title)
    return figure


def plot_quality_against_reward(panels: Mapping[str, tuple[np.ndarray, np.ndarray]], title: str) -> Figure:
    """One scatter plot per entry: name -> (true qualities, predicted rewards), with the correlation."""
    figure, axes = new_panels(len(panels))
    for axis, (name, (quality, reward)) in zip(axes, panels.items(), strict=True):
        axis.scatter(quality, reward, color=BLUE, s=16, alpha=0.7)
        correlation = np.corrcoef(quality, reward)[0, 1]
        axis.set(xlabel="true quality (mean token id)", ylabel="predicted reward", xlim=(0, 1000))
        axis.set_title(f"{name}: correlation {correlation:.2f}", fontsize=10)
    figure.suptitle(title)
    return figure


def plot_seeds(
    results: Mapping[str, Sequence[float]], limits: Mapping[str, float], title: str, xlabel: str
) -> Figure:
    """One row per method and one dot per seed, with the mean; limits as vertical lines.

    Args:
        results: method -> one value per seed.
        limits: name -> value that the results are held against.
        title: the finding.
        xlabel: what the values are.
    """
    figure, (axis,) = new_panels(1, width=8.5, height=0.6 * len(results) + 1.9)
    for row, values in enumerate(results.values()):
        axis.plot(values, [row] * len(values), "o", color=BLUE, alpha=0.6)
        mean = float(np.mean(values))
        axis.plot(mean, row, "|", color=ORANGE, markersize=22, markeredgewidth=2.5)
        axis.annotate(
            f"{mean:.3f}",
            (mean, row),
            xytext=(0, 13),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},  # a limit's line may run behind it
        )
    styles = (":", "--", "-.", "-")
    for (name, value), style in zip(limits.items(), styles, strict=False):
        axis.axvline(value, color=GREY, linestyle=style, label=f"{name} ({value:.3g})")
    axis.set_yticks(range(len(results)), list(results))
    axis.set_ylim(len(results) - 0.4, -0.7)  # the first method on top, with room for its mean
    axis.set_xlabel(f"{xlabel}; dot: one seed, bar: mean")
    axis.set_title(title)
    axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=len(limits), frameon=False)
    return figure
