"""The questions of lesson 5 that ask for a guess before a result."""

from reward_lab.checks.predicting import Prediction, Predictions

predict = Predictions(
    own=Prediction(("it falls", "it stays the same", "it rises"), right=3),
    fair=Prediction(),
    correlation=Prediction(("yes, clearly", "only just", "no"), right=3),
    controlled=Prediction(),
    hard=Prediction(("above 0.8", "between 0.5 and 0.8", "below 0.5, worse than guessing"), right=3),
    constant=Prediction(),
    bug=Prediction(
        (
            "argmax gives every tie to the first column",
            "sigmoid and bfloat16 make rewards equal that were different",
            "both of these",
        ),
        right=3,
    ),
    needed=Prediction(),
)
