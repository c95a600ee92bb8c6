"""Priors: how likely each cell type is before its picture is seen, in blood and in marrow.

A classifier learns from about as many cells of each type, and blood is not mixed like that. Its
probabilities are multiplied by a weight a type and brought to a sum of 1 again (as Saerens et al.,
Neural Computation 14 (2002) 21-41, with fixed weights). The weights here are milder than the
shares themselves, since a smear is looked at for what is unusual in it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from leukodiff.core.errors import InputError

ROUTINE = "routine"
MARROW = "marrow"
NONE = "none"

RARE_WEIGHT = 0.1
"""Weight of a type of which ordinary blood or marrow has one in a hundred or fewer."""

PRIORS: Mapping[str, Mapping[str, float]] = {
    ROUTINE: {"immature_granulocyte": RARE_WEIGHT, "erythroblast": RARE_WEIGHT},
    MARROW: {"basophil": RARE_WEIGHT, "monocyte": RARE_WEIGHT * 5},
    NONE: {},
}
"""Weights of the types that are rarer than the others; every other type has 1.

`routine` is a healthy adult's blood: immature granulocytes below 1 %, no erythroblast. The five
types of the differential weigh the same, so that an eosinophilia is seen as easily as any. `marrow`
is a normal aspirate: basophils about 0.1 %, monocytes about 1 % (Bain, Br J Haematol 94 (1996)
206-209). The factor was chosen on laboratories left out; see docs/attempts.md.
"""


def prior_weights(prior: str, classes: Sequence[str]) -> NDArray[np.float64]:
    """Weights (K,) of classes, each above 0 and at most 1.

    Raises:
        InputError: there is no such prior.
    """
    if prior not in PRIORS:
        raise InputError(f"no prior {prior!r}: expected one of {', '.join(PRIORS)}")
    return np.array([PRIORS[prior].get(name, 1.0) for name in classes], np.float64)
