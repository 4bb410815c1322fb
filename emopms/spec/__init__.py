"""The spec: a YAML file that describes one experiment. Reading a spec does not import torch."""

from emopms.spec.load import as_spec, load_spec
from emopms.spec.model import FinetuneSettings, Spec, Target, Training
from emopms.spec.render import render

__all__ = ["FinetuneSettings", "Spec", "Target", "Training", "as_spec", "load_spec", "render"]
