"""The questions of lesson 7 that ask for a guess before a result."""

from reward_lab.checks.predicting import Prediction, Predictions

predict = Predictions(
    draws=Prediction(),
    poor=Prediction(("at small n", "in the middle", "at n near N"), right=3),
    gold=Prediction(("it rises as well", "it rises and levels off", "it rises and falls"), right=3),
    optimum=Prediction(("it has more", "it has the same", "it has less"), right=3),
    foresees=Prediction(("about where it is", "too near", "too far out"), right=3),
    fresh=Prediction(),
    cure=Prediction(
        (
            "yes, gold no longer falls",
            "no, but they end higher than one model",
            "no, they end where one model does",
        ),
        right=2,
    ),
)
