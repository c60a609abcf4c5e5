# SPDX-License-Identifier: BSD-3-Clause
"""How many decays each cell gets, and how they are shared out within it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.errors import InputError, UnitError, did_you_mean
from immunodose.rng import RngLike, generator
from immunodose.source_agent import fraction
from immunodose.typing import FloatArray, IntArray

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

DISTRIBUTIONS = ("uniform", "normal", "lognormal")
REGIONS = ("nucleus", "cytoplasm", "membrane", "cell", "medium")

_SUM_TOLERANCE = 1e-9
# At mean = 3 sd one normal draw in 741 is negative; beyond, the shape is no longer normal.
_NORMAL_LARGEST_SD = 1.0 / 3.0


@dataclass(frozen=True, slots=True)
class Amounts:
    """Decays per cell and what was drawn to get them."""

    decays: FloatArray
    n_labeled: int
    random_root: int | None
    normal_redrawn: int

    def record(self) -> dict[str, Any]:
        """Return what was drawn, for the attribute `labels`."""
        return {
            "n_labeled": self.n_labeled,
            "random_root": self.random_root,
            "normal_redrawn": self.normal_redrawn,
        }


def amounts(
    cells: xr.Dataset,
    *,
    decays_per_cell: float,
    labeled_fraction: float,
    distribution: str,
    sd: float | None,
    weights: str | npt.ArrayLike | None,
    labeled_cell_types: Sequence[str] | None,
    rng: RngLike,
    purpose: str,
) -> Amounts:
    """Return the decays of every cell (arguments as in `label`; `purpose` keys the stream)."""
    mean = number("decays_per_cell", decays_per_cell)
    spread = _check_distribution(distribution, mean, sd)
    eligible = _eligible(cells, labeled_cell_types)
    count = _number_labeled(fraction("labeled_fraction", labeled_fraction), eligible.size)
    random, root = generator(rng, purpose=purpose)
    drawn = count < eligible.size or (distribution != "uniform" and count > 0)
    chosen = eligible
    if count < eligible.size:
        chosen = np.sort(random.choice(eligible, size=count, replace=False))
    values, redrawn = np.full(count, mean), 0
    if distribution == "lognormal" and spread > 0.0:
        sigma = math.sqrt(math.log1p((spread / mean) ** 2))
        values = mean * np.exp(sigma * random.standard_normal(count) - 0.5 * sigma**2)
    elif distribution == "normal" and spread > 0.0:
        values, redrawn = _normal(random, count, mean, spread)
    decays = np.zeros(cells.sizes["cell"])
    decays[chosen] = values * _relative_weights(cells, weights, eligible, chosen)
    return Amounts(decays, count, root if drawn else None, redrawn)


def shares(
    cells: xr.Dataset, localization: Mapping[str, float]
) -> tuple[dict[str, FloatArray | float], float]:
    """Return the share of each source region of the cells and the share of the medium."""
    if not isinstance(localization, Mapping) or not localization:
        raise InputError(
            f"invalid localization={localization!r} (allowed: a mapping such as "
            "{'membrane': 0.7, 'cytoplasm': 0.3})."
        )
    for region in localization:
        if region not in REGIONS:
            raise InputError(
                f"localization names {region!r} (allowed: {', '.join(REGIONS)})."
                f"{did_you_mean(region, REGIONS)}"
            )
    total = math.fsum(float(value) for value in localization.values())
    if abs(total - 100.0) < 1e-6:
        raise UnitError("localization sums to 100 (allowed: fractions that sum to 1), not percent.")
    stated = {key: fraction(f"localization[{key!r}]", v) for key, v in localization.items()}
    if abs(total - 1.0) > _SUM_TOLERANCE:
        raise InputError(
            f"localization sums to {total:.9g} (allowed: 1 within 1e-9; every decay happens "
            "somewhere). Name the rest too, for example under 'medium'."
        )
    whole = stated.get("cell", 0.0)
    inside: FloatArray | float = _nucleus_share(cells) if whole > 0.0 else 0.0
    split: dict[str, FloatArray | float] = {
        "nucleus": stated.get("nucleus", 0.0) + whole * inside,
        "cytoplasm": stated.get("cytoplasm", 0.0) + whole * (1.0 - inside),
        "membrane": stated.get("membrane", 0.0),
    }
    return split, stated.get("medium", 0.0)


def medium_concentration(
    decays: FloatArray, share: float, volume_um3: float | None, own: float
) -> float:
    """Return the decays per um3 of the medium from both ways of stating them."""
    concentration = number("medium_decays_per_um3", own)
    if share == 0.0:
        if volume_um3 is not None:
            raise InputError(
                "medium_volume_um3 has no effect (localization has no share 'medium'). Leave it "
                "out, or give medium_decays_per_um3."
            )
        return concentration
    if volume_um3 is None:
        raise InputError(
            f"localization gives {share:g} of the decays to the medium, whose volume is unknown. "
            "Give medium_volume_um3, or state medium_decays_per_um3 and no share 'medium'."
        )
    volume = number("medium_volume_um3", volume_um3)
    if volume == 0.0:
        raise InputError("invalid medium_volume_um3=0 (allowed: > 0).")
    return concentration + share * math.fsum(decays) / volume


def number(name: str, value: Any) -> float:
    """Return a checked finite number >= 0."""
    if isinstance(value, (bool, str)) or np.ndim(value) != 0:
        raise InputError(f"invalid {name}={value!r} (allowed: one number >= 0).")
    try:
        result = float(value)
    except (TypeError, ValueError):
        raise InputError(f"invalid {name}={value!r} (allowed: one number >= 0).") from None
    if not (math.isfinite(result) and result >= 0.0):
        raise InputError(
            f"invalid {name}={result:g} (allowed: finite and >= 0; activity cannot be negative)."
        )
    return result


def _check_distribution(distribution: str, mean: float, sd: float | None) -> float:
    if distribution not in DISTRIBUTIONS:
        raise InputError(
            f"invalid distribution={distribution!r} (allowed: {', '.join(DISTRIBUTIONS)})."
            f"{did_you_mean(distribution, DISTRIBUTIONS)}"
        )
    if distribution == "uniform":
        if sd is not None:
            raise InputError(
                f"sd={sd:g} has no effect with distribution='uniform' (all labeled cells are "
                "equal). Leave it out, or choose 'normal' or 'lognormal'."
            )
        return 0.0
    if sd is None:
        raise InputError(
            f"distribution={distribution!r} needs sd (standard deviation of the decays per "
            "labeled cell, in decays)."
        )
    spread = number("sd", sd)
    if (spread == 0.0) != (mean == 0.0):
        raise InputError(
            f"invalid sd={spread:g} with decays_per_cell={mean:g} and distribution="
            f"{distribution!r} (allowed: both > 0, or both 0). Use 'uniform' for equal cells."
        )
    if distribution == "normal" and spread > mean * _NORMAL_LARGEST_SD:
        raise InputError(
            f"invalid sd={spread:g} with decays_per_cell={mean:g} and distribution='normal' "
            "(allowed: sd <= mean / 3; beyond, more than 1 draw in 741 is a negative activity). "
            "Use distribution='lognormal', which has the same mean and sd and no negative values."
        )
    return spread


def _normal(
    random: np.random.Generator, count: int, mean: float, sd: float
) -> tuple[FloatArray, int]:
    values = random.normal(mean, sd, count)
    redrawn = 0
    while (negative := np.flatnonzero(values < 0.0)).size:
        redrawn += negative.size
        values[negative] = random.normal(mean, sd, negative.size)
    # Mean of the normal cut at 0 is mean + sd pdf(a) / cdf(a), a = mean / sd: scale it out.
    a = mean / sd
    pdf = math.exp(-0.5 * a * a) / math.sqrt(2.0 * math.pi)
    cdf = 0.5 * math.erfc(-a / math.sqrt(2.0))
    return values * (mean / (mean + sd * pdf / cdf)), redrawn


def _eligible(cells: xr.Dataset, labeled_cell_types: Sequence[str] | None) -> IntArray:
    if "cell_type" not in cells:
        if labeled_cell_types is not None:
            raise InputError(
                "labeled_cell_types has no effect: the cells have no variable cell_type. Leave it "
                "out, or add cell_type when the cells are made."
            )
        return np.arange(cells.sizes["cell"], dtype=np.int64)
    present = cells["cell_type"].values.astype(np.str_)
    if isinstance(labeled_cell_types, str):
        labeled_cell_types = (labeled_cell_types,)
    wanted = ("tumor",) if labeled_cell_types is None else tuple(labeled_cell_types)
    kinds = sorted(set(present.tolist()))
    for kind in wanted:
        if kind not in kinds:
            raise InputError(
                f"no cell has cell_type {kind!r} (present: {', '.join(kinds)})."
                f"{did_you_mean(kind, kinds)} Choose labeled_cell_types among them."
            )
    return np.flatnonzero(np.isin(present, wanted)).astype(np.int64)


def _number_labeled(share: float, n_eligible: int) -> int:
    count = math.floor(share * n_eligible + 0.5)
    if share > 0.0 and count == 0:
        raise InputError(
            f"labeled_fraction={share:g} of {n_eligible} cells labels no cell (allowed: 0, or at "
            f"least {0.5 / max(n_eligible, 1):.3g}). Use more cells."
        )
    return count


def _relative_weights(
    cells: xr.Dataset, weights: str | npt.ArrayLike | None, eligible: IntArray, chosen: IntArray
) -> FloatArray | float:
    if weights is None:
        return 1.0
    name = weights if isinstance(weights, str) else "weights"
    if isinstance(weights, str):
        if weights not in cells:
            known = [str(key) for key in cells.data_vars if cells[key].dims == ("cell",)]
            raise InputError(
                f"weights names {weights!r}, which the cells do not have (per-cell variables: "
                f"{', '.join(known)}).{did_you_mean(weights, known)}"
            )
        values = cells[weights]
        if values.dims != ("cell",):
            raise InputError(f"weights variable {weights!r} has dims {values.dims} (must: cell).")
        array = np.asarray(values.values)
    else:
        array = np.asarray(weights)
    n_cells = cells.sizes["cell"]
    if array.shape != (n_cells,) or array.dtype.kind not in "fiu":
        raise InputError(
            f"{name} has shape {array.shape} and dtype {array.dtype} (allowed: one number per "
            f"cell, shape ({n_cells},))."
        )
    array = array.astype(np.float64)
    bad = eligible[~(np.isfinite(array[eligible]) & (array[eligible] >= 0.0))]
    if bad.size:
        raise InputError(
            f"{name}[{bad[0]}] is {array[bad[0]]:g} ({bad.size} of {eligible.size} cells; allowed: "
            "finite and >= 0, since activity is shared out in proportion). Correct it."
        )
    if chosen.size == 0:
        return 1.0
    average = float(array[chosen].mean())
    if average == 0.0:
        raise InputError(
            f"{name} is 0 in all {chosen.size} labeled cells (no cell can take up the activity). "
            "Give at least one positive value."
        )
    return array[chosen] / average


def _nucleus_share(cells: xr.Dataset) -> FloatArray:
    for name in ("cell_radius", "nucleus_radius"):
        if name not in cells:
            raise InputError(
                f"localization 'cell' is split by volume and needs {name}, which the cells do not "
                "have. Make the cells with immunodose.cells."
            )
    ratio: FloatArray = (cells["nucleus_radius"] / cells["cell_radius"]).values.astype(np.float64)
    return ratio**3
