"""The figures of training runs: a bag of words, or a model on a pretrained backbone."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from .. import plots
from ..trainer import History
from .backbone_run import BackboneRun


def draw_epochs(history: History, metrics: dict, path: Path) -> None:
    """Write the figure of a run in epochs: its curves, with a line at the best epoch."""
    matplotlib.use("agg")  # a file is wanted, not a window
    figure = plots.plot_history(
        history, f"Best epoch {history.best_epoch}: {_accuracies(metrics)}", limit=None
    )
    for axis in figure.axes:
        axis.axvline(history.best_epoch, color=plots.GREY, linestyle="--", linewidth=1)
    _write(figure, path)


def draw_backbone(run: BackboneRun, path: Path) -> None:
    """Write a run's figure: its epochs, or, for an exact fit, how the penalty was chosen; and the held-out differences."""
    if run.tuned.history is not None:
        draw_epochs(run.tuned.history, run.metrics, path)
        return
    matplotlib.use("agg")
    figure, (left, right) = plots.new_panels(2)
    _penalties(left, run)
    _differences(right, run)
    title = _accuracies(run.metrics)
    figure.suptitle(title[0].upper() + title[1:])
    _write(figure, path)


def _accuracies(metrics: dict) -> str:
    train, held_out = (metrics[name]["accuracy"] for name in ("train", "held_out"))
    return f"training accuracy {train:.2f}, held-out accuracy {held_out:.2f}"


def _write(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=120)
    plots.plt.close(figure)


def _penalties(axis, run: BackboneRun) -> None:
    losses = run.tuned.penalties
    if losses:
        axis.semilogx(
            list(losses),
            list(losses.values()),
            color=plots.BLUE,
            marker="o",
            label="left-out training prompts",
        )
        axis.axvline(run.metrics["penalty"], color=plots.GREY, linestyle="--", linewidth=1, label="chosen")
    axis.axhline(
        run.metrics["held_out"]["loss"],
        color=plots.ORANGE,
        linestyle="--",
        label="held-out pairs, chosen penalty",
    )
    axis.axhline(plots.CHANCE_LOSS, color=plots.GREY, linestyle=":", label="guessing")
    axis.set(xlabel="penalty", ylabel="Bradley-Terry loss (nats)", ylim=(0, 1.0))
    axis.legend(fontsize=8)


def _differences(axis, run: BackboneRun) -> None:
    for name, title, color in (
        ("train", "training pairs", plots.BLUE),
        ("held_out", "held-out pairs", plots.ORANGE),
    ):
        values = run.tuned.differences[name].numpy()
        bins = np.histogram_bin_edges(values, min(40, max(5, len(values) // 4)))
        axis.hist(values, bins, density=True, histtype="step", color=color, label=title)
    axis.axvline(0, color=plots.GREY, linestyle=":", label="no difference")
    axis.set(xlabel="reward of preferred - reward of rejected", ylabel="density of pairs")
    axis.legend(fontsize=8)
