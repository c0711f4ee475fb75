"""The questions of lesson 3 that ask for a guess before a result."""

from reward_lab.checks.predicting import Prediction, Predictions

predict = Predictions(
    best_accuracy=Prediction(),
    best_forecast=Prediction(),
    shrink=Prediction(),
    pull=Prediction(),
    which_loss=Prediction(
        (
            "one loss is best in all four",
            "it depends, and the accuracy never changes",
            "it depends, and the accuracy changes with the network",
        ),
        right=3,
    ),
    bug=Prediction(
        (
            "the margin of the wrong text is pushed up",
            "people are asked again at every step",
            "gradients of earlier steps are added up",
            "the held-out pairs are trained on",
        ),
        right=2,
    ),
    half_a_win=Prediction(("harmless", "the abilities shrink", "the abilities stretch"), right=2),
    ece=Prediction(),
    temperature=Prediction(("yes, it rises", "yes, it falls", "no"), right=3),
)
