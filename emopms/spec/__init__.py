"""The spec: a YAML file that describes one experiment. Reading a spec does not import torch."""

from emopms.spec.load import as_spec, load_spec
from emopms.spec.model import Spec
from emopms.spec.render import render
from emopms.spec.settings import FinetuneSettings, Training
from emopms.spec.target import AtMost, Target

__all__ = ["AtMost", "FinetuneSettings", "Spec", "Target", "Training", "as_spec", "load_spec", "render"]
