"""Games, and environments that change, for Gymnasium.

Importing this makes `everlearn/Catcher-v0` and `everlearn/FlappyBird-v0` known to it.
"""

from everlearn.rl.agent import DQN, Epsilon
from everlearn.rl.catcher import Catcher
from everlearn.rl.changing import Changing
from everlearn.rl.experiment import GameExperiment, experiment_of
from everlearn.rl.film import film, show
from everlearn.rl.flappy import FlappyBird
from everlearn.rl.games import Game, Games, register
from everlearn.rl.play import Trials, live
from everlearn.rl.sequences import SEQUENCES, cart_pole, sequence, steps
from everlearn.rl.view import View

__all__ = [
    "DQN",
    "SEQUENCES",
    "Catcher",
    "Changing",
    "Epsilon",
    "FlappyBird",
    "Game",
    "GameExperiment",
    "Games",
    "Trials",
    "View",
    "cart_pole",
    "experiment_of",
    "film",
    "live",
    "sequence",
    "show",
    "steps",
]

register()
