# %% [markdown]
# # Hi {{lesson}}

# %%
import reward_lab as rl
from reward_lab.checks import lesson01 as check

# %% nbgrader={"grade_id": "preference_accuracy", "solution": true}
def preference_accuracy(reward_preferred, reward_rejected):
    """Doc."""
    ### BEGIN SOLUTION
    return (reward_preferred > reward_rejected).float().mean().item()
    ### END SOLUTION

# %% nbgrader={"grade_id": "check_preference_accuracy", "grade": true, "locked": true, "points": 2}
check.preference_accuracy(preference_accuracy)

# %% [markdown] nbgrader={"grade_id": "ask_noise", "locked": true}
# Why noise?
#
# ### BEGIN MARK SCHEME
# 2 points for X
# ### END MARK SCHEME

# %% [markdown] nbgrader={"grade_id": "reflect_noise", "solution": true, "grade": true, "points": 2}
# Model answer.
