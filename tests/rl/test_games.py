"""The games against what is known of them, and many at once against one."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

import everlearn as el
from everlearn.rl import Catcher, FlappyBird, Game, Games, View, catcher, flappy
from everlearn.rl.rules import no_chance, refill

KINDS = [
    Catcher(),
    Catcher(velocity=0.758, mirrored=True, dodge=True),
    FlappyBird(),
    FlappyBird(pipe_gap=75, keep_speed=True, upside_down=True),
]


def played(kind, actions, seed=0):
    """Rewards, ends and states of one game after another."""
    game, told = Game(kind), []
    game.reset(seed=seed)
    for action in actions:
        _, reward, over, _, _ = game.step(action)
        told.append((reward, over, game._state.copy()))
        if over:
            game.reset()
    return told


@pytest.mark.parametrize(
    ("velocity", "pixels"), [(0.608, 20), (0.638, 21), (0.668, 22), (0.698, 23), (0.728, 24), (0.758, 25)]
)
def test_the_papers_fruits_fall_by_a_pixel_more_each_task(velocity, pixels):
    places = [state[catcher.FRUIT_Y] for _, _, state in played(Catcher(velocity), [2] * 30)]
    assert set(np.diff(places)) == {pixels}


def test_catchers_last_frame_pays_minus_six():
    told = played(Catcher(), [0] * 2000)
    last = [reward for reward, over, _ in told if over]
    assert set(last) == {-6.0}
    first = next(i for i, (_, over, _) in enumerate(told) if over)
    caught = sum(reward == 1 for reward, _, _ in told[: first + 1])
    assert sum(reward for reward, _, _ in told[: first + 1]) == caught - 8


def test_catchers_paddle_comes_to_nine_pushes_a_frame_and_stops_at_the_wall():
    state, chance, setting = np.zeros(5), no_chance(), np.zeros(3)
    refill(chance, np.random.default_rng(0))
    catcher.reset(state, chance, setting)
    assert state[catcher.X] == 256
    speeds = []
    for _ in range(300):
        state[catcher.X] = 200
        catcher.step(state, chance, setting, 1)
        speeds.append(state[catcher.SPEED])
    assert speeds[0] == pytest.approx(0.9 * 13.44)
    assert speeds[-1] == pytest.approx(9 * 13.44)
    for _ in range(20):
        catcher.step(state, chance, setting, 1)
    assert (state[catcher.X], state[catcher.SPEED]) == (640 - 128, 0)


def test_fruits_begin_where_the_game_lets_them():
    state, chance, generator = np.zeros(5), no_chance(), np.random.default_rng(0)
    places = set()
    for _ in range(3000):
        refill(chance, generator)
        catcher.drop(state, chance)
        places.add((state[catcher.FRUIT_X], state[catcher.FRUIT_Y]))
    assert {x for x, _ in places} == set(range(76, 533, 38))
    assert {y for _, y in places} == set(range(-304, -37, 38))


def moves(actions, kind=None):
    """How far the bird moves in each frame."""
    told = played(kind or FlappyBird(), actions)
    return np.diff([256, *(state[flappy.Y] for _, _, state in told)]).tolist()


def test_a_flap_lifts_for_nine_frames_and_then_it_falls():
    assert moves([1] * 19) == [-8, -8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_flapping_all_the_time_lifts_every_other_frame():
    assert moves([0] * 6) == [-8, 0, -8, 0, -8, 0]


@pytest.mark.parametrize(("keep", "first"), [(False, -8), (True, 1)])
def test_after_a_fall_the_first_flap_fails_only_where_the_speed_is_kept(keep, first):
    told = played(FlappyBird(keep_speed=keep), [1] * 60)
    over = next(i for i, (_, over, _) in enumerate(told) if over)
    assert told[over][2][flappy.SPEED] == 10
    assert told[over + 1][2][flappy.Y] - 256 == first


def test_pipes_score_in_the_games_frames():
    """The bird is held in the middle of the gaps."""
    state, chance, setting = np.zeros(11), no_chance(), np.array([100.0, 0, 0])
    refill(chance, np.random.default_rng(0))
    flappy.reset(state, chance, setting)
    scored = []
    for frame in range(300):
        refill(chance, np.random.default_rng(frame))
        state[flappy.Y], state[flappy.SPEED] = state[flappy.PIPES + 3 + flappy.nearest(state, 31.0)] + 38, 0
        reward, over = flappy.step(state, chance, setting, 1)
        assert not over
        scored += [frame] * int(reward)
    assert scored == [65, 101, 137, 178, 214, 250, 291]


@pytest.mark.parametrize(
    ("gap", "bounds"),
    [(100, (25, 192)), (95, (23, 195)), (90, (22, 197)), (85, (21, 200)), (80, (20, 202)), (75, (18, 205))],
)
def test_gaps_begin_between_the_games_bounds(gap, bounds):
    chance, generator, tops = no_chance(), np.random.default_rng(0), []
    for _ in range(4000):
        refill(chance, generator)
        tops.append(flappy.new_gap(chance, np.array([gap])))
    assert (min(tops), max(tops)) == bounds


@pytest.mark.parametrize(("above", "below", "dead"), [(1, 75, False), (0, 75, True), (1, 76, False), (1, 77, True)])
def test_the_bird_dies_where_it_touches_a_pipe(above, below, dead):
    """A gap of 100 leaves 76 pixels for a bird of 24."""
    for distance in (above, below):
        state, chance, setting = np.zeros(11), no_chance(), np.array([100.0, 0, 0])
        refill(chance, np.random.default_rng(0))
        flappy.reset(state, chance, setting)
        state[flappy.PIPES], state[flappy.PIPES + 3] = 60, 100
        state[flappy.Y] = 100 + distance
        _, over = flappy.step(state, chance, setting, 1)
        if over:
            break
    assert over == dead


@pytest.mark.parametrize(("pipe", "dead"), [(104, False), (100, False), (96, True), (32, True), (31, False)])
def test_pipes_are_solid_only_beside_the_bird(pipe, dead):
    state, chance, setting = np.zeros(11), no_chance(), np.array([100.0, 0, 0])
    refill(chance, np.random.default_rng(0))
    flappy.reset(state, chance, setting)
    state[flappy.PIPES], state[flappy.PIPES + 3], state[flappy.Y] = pipe, 180, 50
    assert flappy.step(state, chance, setting, 1)[1] == dead


@pytest.mark.parametrize(("kind", "expected"), [(Catcher(), -6.5), (FlappyBird(keep_speed=True), -5.0)])
def test_random_play(kind, expected):
    games, chance = Games(kind, 200), np.random.default_rng(0)
    games.reset(seed=0)
    total, episodes = 0.0, 0
    for _ in range(3000):
        _, rewards, over, _, _ = games.step(chance.integers(games.single_action_space.n, size=200))
        total, episodes = total + rewards.sum(), episodes + over.sum()
    assert total / episodes == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("view", [View(), View(pixels=12), View(pixels=12, stack=3), View(stack=2, cue=-0.5)])
@pytest.mark.parametrize("limit", [None, 40, 103])
def test_many_at_once_are_the_same_as_one(kind, view, limit):
    many = Games(kind, 3, view, max_episode_steps=limit)
    ones = gymnasium.vector.SyncVectorEnv([lambda: limited(Game(kind, view), limit) for _ in range(3)])
    chance = np.random.default_rng(1)
    for seed in (7, None, [3, None, 4]):
        np.testing.assert_array_equal(many.reset(seed=seed)[0], ones.reset(seed=seed)[0])
        for _ in range(250):
            actions = chance.integers(many.single_action_space.n, size=3)
            for ours, theirs in zip(many.step(actions)[:4], ones.step(actions)[:4], strict=True):
                np.testing.assert_array_equal(ours, theirs)


def limited(game, limit):
    return game if limit is None else gymnasium.wrappers.TimeLimit(game, limit)


@pytest.mark.parametrize("pixels", [None, 12])
def test_a_stack_is_that_of_gymnasiums_wrapper(pixels):
    ours = Game(Catcher(), View(pixels, stack=3))
    theirs = gymnasium.wrappers.FrameStackObservation(Game(Catcher(), View(pixels)), 3)
    assert ours.observation_space == theirs.observation_space
    chance = np.random.default_rng(0)
    for seed in (1, None):
        np.testing.assert_array_equal(ours.reset(seed=seed)[0], theirs.reset(seed=seed)[0])
        for _ in range(40):
            action = chance.integers(3)
            np.testing.assert_array_equal(ours.step(action)[0], theirs.step(action)[0])


def test_a_cue_is_the_last_number():
    plain, told = Game(Catcher()), Game(Catcher(), View(cue=0.5))
    seen, cued = plain.reset(seed=0)[0], told.reset(seed=0)[0]
    np.testing.assert_array_equal(cued, [*seen, np.float32(0.5)])
    assert told.observation_space == Game(Catcher(), View(cue=-1)).observation_space


@given(st.sampled_from(KINDS), st.lists(st.integers(0, 1), max_size=150), st.integers(0, 10_000))
@settings(max_examples=30)
def test_what_is_observed_lies_in_the_space_and_follows_from_the_seed(kind, actions, seed):
    seen = []
    for game in (Game(kind), Game(kind)):
        seen.append([game.reset(seed=seed)[0]])
        for action in actions:
            observation, reward, over, _, _ = game.step(action)
            assert game.observation_space.contains(observation)
            assert -6 <= reward <= 1
            seen[-1].append(game.reset()[0] if over else observation)
    np.testing.assert_array_equal(seen[0], seen[1])


def test_a_speed_that_is_kept_and_grows_stays_within_the_space():
    game = Game(FlappyBird(keep_speed=True))
    game.reset(seed=0)
    for _ in range(5):
        assert game.observation_space.contains(game.step(0)[0])
        game.reset()


def test_mirrored_is_left_for_right():
    chance = np.random.default_rng(0).integers(3, size=400)
    swapped = np.array([1, 0, 2])[chance]
    plain, mirrored = played(Catcher(), chance), played(Catcher(mirrored=True), swapped)
    assert all(np.array_equal(a[2], b[2]) and a[:2] == b[:2] for a, b in zip(plain, mirrored, strict=True))


def test_dodging_pays_where_catching_costs():
    catching, dodging = (played(Catcher(dodge=dodge), [2] * 200) for dodge in (False, True))
    first = next(i for i, (reward, _, _) in enumerate(catching) if reward)
    assert dodging[first][0] == -catching[first][0]


def test_upside_down_the_picture_and_the_numbers_are_turned():
    plain, turned = (
        Game(replace(FlappyBird(), upside_down=turned), render_mode="rgb_array") for turned in (False, True)
    )
    for game in (plain, turned):
        game.reset(seed=0)
        for _ in range(12):
            game.step(1)
    up, down = (game.step(1)[0] for game in (plain, turned))
    # Gaps of 100 begin at 25 to 192, so that their middle is at (25 + 292) / 2.
    assert down[0] == pytest.approx((317 - 24) / 512 - up[0])
    assert down[1] == -up[1]
    assert down[3] == pytest.approx(317 / 512 - up[4])
    np.testing.assert_array_equal(plain.render(), turned.render()[::-1])


def test_upside_down_gaps_are_observed_where_they_are_otherwise():
    ranges = []
    for turned in (False, True):
        games = Games(FlappyBird(upside_down=turned), 500)
        gaps = games.reset(seed=0)[0][:, [3, 4, 6, 7]]
        ranges.append([gaps.min(0), gaps.max(0)])
    np.testing.assert_allclose(*ranges, atol=0.01)
    assert ranges[0][0][0] >= 25 / 512
    assert ranges[0][1][1] <= 292 / 512


@pytest.mark.parametrize("name", ["everlearn/Catcher-v0", "everlearn/FlappyBird-v0"])
@pytest.mark.parametrize(
    "options", [{}, {"pixels": 16}, {"pixels": 16, "stack": 2}, {"stack": 2, "cue": 1}, {"render_mode": "ansi"}]
)
def test_gymnasium_finds_nothing_to_object_to(name, options):
    check_env(gymnasium.make(name, **options).unwrapped)


def test_gymnasium_makes_them_by_name():
    assert gymnasium.make("everlearn/Catcher-v0", velocity=0.7).unwrapped.kind == Catcher(velocity=0.7)
    assert gymnasium.make("everlearn/FlappyBird-v0", pipe_gap=80).unwrapped.kind == FlappyBird(pipe_gap=80)
    many = gymnasium.make_vec("everlearn/Catcher-v0", 4, vectorization_mode="vector_entry_point", velocity=0.7)
    assert (many.unwrapped.kind, many.num_envs) == (Catcher(velocity=0.7), 4)


def test_pictures():
    game = Game(Catcher(), render_mode="rgb_array")
    game.reset(seed=0)
    game._state[[catcher.X, catcher.FRUIT_X, catcher.FRUIT_Y]] = 100, 304, 200
    picture = game.render()
    assert picture.shape == (640, 640, 3)
    assert picture.dtype == np.uint8
    assert (picture[611:637, 100:228] == 255).all()
    assert (picture[200:238, 304:342] == [255, 120, 120]).all()
    assert np.count_nonzero(picture.any(2)) == 26 * 128 + 38 * 38
    game = Game(Catcher(), render_mode="ansi")
    game.reset(seed=0)
    assert [len(line) for line in game.render().splitlines()] == [40] * 20
    assert "█" in game.render()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Catcher(velocity=0), "velocity must be above 0"),
        (lambda: Catcher(velocity=20), "velocity must be at most 19.2"),
        (lambda: FlappyBird(pipe_gap=24), "pipe_gap must be above 24 and at most 320, not 24"),
        (lambda: View(pixels=0), "pixels must be at least 1"),
        (lambda: View(stack=0), "stack must be at least 1"),
        (lambda: View(cue=1.5), "cue must be from -1 to 1, not 1.5"),
        (lambda: View(pixels=8, cue=1), "there is no place for it in a picture"),
        (lambda: Game(Catcher(), render_mode="human"), "render_mode must be one of None, rgb_array, ansi, not 'human'"),
        (lambda: Game(Catcher()).step(3), "action must be from 0 to 2, not 3"),
        (lambda: Game(Catcher()).step(1), "the game has not begun: reset comes before step"),
        (lambda: Games(Catcher(), 0), "num_envs must be at least 1"),
        (lambda: Games(Catcher(), 2).step(np.array([0, 3])), "actions must be 2 integers from 0 to 2"),
        (lambda: Games(Catcher(), 2).step(np.array([0])), "actions must be 2 integers from 0 to 2"),
        (lambda: Games(Catcher(), 2).step(np.array([0.0, 1.0])), "actions must be 2 integers from 0 to 2"),
        (lambda: Games(Catcher(), 2).step(np.array([0, 1])), "reset comes before step"),
        (lambda: Games(Catcher(), 2).reset(seed=[1]), "a seed for each of 2 games, not 1"),
        (lambda: gymnasium.make_vec("everlearn/Catcher-v0", render_mode="ansi"), "have no pictures"),
    ],
)
def test_bad_input(wrong, message):
    with pytest.raises(el.InputError, match=message):
        wrong()
