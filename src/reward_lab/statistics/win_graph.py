"""When abilities have a finite maximum-likelihood estimate: a question about who beat whom, not about how often.

Draw an arrow from i to j if i ever beat j. For the Bradley-Terry model the estimate is finite if and only if
every player can be reached from every other along arrows (Ford, "Solution of a ranking problem from binary
comparisons", American Mathematical Monthly, 1957). Otherwise a group can move away from the rest, and the likelihood
rises for ever.
"""

import torch
from torch import Tensor


def check_wins(wins: Tensor, who: str, name: str = "wins") -> Tensor:
    """A table of wins in float64.

    Args:
        wins: (K, K) integer or floating point, K >= 2; finite, not negative, zero on the diagonal.
        who: the function that was called, for the message.
        name: what the argument is called.

    Returns:
        (K, K) float64.

    Raises:
        ValueError: the table is none.
    """
    if wins.dim() != 2 or wins.shape[0] != wins.shape[1] or len(wins) < 2:
        raise ValueError(f"{who}: {name} must have shape (K, K) with K of 2 or more, got {tuple(wins.shape)}")
    table = wins.detach().double()
    if not (torch.isfinite(table) & (table >= 0)).all():
        raise ValueError(f"{who}: {name} must be counts: finite, and not below 0")
    if table.diagonal().any():
        raise ValueError(f"{who}: {name} must be 0 on the diagonal, because nobody plays against themselves")
    return table


def reachable(wins: Tensor) -> Tensor:
    """Who is linked to whom by a chain of wins.

    Args:
        wins: (K, K), not negative.

    Returns:
        (K, K) bool: [i, j] says whether i beat somebody who beat somebody ... who beat j. True on the diagonal.
    """
    linked = (wins > 0) | torch.eye(len(wins), dtype=torch.bool, device=wins.device)
    for _ in range(len(wins).bit_length()):  # each round doubles the length of the chains
        linked = (linked.double() @ linked.double()) > 0
    return linked


def no_finite_estimate(wins: Tensor) -> str | None:
    """Why a table of wins has no finite Bradley-Terry estimate, or None if it has one.

    Args:
        wins: (K, K) float64, not negative.

    Returns:
        A sentence that names the players, by number: "not connected" if two groups never met, else which group
        "never loses" to the rest and which "never wins" against it.
    """
    met = reachable(wins + wins.T)
    if not met.all():
        return (
            f"the players are not connected: {_members(met[0])} and {_members(~met[0])} never met, so nothing "
            "compares them. Fit the groups one by one, or let them play each other"
        )
    linked = reachable(wins)
    if linked.all():
        return None
    # Whoever leads to i by a chain of wins. Outside of the smallest such group nobody ever beat a member.
    above = linked[:, linked.sum(dim=0).argmin()]
    return (
        f"{_members(above)} never loses to the rest, and {_members(~above)} never wins against it: the likelihood "
        "rises for ever as the two move apart. Collect more games, or leave one side out"
    )


def no_finite_order_effect(home_wins: Tensor, away_wins: Tensor) -> str | None:
    """Why two tables of wins have no finite estimate of abilities and home advantage, or None.

    Besides abilities that move apart, abilities and the advantage can do so together: in a direction (d, +1) or
    (d, -1) in which no game's outcome becomes less likely (separation; Albert and Anderson, Biometrika, 1984). For
    +1 this asks for d_i >= d_j - 1 after each home win of i over j and d_i >= d_j + 1 after each away win. There is such
    a d unless some circle of wins holds more away wins than home wins; and the other way round for -1.

    Args:
        home_wins: (K, K) float64, not negative: [i, j] counts wins of i over j at i's ground.
        away_wins: (K, K) float64, not negative: [i, j] counts wins of i over j at j's ground.

    Returns:
        A sentence with the reason, or None.
    """
    reason = no_finite_estimate(home_wins + away_wins)
    if reason is not None:
        return reason
    for more, fewer, direction in ((home_wins, away_wins, "home"), (away_wins, home_wins, "away")):
        gap = torch.where(fewer > 0, 1.0, torch.where(more > 0, -1.0, -torch.inf))
        if not _has_positive_circle(gap):
            return (
                f"the outcomes are explained best by an infinite advantage of the {direction} side: raising it, with "
                f"suitable abilities, makes no game less likely. More wins of the other side are needed"
            )
    return None


def _has_positive_circle(gap: Tensor) -> bool:
    """Whether the entries along some closed path sum to more than 0 (Bellman and Ford's test)."""
    height = torch.zeros(len(gap), dtype=gap.dtype, device=gap.device)
    for _ in range(len(gap)):
        raised = torch.maximum(height, (gap + height).amax(dim=1))
        if torch.equal(raised, height):
            return False
        height = raised
    return True


def _members(group: Tensor) -> str:
    numbers = group.nonzero().flatten().tolist()
    text = ", ".join(map(str, numbers[:10])) + (", ..." if len(numbers) > 10 else "")
    return f"the group [{text}]"
