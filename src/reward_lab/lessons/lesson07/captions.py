"""Titles and alternative texts of lesson 7's figures. They tell the finding, so no cell shows them before it runs."""

CAPTIONS = {
    "estimates": (
        "From 4,096 samples: the whole curve, but for its end",
        "Error of the estimates of best-of-n's gold reward against n, from five sets of samples. The "
        "band stays narrow around 0 up to some hundred draws and widens strongly towards n = 4,096.",
    ),
    "turn": (
        "The learnt reward only rises. The gold reward turns.",
        "Learnt and gold reward of best-of-n against the KL, bands over five reward models. The learnt "
        "reward rises all the way. The gold reward rises to a peak between 4 and 6 nats, marked for each "
        "seed, and then falls.",
    ),
    "pushers": (
        "Whoever pushes, gold turns within a few nats",
        "Left: as before. Right: gold reward against KL for best-of-n, the exact optimum and PPO. All "
        "rise; without a penalty all have their peak at 4 to 6 nats and fall. PPO without a penalty ends "
        "at 18 nats, far below. PPO with a penalty stops near the peak.",
    ),
    "fits": (
        "A form that fits the whole road does not foresee it",
        "Gold gained against KL, exact points and three fits, for best-of-n and the exact optimum. The "
        "best-of-n form fitted to all points follows them. The RL form fits less well. The fit to the "
        "first 5 nats has its top much too far out.",
    ),
    "second": (
        "Two models that never met agree: more is better",
        "Score of the reward model that picks and of a second one against n. Both rise to the end, the "
        "second a little less.",
    ),
    "second_and_gold": (
        "The second model shares the first one's blind spot",
        "The same two curves, with the gold reward: it has its peak at some hundred draws and falls, "
        "while both scores rise.",
    ),
    "remedies": (
        "Five models delay the turn; so does asking about the right texts",
        "Gold reward of best-of-n against n for four rewards trained on 2,000 judgements each, bands "
        "over five seeds. One model ends lowest. Five members by their mean end higher, five by uwo and "
        "one model with labels on the policy's own texts end highest.",
    ),
}
"""Name of a figure -> its title, and what it shows, for those who can't see it."""
