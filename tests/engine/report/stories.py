"""Stories of runs that nobody ran."""

from __future__ import annotations

from typing import Any

import numpy as np

from emopms.engine.report.story import RunStory, SearchStory
from emopms.engine.results.joint_front import JointFront, Point

DENSE = {"macs": 1e6, "params": 1e4, "latency": 8.0}
LAYERS = [
    {"name": "stem", "subnetwork": "1", "channels": 8},
    {"name": "stage1.conv1", "subnetwork": "1", "channels": 16},
    {"name": "head", "subnetwork": "2", "channels": 10},
]


def story(name: str = "made-up", *, points: int = 12, path: str = "", **summary: Any) -> RunStory:
    """A story with a number of points from 0 to 100 % of the MACs. Scheme 6 is the model ``macs-0.5``."""
    shares = np.linspace(0.05, 1.0, points)
    front = JointFront(
        [
            Point(
                scheme=number,
                on_front=number != 3,
                predicted_loss=1.1 - float(share),
                measured_loss=float((1.05 - share) ** 2),
                accuracy=0.9 * float(share) ** 0.2,
                costs={name: dense * float(share) for name, dense in DENSE.items()},
                shares=dict.fromkeys(DENSE, float(share)),
                models=("macs-0.5",) if number == 6 else (),
            )
            for number, share in enumerate(shares)
        ],
        np.tri(points, dtype=np.bool_),
    )
    model = {
        "target": "macs-0.5",
        "macs_cut": 0.52,
        "params_cut": 0.5,
        "costs": {"macs": 480_000.0, "params": 5_000.0, "latency": 4.1},
        "dense_costs": DENSE,
        "accuracy_before_finetune": 0.8,
        "accuracy": 0.88,
        "meets_target": True,
        "subnetworks": [{"name": "1", "accuracy_lost": 0.01}, {"name": "2", "accuracy_lost": 0.07}],
    }
    return RunStory(
        name,
        path,
        {
            "quality": "accuracy",
            "dense": {"accuracy": 0.9, "macs": 1_000_000, "params": 10_000},
            "models": [model],
            "layers": LAYERS,
            "stages": [{"name": "pretrain", "seconds": 5.0}, {"name": "evolve/1", "seconds": 2.5}],
        }
        | summary,
        front,
        np.array([[1 + number % 8, 1 + number % 16, 10] for number in range(points)], dtype=np.int32),
        ["macs", "latency"],
        [SearchStory("evolve/1", [(32, 0.5), (60, 0.7)], [(0.5, 0.2), (1.0, 0.0)]), SearchStory("refine", [], [])],
        {"torch": "2.13.0"},
        "version: 1\nname: made-up\n",
    )
