"""How checking works. What an exercise must do stands in its lesson: `from reward_lab.lessons.lesson01 import check`."""
