"""The objective ``latency``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import PositiveInt

from emopms.api import Cost, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Latency(Cost):
    """Median time of a forward pass of the candidate, in milliseconds.

    The time is measured on a physically smaller copy of the sub-network, in fp32 and with batch norm in eval mode, as
    in an exported network. Of several candidates with equal layer widths, only one is measured. All candidates of a
    generation run once in each round, so that other work on the machine affects all of them equally.

    The latency of the whole network is predicted as the sum over its sub-networks. Measured times vary from run to run.
    Therefore search results vary too, even with equal seeds.
    """

    measured: ClassVar[bool] = True

    name: Literal["latency"] = "latency"
    runtime: Literal["torch", "onnxruntime"] = "torch"
    """`torch`: eager PyTorch on the run's device. `onnxruntime`: onnxruntime on the CPU, which also runs `model.onnx`.
    Each candidate is converted to ONNX first. The conversion takes much longer than a forward pass."""
    batch_size: PositiveInt = 1
    """Inputs per forward pass."""
    repeats: PositiveInt = 20
    """Number of timed forward passes per candidate. Their median is the latency."""

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        from emopms_onnx.candidates import by_widths, onnxruntime_pass, torch_pass
        from emopms_onnx.timing import median_times

        make_pass = {"torch": torch_pass, "onnxruntime": onnxruntime_pass}[self.runtime]
        first, which = by_widths(genomes, task.subnetwork.channels)
        passes = [make_pass(task, genome, self.batch_size) for genome in genomes[first]]
        milliseconds: NDArray[Any] = median_times(passes, self.repeats)[which]
        return milliseconds
