"""MER in Stable-Baselines3's DQN: its agent, environment loop, target network and logger; everlearn's learning.

pip install everlearn[rl] stable-baselines3
python examples/sb3_dqn.py 20000
"""

import sys

import numpy as np
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.evaluation import evaluate_policy

import everlearn as el
from everlearn.losses import Prepared


class MERDQN(DQN):
    """A DQN that learns each frame's transition by MER, with a memory of everlearn's, as soon as it has come.

    Stable-Baselines3's replay buffer hands the newest transition over and needs no more room than for that. The memory
    is not saved with the agent.
    """

    def _setup_model(self):
        super()._setup_model()
        if callable(self.learning_rate) or self.train_freq.frequency != 1 or self.n_envs != 1:
            raise ValueError("each frame of one environment is learned: train_freq=1, and a learning rate that stays")
        network = self.q_net.q_net
        self.learner = el.Learner(
            network,
            torch.optim.SGD(network.parameters(), lr=self.lr_schedule(1)),
            Prepared(el.chosen_huber, self._with_target),
            memory=el.Reservoir(10_000, seed=self.seed or 0),
            method=el.MER(batches=1, replayed=16, beta=1.0, gamma=0.3, add="before"),
        )

    def _with_target(self, rows):
        best = self.q_net_target(rows["next"]).amax(1)
        target = rows["reward"] + self.gamma * best * (1 - rows["over"])
        return {"x": rows["x"], "action": rows["action"], "target": target}

    def train(self, gradient_steps, batch_size=0):  # noqa: ARG002
        newest = self.replay_buffer._get_samples(np.array([self.replay_buffer.pos - 1]))
        loss = self.learner.learn(
            {
                "x": newest.observations,
                "action": newest.actions[:, 0],
                "reward": newest.rewards[:, 0],
                "next": newest.next_observations,
                "over": newest.dones[:, 0],
            }
        )
        self._n_updates += gradient_steps
        self.logger.record("train/loss", loss.item())

    def _excluded_save_params(self):
        return [*super()._excluded_save_params(), "learner"]


def main(total_timesteps=20_000, seed=1, env_id="CartPole-v1"):
    agent = MERDQN(
        "MlpPolicy",
        env_id,
        learning_rate=0.02,
        buffer_size=1,
        learning_starts=0,
        train_freq=1,
        target_update_interval=500,
        exploration_fraction=0.5,
        seed=seed,
    )
    agent.learn(total_timesteps)
    mean, deviation = evaluate_policy(agent, agent.get_env(), n_eval_episodes=10)
    print(f"mean return of 10 episodes: {mean:.0f} ± {deviation:.0f}; path: {agent.learner.path}")
    return agent


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
