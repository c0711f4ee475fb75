"""What the experiments of lesson 2 share."""

from reward_lab.lessons.starting import attempt as attempt

from .colleague import colleagues_report as colleagues_report
from .colleague import team_logs as team_logs
from .leaderboard import as_rows as as_rows
from .leaderboard import leaderboard as leaderboard
from .leaderboard import season_as_games as season_as_games
