"""Cost of the atypical score, against the classifier's own time.

    python benchmarks/atypical_cost.py

The shipped classifier with both outputs and with its logits alone, 64 crops a call on one thread,
in turns; the median of the rounds' ratios of processor time.
"""

import statistics
import time
from typing import Any

import numpy as np
import openvino as ov

from leukodiff.classifier.infer import SHIPPED

ROUNDS = 15
CROPS = 64


def main() -> None:
    """Prints the ratio."""
    core = ov.Core()
    core.set_property({"INFERENCE_NUM_THREADS": 1})
    whole = core.read_model(SHIPPED)
    logits = next(one for one in whole.outputs if "atypical" not in one.get_names())
    names = [core.compile_model(whole, "CPU")]
    alone = ov.Model([logits.get_node()], whole.get_parameters())
    names.append(core.compile_model(alone, "CPU"))
    side = whole.inputs[0].get_partial_shape()[1].get_length()
    crops = np.random.default_rng(0).integers(0, 256, (CROPS, side, side, 3), np.uint8)
    ratios = []
    for _ in range(ROUNDS):
        both, one = (seconds(model, crops) for model in names)
        ratios.append(both / one)
    print(f"with the score {statistics.median(ratios):.3f} times the time without")


def seconds(model: Any, crops: np.ndarray[Any, Any]) -> float:
    """Processor time of a call, s."""
    began = time.process_time()
    model([crops])
    return time.process_time() - began


if __name__ == "__main__":
    main()
