"""The games, frame by frame, against a second writing of their rules; where things come in anew is left to them."""

import numpy as np
import pytest

from everlearn.rl import Catcher, FlappyBird, Game, catcher, flappy


class CatcherAgain:
    """640 × 640."""

    def __init__(self, state, velocity):
        self.x, self.speed, self.lives, self.velocity = 320 - 64, 0.0, 3, velocity
        self.fruit = (state[catcher.FRUIT_X], state[catcher.FRUIT_Y])

    def step(self, action, after):
        reward, fell = 0, False
        if self.fruit[1] >= 640:
            reward, self.lives, fell = -1, self.lives - 1, True
        fruit = None if fell else self.fruit
        if fruit and abs(self.x - fruit[0]) < 83 and abs(611 - fruit[1]) < 32:
            reward, fruit = 1, None
        self.speed = 0.9 * (self.speed + {0: -13.44, 1: 13.44, 2: 0.0}[action])
        self.x += self.speed
        if not 0 < self.x < 512:
            self.x, self.speed = min(max(self.x, 0), 512), 0.0
        self.x = round(self.x)
        if fruit is None:
            self.fruit = (after[catcher.FRUIT_X], after[catcher.FRUIT_Y])
            assert self.fruit[0] in range(76, 533, 38)
            assert round(self.fruit[1] - self.velocity * 1000 / 30) in range(-304, -37, 38)
        else:
            self.fruit = (fruit[0], round(fruit[1] + self.velocity * 1000 / 30))
        return (reward - 5, True) if self.lives == 0 else (reward, False)

    def state(self):
        return [self.x, self.speed, *self.fruit, self.lives]


class FlappyAgain:
    """288 × 512; the speed goes on from one episode to the next."""

    def __init__(self, state, gap, speed):
        self.y, self.speed, self.thrust, self.flapped, self.gap = 256, speed, False, True, gap
        self.pipes = list(zip((340.0, 484.0, 628.0), state[flappy.PIPES + 3 :], strict=True))

    def step(self, action, after):
        if action == 0 and self.y > -48:
            self.speed, self.flapped = 0, True
        reward, dead = 0, self.y >= 404.48 - 24 or self.y <= 0
        for i, (x, top) in enumerate(self.pipes):
            dead |= 31 < x < 100 and (self.y <= top or self.y + 24 > top + self.gap)
            reward += 79 < x <= 83
            if x < -52:
                self.pipes[i] = (397.6, after[flappy.PIPES + 3 + i])
        if self.speed < 10 and not self.thrust:
            self.speed += 1
        if self.flapped and not self.thrust:
            self.speed, self.thrust = self.speed - 9, True
        else:
            self.thrust = self.flapped = False
        self.y += self.speed
        self.pipes = [(x - 4, top) for x, top in self.pipes]
        return (reward - 5, True) if dead else (reward, False)

    def state(self):
        xs, tops = zip(*self.pipes, strict=True)
        return [self.y, self.speed, self.thrust, self.flapped, *xs, *tops]


def to_the_fruit(state, chance):
    """Mostly after it, so that some are caught."""
    return int(chance.integers(3)) if chance.random() < 0.4 else int(state[catcher.X] < state[catcher.FRUIT_X])


def through_the_gap(state, chance):
    """Mostly up when below the gap's middle; sometimes it only rises, or only falls."""
    middle = state[flappy.PIPES + 3 + flappy.nearest(state, 31.0)] + 60
    return int(state[flappy.Y] < middle) if chance.random() < 0.97 else int(chance.integers(2))


@pytest.mark.parametrize("velocity", [0.608, 0.758])
@pytest.mark.parametrize("skill", [to_the_fruit, lambda state, chance: int(chance.integers(3))])
def test_catcher(velocity, skill):
    game, chance, again = Game(Catcher(velocity)), np.random.default_rng(1), None
    game.reset(seed=0)
    for _ in range(6000):
        if again is None:
            again = CatcherAgain(game._state, velocity)
        action = skill(game._state, chance)
        _, *told, _, _ = game.step(action)
        assert (*told,) == again.step(action, game._state)
        np.testing.assert_allclose(game._state, again.state(), atol=1e-9)
        if told[1]:
            again = None
            game.reset()


@pytest.mark.parametrize("gap", [100, 75])
@pytest.mark.parametrize(
    "skill",
    [
        through_the_gap,
        lambda state, chance: int(chance.integers(2)),
        lambda state, chance: 0,  # Up to the sky.
        lambda state, chance: 1,  # Down to the ground.
    ],
)
def test_flappy_bird(gap, skill):
    game, chance, again, speed = Game(FlappyBird(gap, keep_speed=True)), np.random.default_rng(1), None, 0
    game.reset(seed=0)
    for _ in range(6000):
        if again is None:
            again = FlappyAgain(game._state, gap, speed)
        action = skill(game._state, chance)
        _, *told, _, _ = game.step(action)
        assert (*told,) == again.step(action, game._state)
        np.testing.assert_allclose(game._state, again.state(), atol=1e-9)
        if told[1]:
            again, speed = None, again.speed
            game.reset()
