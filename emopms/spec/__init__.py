"""The spec: a YAML file that says what is pruned, how, and what comes out. Reading one imports no torch."""

from emopms.spec.load import load_spec
from emopms.spec.model import Finetune, Spec, Target, Training
from emopms.spec.render import render

__all__ = ["Finetune", "Spec", "Target", "Training", "load_spec", "render"]
