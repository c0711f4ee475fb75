"""The questions of lesson 9 that ask for a guess before a result."""

from reward_lab.checks.predicting import Prediction, Predictions

predict = Predictions(
    unseen=Prediction(("the bag of words", "the frozen language model", "about equal"), right=2),
    moved=Prediction(),
    hacked=Prediction(("it rises as before", "it rises and then falls", "it falls from the start"), right=3),
)
