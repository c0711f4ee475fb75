"""The questions of lesson 1 that ask for a guess before a result."""

from reward_lab.checks.predicting import Prediction, Predictions

predict = Predictions(
    far_left=Prediction(
        ("it levels off", "it grows like a straight line", "it grows like a square"), right=2
    ),
    training_accuracy=Prediction(),
    held_out_accuracy=Prediction(),
    uniform_correlation=Prediction(),
    network_or_linear=Prediction(("the network", "the linear fit", "both about equally well"), right=2),
    small_start=Prediction(
        (
            "yes, and nothing else changes",
            "yes, and it ranks more new pairs rightly",
            "no, it can't fit them any more",
        ),
        right=2,
    ),
    better_number=Prediction(
        (
            "two judgements of a pair tell more than one",
            "some pairs stand in both halves",
            "there are twice as many pairs to learn from",
        ),
        right=2,
    ),
    real_words=Prediction(
        (
            "all three pairs right, the string of words last",
            "all three pairs right, the string of words first",
            "not all three pairs right",
        ),
        right=2,
    ),
)
