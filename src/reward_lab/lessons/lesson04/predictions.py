"""The questions of lesson 4 that ask for a guess before a result."""

from reward_lab.checks.predicting import Prediction, Predictions

predict = Predictions(
    bag_of_words=Prediction(),
    grammar_and_meaning=Prediction(("both at the same time", "grammar first", "meaning first"), right=2),
    no_shift=Prediction(),
    scratch_needs=Prediction(),
)
