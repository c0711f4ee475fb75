"""The questions of lesson 2 that ask for a guess before a result."""

from reward_lab.checks.predicting import Prediction, Predictions

predict = Predictions(
    climber=Prediction(
        (
            "Climber leads in both",
            "Climber has the higher win rate, Middle is better",
            "Middle leads in both",
        ),
        right=2,
    ),
    never_lost=Prediction(),
    step_size=Prediction(("it arrives sooner", "it arrives later", "it never arrives"), right=3),
    pairs_apart=Prediction(),
    bug=Prediction(
        (
            "rows and columns of the table are swapped",
            "each game is counted twice",
            "the covariance is left out of the errors of differences",
            "the abilities should be centred before the covariance is computed",
        ),
        right=2,
    ),
    at_home=Prediction(),
    pairs_of_rankings=Prediction(("the estimates", "the standard errors", "both"), right=2),
    three_models=Prediction(
        (
            "all three agree, once they are centred",
            "the network differs from the other two",
            "all three differ",
        ),
        right=1,
    ),
)
