"""The shares behind the names: a count corrected for the classifier's own errors.

The model: a cell is of type t with chance p[t], and a cell of type t is called s with chance
M[t, s]. What was said of a smear's cells is then multinomial with chances p M; how each type of
validation cell was called tells M.

    p       ~ Dirichlet(0.3 for each type)
    M[t]    ~ Dirichlet(0.1 for each name and 1 for the right one, + the validation cells of t)
    cells of s that are t | p, M  ~ Multinomial(said[s], p[t] M[t, s] / sum over t)

M is drawn from its validation cells alone; for every M, p is drawn by Gibbs steps (Joseph, Gyorkos
and Coupal, Am. J. Epidemiol. 141 (1995) 263). So the smear cannot change what the validation says
of the classifier ("cut": Plummer, Stat. Comput. 25 (2015) 37; known as probabilistic bias analysis:
Fox, MacLehose and Lash, Applying Quantitative Bias Analysis, 2021). Letting it, the full posterior,
was tried: it covered as well, its error was no less, and its chains stall where the smear has more
cells than the validation, because the cells of each step then hold their M fast.

Why not the generalized Rogan-Gladen estimate (inverse of M on the shares said; Rogan and Gladen,
Am. J. Epidemiol. 107 (1978) 71) with a bootstrap: it goes below 0 for rare types, a bootstrap of no
basophil knows nothing of basophils, and an M with a row of `unidentified` beside it has no inverse.

The condition: the smear's laboratory resembles the one of the validation cells. Elsewhere M is
another; the value errs more than the raw count then, and the 95 % intervals cover far less
(docs/results/correction.json). Of a classifier that is right in 97-99 % the raw count is as good.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leukodiff.core.intervals import CONFIDENCE_LEVEL

from .intervals import Estimate

PRIOR_SHARE = 0.3
PRIOR_NAME = 0.1
PRIOR_RIGHT = 1.0
"""Tuned by `benchmarks/correction.py --tune`: a share's 0.3 errs least of 0.1, 0.3, 0.5 and 1 and
covers 95 % (0.1: 93 %); a name's may be 0.02 to 0.3 with the same error within 1 %."""

MIN_VALIDATION = 10
"""A type with fewer validation cells has errors that nobody knows."""

MATRICES = 1000
"""Draws of M."""

STARTING_STEPS = 50
"""Steps towards the mode for the mean of the draws of M."""

NEARING_STEPS = 12
"""Further steps towards the mode for each draw of M."""

SETTLING_STEPS = 2
"""Gibbs steps before those that are kept. Against 30, ends move by less than a point; by two of a
type that may be all or absent and that the classifier names badly."""

KEPT_STEPS = 2
"""Gibbs steps that are kept of each draw of M."""

TAIL = (1 - CONFIDENCE_LEVEL) / 2
"""The share of the draws outside each end of an interval."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Confusion:
    """Names that the classifier gave validation cells of known type.

    `counts` (T, S) whole numbers: row by true type, column by the name given, which may include
    `unidentified`. No cell of a type is a row of zeros.
    """

    true_types: tuple[str, ...]
    named_types: tuple[str, ...]
    counts: Ints

    def __post_init__(self) -> None:
        given = np.asarray(self.counts)
        expected = len(self.true_types), len(self.named_types)
        if given.shape != expected:
            raise ValueError(f"expected counts of shape {expected}, got {given.shape}")
        if given.size and not np.all(np.isfinite(given) & (given >= 0) & (given % 1 == 0)):
            raise ValueError("expected whole counts of 0 or more in a confusion matrix")
        for names in (self.true_types, self.named_types):
            if len(set(names)) != len(names):
                raise ValueError(f"a type stands twice in a confusion matrix: {', '.join(names)}")
        object.__setattr__(self, "counts", given.astype(np.int64))

    @classmethod
    def from_mapping(cls, rows: Mapping[str, Mapping[str, int]]) -> "Confusion":
        """A row a true type: how many of its cells were called what; what is absent is 0.

        A true type may always be named; any other name has to stand in a row to be known.
        """
        named = tuple(dict.fromkeys([*rows, *(name for row in rows.values() for name in row)]))
        counts = np.array([[row.get(name, 0) for name in named] for row in rows.values()])
        return cls(tuple(rows), named, counts.reshape(len(rows), len(named)))

    def to_mapping(self) -> dict[str, dict[str, int]]:
        """The same as plain numbers, for a file; zeros only of names that are no true type."""
        return {
            true: {
                named: int(n)
                for named, n in zip(self.named_types, row, strict=True)
                if n or named not in self.true_types
            }
            for true, row in zip(self.true_types, self.counts, strict=True)
        }


def obstacle(named: Mapping[str, int], confusion: Confusion, of: Sequence[str]) -> str | None:
    """The obstacle to correcting a count, in words; `None` where it can.

    Raises:
        ValueError: a negative count.
    """
    if any(n < 0 for n in named.values()):
        raise ValueError(f"expected counts of 0 or more, got {dict(named)}")
    if not sum(named.get(name, 0) for name in of):
        return "no cell was named"
    unknown = [name for name, n in named.items() if n and name not in confusion.named_types]
    if unknown:
        return f"the classifier's validation has nothing called {', '.join(unknown)}"
    cells = dict(zip(confusion.true_types, confusion.counts.sum(axis=1).tolist(), strict=True))
    needed = dict.fromkeys([*of, *confusion.true_types])
    few = [
        f"{name} ({cells.get(name, 0)})" for name in needed if cells.get(name, 0) < MIN_VALIDATION
    ]
    return f"fewer than {MIN_VALIDATION} validation cells of {', '.join(few)}" if few else None


def corrected_shares(
    named: Mapping[str, int], confusion: Confusion, of: Sequence[str], seed: int = 0
) -> dict[str, Estimate] | None:
    """The true differential of a smear's blood, in percent 0-100 of the types in `of`.

    The value is the posterior mean: its absolute error is that of the median within 1 %, and means
    add up to 100. The ends are the 2.5 and 97.5 % quantiles; where it is not unlikely (more than
    2.5 %) that none of the cells found is of a type, the low end is 0, and where all may be, the
    high end is 100. Of few cells both follow the prior: wide, the value drawn towards equal shares.

    `None` where there is an `obstacle`: no cell named, a name the matrix does not know, or any type
    with fewer than `MIN_VALIDATION` validation cells. The same input and seed give the same result.

    Args:
        named: how many cells were given each name, with `unidentified` and types outside `of`.
        confusion: how validation cells were called that resemble the smear's.
        of: the types that make up the 100 %, each a true type of the matrix.
        seed: of the random draws.
    """
    if obstacle(named, confusion, of):
        return None
    found = np.array([named.get(name, 0) for name in confusion.named_types], np.int64)
    counted = [confusion.true_types.index(name) for name in of]
    rng = np.random.default_rng(seed)
    shares, latent = _draws(found[found > 0], _matrices(confusion, found > 0, rng), rng)
    chosen, cells = shares[:, counted], latent[:, counted]
    chosen = 100 * chosen / chosen.sum(axis=1, keepdims=True)
    mean = 100 * _expected(cells)
    ordered, outside = np.sort(chosen, axis=0), int(TAIL * len(chosen))
    low, high = ordered[outside], ordered[-1 - outside]  # np.percentile loads numpy.ma: 50 ms
    low[(cells == 0).mean(axis=0) > TAIL] = 0
    high[(cells == cells.sum(axis=1, keepdims=True)).mean(axis=0) > TAIL] = 100
    rows = zip(of, mean.tolist(), low.tolist(), high.tolist(), strict=True)
    return {name: Estimate(*figures) for name, *figures in rows}


def _expected(cells: Ints) -> Floats:
    """Mean shares given true counts (draws, types): with less noise than the mean of draws."""
    raised = cells + PRIOR_SHARE
    return np.asarray((raised / raised.sum(axis=1, keepdims=True)).mean(axis=0), np.float64)


def _matrices(confusion: Confusion, wanted: NDArray[np.bool_], rng: np.random.Generator) -> Floats:
    """Draws of M, (draws, T, wanted names); of the other names only the sum counts."""
    prior = np.full(confusion.counts.shape, PRIOR_NAME)
    for row, name in enumerate(confusion.true_types):
        if name in confusion.named_types:
            prior[row, confusion.named_types.index(name)] = PRIOR_RIGHT
    shape = prior + confusion.counts
    shape = np.column_stack([shape[:, wanted], shape[:, ~wanted].sum(axis=1)])
    drawn = rng.standard_gamma(shape, (MATRICES, *shape.shape))
    return np.asarray(drawn[:, :, :-1] / drawn.sum(axis=2, keepdims=True), np.float64)


def _draws(found: Ints, matrices: Floats, rng: np.random.Generator) -> tuple[Floats, Ints]:
    """Shares of all true types, and how many of the cells were of each; both (draws, T).

    `found` (S,) cells of each name, `matrices` (draws, T, S), each of `KEPT_STEPS` Gibbs steps.
    """
    shares = _start(found, matrices, rng)
    likely = np.argsort(-(shares[:, :, None] * matrices).mean(axis=0).T, axis=1, kind="stable")
    kept: list[tuple[Floats, Ints]] = []
    for _ in range(SETTLING_STEPS + KEPT_STEPS):
        latent = _true_counts(found, shares, matrices, likely, rng)
        drawn = rng.standard_gamma(latent + PRIOR_SHARE)
        shares = drawn / drawn.sum(axis=1, keepdims=True)
        kept.append((shares, latent))
    draws = kept[SETTLING_STEPS:]
    return np.concatenate([one for one, _ in draws]), np.concatenate([one for _, one in draws])


def _start(found: Ints, matrices: Floats, rng: np.random.Generator) -> Floats:
    """Shares near what each matrix makes likely, (draws, T), as far apart as they should be.

    What was named is drawn as well, so that few Gibbs steps remain to be done (the generalized
    Rogan-Gladen estimate with a bootstrap, kept above 0).
    """
    shares = np.full((1, matrices.shape[1]), 1 / matrices.shape[1])
    shares = _fitted(found[None], matrices.mean(axis=0, keepdims=True), shares, STARTING_STEPS)
    named = rng.standard_gamma(found, (len(matrices), len(found)))
    return _fitted(named, matrices, shares, NEARING_STEPS)


def _fitted(found: Ints | Floats, matrices: Floats, shares: Floats, steps: int) -> Floats:
    """Steps of expectation-maximization from some shares; all (draws, ...)."""
    for _ in range(steps):
        named = np.einsum("dt,dts->ds", np.broadcast_to(shares, matrices.shape[:2]), matrices)
        shares = shares * np.einsum("dts,ds->dt", matrices, found / named) + PRIOR_SHARE
        shares = shares / shares.sum(axis=1, keepdims=True)
    return shares


def _true_counts(
    found: Ints, shares: Floats, matrices: Floats, likely: Ints, rng: np.random.Generator
) -> Ints:
    """Draws how many of the cells are of each type, (draws, T).

    `likely` (S, T) has the types of each name, the likeliest first: numpy draws type by type and
    stops once all cells are spent, which makes it three times as fast.
    """
    joint = (shares[:, :, None] * matrices).transpose(0, 2, 1)
    ordered = np.take_along_axis(joint, likely[None], axis=2)
    drawn = rng.multinomial(found, ordered / ordered.sum(axis=2, keepdims=True))
    back = np.argsort(likely, axis=1)
    return np.asarray(np.take_along_axis(drawn, back[None], axis=2).sum(axis=1), np.int64)
