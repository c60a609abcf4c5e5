# SPDX-License-Identifier: BSD-3-Clause
"""Where decays happen: label cells with a nuclide."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from immunodose.errors import InputError
from immunodose.provenance import base_attrs
from immunodose.rng import RngLike
from immunodose.source_agent import (
    Agent,
    cleared,
    identify,
    rate_constant,
    retained,
    spectrum_from_json,
)
from immunodose.source_amounts import amounts, medium_concentration, shares
from immunodose.source_kinetics import course_of_kinetics
from immunodose.source_rows import Row, read_rows, with_rows
from immunodose.source_time import Exponentials
from immunodose.typing import SOURCES

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

_MEMBRANE: Mapping[str, float] = MappingProxyType({"membrane": 1.0})


def label(
    cells: xr.Dataset,
    nuclide: str | xr.Dataset,
    *,
    decays_per_cell: float,
    localization: Mapping[str, float] = _MEMBRANE,
    labeled_fraction: float = 1.0,
    distribution: str = "uniform",
    sd: float | None = None,
    weights: str | npt.ArrayLike | None = None,
    labeled_cell_types: Sequence[str] | None = None,
    retention: float | Mapping[str, float] | None = None,
    medium_decays_per_um3: float = 0.0,
    medium_volume_um3: float | None = None,
    effective_half_life_h: float | None = None,
    kinetics: xr.Dataset | None = None,
    medium_effective_half_life_h: float | None = None,
    progeny_biological_half_life_h: Mapping[str, float] | None = None,
    rng: RngLike = None,
) -> xr.Dataset:
    """Give cells and medium their decays of one nuclide.

    Parameters
    ----------
    cells
        Dataset of `immunodose.cells`, possibly labeled before: every call adds an agent.
    nuclide
        Name of a radionuclide, or an emissions Dataset.
    decays_per_cell
        Mean decays of the nuclide itself (not of its progeny) per labeled cell (>= 0).
    localization
        Fractions that sum to 1 over `nucleus`, `cytoplasm`, `membrane`, `cell` (uniform; split
        over nucleus and cytoplasm by volume) and `medium` (then `medium_volume_um3` is needed).
    labeled_fraction
        Fraction of the cells that carry activity (0 to 1). The number of labeled cells is the
        nearest whole number, the cells are drawn at random.
    distribution
        Over the labeled cells: `uniform` (all equal), `normal` or `lognormal`.
    sd
        Standard deviation in decays per labeled cell, for `normal` (at most a third of the mean)
        and `lognormal` (arithmetic mean and standard deviation).
    weights
        Name of a per-cell variable (such as `antigen`) or an array (>= 0) in proportion to which
        the labeled cells share the activity.
    labeled_cell_types
        Cell types that can be labeled; ("tumor",) if the cells have `cell_type`, else all cells.
    retention
        Fraction of the decays of progeny that stay at the site of the parent (0 to 1): one
        number for all, or by name, where progeny not named stay (1).
    medium_decays_per_um3
        Decays per um3 of the medium between the cells (>= 0).
    medium_volume_um3
        Volume of medium that takes up the share `medium` of `localization`.
    effective_half_life_h
        Effective half-life in the cells in h; only dose rates and their effects need it.
    kinetics
        Time course of the cells in place of `effective_half_life_h`: one compartment of
        `biokinetics`, whose shape is taken (the amount stays `decays_per_cell`).
    medium_effective_half_life_h
        Effective half-life in the medium in h; None: the medium follows the cells.
    progeny_biological_half_life_h
        Biological half-life in h (> 0) of progeny that leave the site of the parent: each atom
        decays or leaves for good, whichever comes first. Lowers `retention` (Eq. 8,
        docs/theory/source.md).
    rng
        int, SeedSequence, Generator or None; used if cells or amounts are drawn. Each agent has
        a stream of its own, so one seed serves several calls.

    Returns
    -------
    xarray.Dataset
        The cells with `time_integrated_activity` (nuclide, cell, source) [Bq s],
        `medium_time_integrated_activity_concentration` (nuclide) [Bq s um-3], and where given
        `retention` (nuclide, progeny) [1; 1 for nuclides that are no progeny of the row],
        `progeny_rate_constant` (nuclide, progeny) [s-1; NaN: that of the decay],
        `medium_activity_rate_constant` (nuclide) [s-1; NaN: as the cells] and
        `activity_rate_constant` (nuclide) [s-1; NaN: not given], which with more than one
        exponential has dim `exponential` and comes with `activity_exponential_share` (nuclide,
        exponential) [1]. The attribute `labels` records each call as JSON, with the root of its
        random numbers.

    Raises
    ------
    InputError
        For negative or non-finite activity, an unknown region, fractions that do not sum to 1,
        unusable weights, a missing or ineffective `sd`.
    UnitError
        For percent given as fraction, or a half-life longer than the physical one.
    DataNotFoundError
        For an unknown nuclide.

    Notes
    -----
    The normal distribution is cut at 0 by drawing negative values again (their number is recorded
    as `normal_redrawn`); the values are scaled so that the mean stays `decays_per_cell`, and the
    standard deviation is at most 0.9 % below `sd`. With weights, cell i of the n labeled gets
    decays_per_cell x_i w_i / mean(w), x_i from the distribution (mean 1). The thickness of the
    membrane is ignored when `cell` is split by volume.

    A nuclide labeled before is added to its row if time course, retention and spectrum are the
    same; otherwise it gets a row of its own, such as "Lu-177#2" (`nuclide_name` cuts the mark).

    Examples
    --------
    >>> import xarray as xr
    >>> cells = xr.Dataset(coords={"cell": [0, 1, 2]})
    >>> labeled = label(cells, "Lu-177", decays_per_cell=100.0, weights=[1.0, 2.0, 3.0])
    >>> labeled["time_integrated_activity"].sel(nuclide="Lu-177", source="membrane").values
    array([ 50., 100., 150.])
    """
    _check_cells(cells)
    agent = identify(nuclide)
    split, medium_share = shares(cells, localization)
    drawn = amounts(
        cells,
        decays_per_cell=decays_per_cell,
        labeled_fraction=labeled_fraction,
        distribution=distribution,
        sd=sd,
        weights=weights,
        labeled_cell_types=labeled_cell_types,
        rng=rng,
        purpose=f"label:{agent.nuclide}:{len(_history(cells))}",
    )
    medium = medium_concentration(
        drawn.decays, medium_share, medium_volume_um3, medium_decays_per_um3
    )
    kept = retained(agent, retention) or {}
    activity = np.stack([drawn.decays * split[region] for region in SOURCES], axis=1)
    row = Row(
        activity,
        medium,
        _course(agent, effective_half_life_h, kinetics),
        rate_constant(agent, medium_effective_half_life_h, "medium_effective_half_life_h"),
        *cleared(agent, kept, progeny_biological_half_life_h),
    )
    record = {
        "nuclide": agent.nuclide,
        "decays_per_cell": float(decays_per_cell),
        "localization": {key: float(value) for key, value in localization.items()},
        "labeled_fraction": float(labeled_fraction),
        "distribution": distribution,
        "sd": _stated(sd),
        "weights": weights if weights is None or isinstance(weights, str) else "array",
        "medium_decays_per_um3": medium,
        "effective_half_life_h": _stated(effective_half_life_h),
        **drawn.record(),
    }
    return _add(cells, agent, row, record)


def _stated(value: float | None) -> float | None:
    return None if value is None else float(value)


def _course(
    agent: Agent, effective_half_life_h: float | None, kinetics: xr.Dataset | None
) -> Exponentials | None:
    if kinetics is not None and effective_half_life_h is not None:
        raise InputError(
            "effective_half_life_h and kinetics both state the time course of the cells. Give one."
        )
    if kinetics is not None:
        return course_of_kinetics(kinetics, agent.nuclide)
    rate = rate_constant(agent, effective_half_life_h, "effective_half_life_h")
    return None if math.isnan(rate) else Exponentials((rate,), (1.0,))


def nuclide_name(row_label: str) -> str:
    """Return the nuclide of a row of `time_integrated_activity`.

    Examples
    --------
    >>> nuclide_name("Lu-177#2")
    'Lu-177'
    """
    return row_label.split("#")[0]


def stored_emissions(labeled: xr.Dataset) -> dict[str, xr.Dataset]:
    """Return the emissions Datasets that were given to `label`, by row label.

    Examples
    --------
    >>> import xarray as xr
    >>> stored_emissions(xr.Dataset())
    {}
    """
    text = str(labeled.attrs.get("custom_emissions", "{}"))
    return {key: table.copy() for key, table in _parsed_emissions(text).items()}


@functools.lru_cache(maxsize=16)
def _parsed_emissions(text: str) -> dict[str, xr.Dataset]:
    return {key: spectrum_from_json(content) for key, content in json.loads(text).items()}


def _history(cells: xr.Dataset) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(cells.attrs.get("labels", "[]"))
    return found


def _check_cells(cells: xr.Dataset) -> None:
    if not hasattr(cells, "data_vars") or "cell" not in cells.dims:
        raise InputError(
            "cells is no Dataset with dim 'cell'. Make it with immunodose.cells, for example "
            "immunodose.cells.spheroid(...)."
        )
    if cells.sizes["cell"] == 0:
        raise InputError("cells has no cell. Make at least one.")
    if "absorbed_dose" in cells:
        raise InputError(
            "cells already holds absorbed_dose, which another agent would make wrong. Label all "
            "agents first, then call immunodose.absorbed_dose."
        )


def _add(
    cells: xr.Dataset,
    agent: Agent,
    new: Row,
    record: dict[str, Any],
) -> xr.Dataset:
    labels, rows = read_rows(cells)
    spectra: dict[str, Any] = json.loads(cells.attrs.get("custom_emissions", "{}"))
    spectrum = None if agent.spectrum is None else json.loads(agent.spectrum)
    same = [
        index
        for index, name in enumerate(labels)
        if nuclide_name(name) == agent.nuclide
        and rows[index].same_kind(new)
        and json.dumps(spectra.get(name)) == json.dumps(spectrum)
    ]
    if same:
        row = rows[same[0]]
        row.activity = row.activity + new.activity
        row.medium += new.medium
        record["row"] = labels[same[0]]
    else:
        before = sum(nuclide_name(name) == agent.nuclide for name in labels)
        labels.append(f"{agent.nuclide}#{before + 1}" if before else agent.nuclide)
        rows.append(new)
        record["row"] = labels[-1]
        if spectrum is not None:
            spectra[labels[-1]] = spectrum
    history = [*_history(cells), record]
    attrs = {**cells.attrs, **base_attrs(), "labels": json.dumps(history)}
    if spectra:
        attrs["custom_emissions"] = json.dumps(spectra)
    return with_rows(cells, labels, rows).assign_attrs(attrs)
