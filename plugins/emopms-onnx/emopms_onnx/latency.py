"""How long a candidate takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import PositiveInt

from emopms.api import Cost, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Latency(Cost):
    """Median time of a forward pass of the candidate, in milliseconds.

    What is timed is a physically smaller copy of the sub-network, in fp32 and with batch norm in eval mode, as an
    exported network runs. Candidates of equal widths take equal time and are measured once. The repeats of all
    candidates judged together are interleaved, so that whatever else the machine does hits all of them alike.

    The whole network's latency is predicted as the sum over its sub-networks. Measured times differ from run to
    run, and so does a search for them: the promise of equal results for equal seeds does not hold.
    """

    measured: ClassVar[bool] = True

    name: Literal["latency"] = "latency"
    runtime: Literal["torch", "onnxruntime"] = "torch"
    """`torch`: eager PyTorch on the run's device; `onnxruntime`: on the CPU, as `model.onnx` runs, after a
    conversion of each candidate that takes far longer than a pass."""
    batch_size: PositiveInt = 1
    """Inputs a forward pass."""
    repeats: PositiveInt = 20
    """Timed forward passes a candidate, of which the median counts."""

    def evaluate(self, genomes: NDArray[Any], task: Task) -> NDArray[Any]:
        from emopms_onnx.candidates import by_widths, onnxruntime_pass, torch_pass
        from emopms_onnx.timing import median_times

        make_pass = {"torch": torch_pass, "onnxruntime": onnxruntime_pass}[self.runtime]
        first, which = by_widths(genomes, task.subnetwork.channels)
        passes = [make_pass(task, genome, self.batch_size) for genome in genomes[first]]
        milliseconds: NDArray[Any] = median_times(passes, self.repeats)[which]
        return milliseconds
