"""Everything that an author of components imports: one abstract class per slot, and the values that slots exchange.

This package does not import torch, so that a spec is validated without waiting for that import. Components import torch
and other heavy packages inside their methods.
"""

from emopms.api.algorithm import Algorithm, Search, SearchSpace
from emopms.api.backbone import Backbone
from emopms.api.baseline import Allocation, Baseline, PruningTask, ScoredBaseline
from emopms.api.constraint import ChainStep, Constraint, ConstraintTraining
from emopms.api.data import Data, Folder, ImageDataset, Images, Part, Source
from emopms.api.exporter import Exporter, PrunedModel
from emopms.api.numbers import BatchSize, Count, Rate, Weight, Width
from emopms.api.objective import Cost, Objective, Task
from emopms.api.ranker import JointSchemes, Ranker, SubFront
from emopms.api.sampling import Sampling
from emopms.api.selector import Selector, Site, TrainedSelector
from emopms.api.settings_by_path import settings_by_path
from emopms.api.split import Split
from emopms.api.tracker import TrackedResult, TrackedRun, Tracker, Tracking
from emopms.component import Settings, Slot, invalid

__all__ = [
    "Algorithm",
    "Allocation",
    "Backbone",
    "Baseline",
    "BatchSize",
    "ChainStep",
    "Constraint",
    "ConstraintTraining",
    "Cost",
    "Count",
    "Data",
    "Exporter",
    "Folder",
    "ImageDataset",
    "Images",
    "JointSchemes",
    "Objective",
    "Part",
    "PrunedModel",
    "PruningTask",
    "Ranker",
    "Rate",
    "Sampling",
    "ScoredBaseline",
    "Search",
    "SearchSpace",
    "Selector",
    "Settings",
    "Site",
    "Slot",
    "Source",
    "Split",
    "SubFront",
    "Task",
    "TrackedResult",
    "TrackedRun",
    "Tracker",
    "Tracking",
    "TrainedSelector",
    "Weight",
    "Width",
    "invalid",
    "settings_by_path",
]
