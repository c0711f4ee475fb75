"""The questions of lesson 6 that ask for a guess before a result."""

from reward_lab.checks.predicting import Prediction, Predictions

predict = Predictions(
    best_accuracy=Prediction(),
    best_policy=Prediction(("nearly always", "every second time or so", "seldom"), right=3),
    noise=Prediction(),
    estimators=Prediction(
        ("yes, everywhere", "no, k1 is the best everywhere", "no, none is the best everywhere"), right=3
    ),
    credit=Prediction(
        (
            "with 0 all six words, with 1 the last",
            "with 0 the last word, with 1 all six",
            "all six, whatever lambda is",
        ),
        right=2,
    ),
    stale=Prediction(("a little worse", "much worse", "better"), right=2),
    share_of_way=Prediction(),
    other_curve=Prediction(
        (
            "the loss: it does not fall",
            "the KL: it is far too high",
            "the reward of other seeds: it is lower",
        ),
        right=2,
    ),
    gold=Prediction(("rise, too", "rise, and level off", "rise, and then fall"), right=3),
)
