"""Figures of lesson 6 that answer a question: drawn here, with title and alt text, so that the notebook does not tell."""

from collections.abc import Mapping, Sequence

from reward_lab.plots import show
from reward_lab.rlhf.training import RLHistory

from . import figures


def other_curves(
    runs: Mapping[str, Sequence[RLHistory]], kl_of_best: float, optimum: float, gold_of_reference: float
) -> None:
    """KL, J and gold reward of your runs and of a colleague's, in this order.

    Args:
        runs: the learner's, then the colleague's, one for each seed.
        kl_of_best: nats from the best policy to the reference.
        optimum: J of the best policy.
        gold_of_reference: expected gold reward of the reference policy.
    """
    yours, hers = runs.values()
    show(
        figures.plot_runs(
            runs,
            {"kl": {"best policy": kl_of_best}, "value": {"J*, the best possible": optimum}, "gold": {}},
            "The same runs, on the three curves that she did not show",
        ),
        alt=f"Three panels. KL: yours levels off at {yours[0].kl[-1]:.1f} nats, hers jumps up to "
        f"{max(hers[0].kl):.0f}. J: yours "
        f"reaches J*, hers ends at {hers[0].value[-1]:.1f}. Gold reward: yours ends at {yours[0].gold[-1]:.1f}, hers at "
        + " and ".join(f"{run.gold[-1]:z.1f}" for run in hers)
        + f"; the reference has {gold_of_reference:.1f}.",
    )


def path_of_optima(
    path: Mapping[str, Sequence[float]], peak: int, marks: Mapping[str, tuple[float, float]]
) -> None:
    """Both rewards of the best policy for each price.

    Args:
        path: `kl`, `learnt` and `gold`, one value for each price.
        peak: where the gold reward is highest.
        marks: name -> (KL, value) of a run to set beside the curves.
    """
    show(
        figures.plot_optima(
            path["kl"],
            {"learnt reward": path["learnt"], "gold reward": path["gold"]},
            marks,
            f"Beyond {path['kl'][peak]:.0f} nats a better score means a worse answer",
        ),
        alt="Learnt and gold reward of the exact best policy against its KL to the reference. Both rise at "
        "first; the learnt reward "
        f"goes on rising while the gold reward peaks at {path['gold'][peak]:.1f} and then falls to {path['gold'][-1]:.1f}.",
    )
