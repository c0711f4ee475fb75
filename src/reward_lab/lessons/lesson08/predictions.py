"""The questions of lesson 8 that ask for a guess before a result."""

from reward_lab.checks.predicting import Prediction, Predictions

predict = Predictions(
    exact=Prediction(("short of the best policy", "at the best policy", "beyond it"), right=2),
    pairs=Prediction(("the policy's own texts", "the reference's texts", "uniform texts"), right=1),
    epochs=Prediction(("it rises as well", "it rises and levels off", "it rises and falls"), right=3),
    ratios=Prediction(
        ("preferred above 0, rejected below", "both above 0", "both below 0"),
        right=3,
    ),
    identity=Prediction(),
    wrong=Prediction(
        (
            "the two sides are swapped somewhere",
            "the score of a text is a mean",
            "the reference gets gradients",
        ),
        right=2,
    ),
    lowest=Prediction(("best of 32", "PPO", "DPO"), right=3),
)
