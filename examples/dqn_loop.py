"""MER in a DQN loop of one's own, in the shape of CleanRL's single file: what is everlearn's is marked.

python examples/dqn_loop.py 20000
"""

import random
import sys
from copy import deepcopy

import gymnasium
import torch
from torch import nn

import everlearn as el
from everlearn.losses import Prepared


def main(total_timesteps=20_000, seed=1, env_id="CartPole-v1"):
    random.seed(seed)
    torch.manual_seed(seed)
    env = gymnasium.make(env_id)
    inputs, actions = env.observation_space.shape[0], int(env.action_space.n)
    q_network = nn.Sequential(nn.Linear(inputs, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, actions))
    target_network = deepcopy(q_network)
    optimizer = torch.optim.SGD(q_network.parameters(), lr=0.02)

    # everlearn: the TD target, computed once for all rows of a call; then a learner in place of buffer and step.
    def with_target(rows):
        best = target_network(rows["next"]).amax(1)
        target = rows["reward"] + 0.99 * best * ~rows["over"]
        return {"x": rows["x"], "action": rows["action"], "target": target}

    learner = el.Learner(
        q_network,
        optimizer,
        Prepared(el.chosen_huber, with_target),
        memory=el.Reservoir(10_000, seed=seed),
        method=el.MER(batches=1, replayed=16, beta=1.0, gamma=0.3, add="before"),
    )

    returns, episode = [], 0.0
    obs, _ = env.reset(seed=seed)
    for step in range(total_timesteps):
        epsilon = max(0.05, 1 - step / (0.5 * total_timesteps))
        with torch.no_grad():
            greedy = q_network(torch.as_tensor(obs)[None]).argmax().item()
        action = random.randrange(actions) if random.random() < epsilon else greedy
        next_obs, reward, terminated, truncated, _ = env.step(action)
        episode += float(reward)

        # everlearn: a transition is a row; rb.add, rb.sample, loss.backward and optimizer.step in one line.
        learner.learn(
            {
                "x": torch.as_tensor(obs)[None],
                "action": torch.tensor([action]),
                "reward": torch.tensor([float(reward)]),
                "next": torch.as_tensor(next_obs)[None],
                "over": torch.tensor([terminated]),
            }
        )

        obs = next_obs
        if terminated or truncated:
            returns.append(episode)
            (obs, _), episode = env.reset(), 0.0
        if step % 500 == 0:
            target_network.load_state_dict(q_network.state_dict())
    recent = returns[-20:]
    print(f"{len(returns)} episodes, mean return of the last {len(recent)}: {sum(recent) / max(1, len(recent)):.0f}")
    return returns


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
