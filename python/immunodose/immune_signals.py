# SPDX-License-Identifier: BSD-3-Clause
"""Signals, surface MHC-I, PD-L1 and peptides of every tumor cell, advanced step by step."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from immunodose import _core
from immunodose.errors import InputError
from immunodose.immune_course import Course, PoolRates, pool_tables
from immunodose.immune_drivers import Mhc1DriverInputs
from immunodose.immune_field import SignalField as SignalField
from immunodose.immune_mechanism import Mechanism, require_mechanism
from immunodose.immune_signal_cells import SignalCells, signal_cells
from immunodose.immune_signal_constants import SignalNumbers, pool_rates, signal_numbers
from immunodose.immune_signal_sets import SignalSets, signal_sets
from immunodose.immune_spread import Spreading, spreading
from immunodose.immune_triggers import Amounts, trigger_amounts
from immunodose.response_inputs import TUMOR, ParametersByType, cell_types, warn
from immunodose.rng import RngLike
from immunodose.threads import resolve_threads
from immunodose.typing import FloatArray, IntArray

if TYPE_CHECKING:
    import xarray as xr

Array32 = npt.NDArray[np.float32]
_NONE: Array32 = np.zeros(0, dtype=np.float32)
_POOLS = ("damage", "dna", "membrane", "window")  # that the kernel reads


class SignalModel:
    """State of the tumor cells of a Dataset, rows in its order (docs/theory/signaling.md).

    `prepare`, then `start` with a time grid, then `advance` step by step; the arrays are those of
    the present time. Plain NumPy inside; a copy by `copy.deepcopy` or pickle is a whole state.

    Attributes
    ----------
    mhc1
        Surface MHC-I, (n,) float32, molecules.
    pmhc
        Complexes that T cells recognize: tumor-specific and radiation-induced peptides.
    damage
        Response to remembered nuclear damage, in [0, 1].
    pdl1_fold
        PD-L1 over its baseline.
    """

    def __init__(
        self,
        mechanism: Mechanism,
        sets: SignalSets,
        numbers: SignalNumbers,
        rates: PoolRates,
        courses: tuple[Course, ...],
        cells: SignalCells,
        spread: Spreading,
        n_threads: int,
    ) -> None:
        self.mechanism = mechanism
        self.sets = sets
        self.cells = cells
        self._numbers, self._rates, self._courses = numbers, rates, courses
        self._spread, self._n_threads = spread, n_threads
        self._time_d: FloatArray = np.zeros(0)
        self._tables: dict[str, Array32] = {}
        self._step = 0

    @classmethod
    def prepare(
        cls,
        ds: xr.Dataset,
        *,
        parameters: ParametersByType,
        mechanism: Mechanism,
        rng: RngLike | Literal["required"] = "required",
        n_threads: int | None = None,
        overrides: Mapping[str, float] | None = None,
        with_ifn_gamma: bool = True,
        voxel_um: float | None = None,
    ) -> SignalModel:
        """Read the Dataset and the parameter sets.

        Parameters
        ----------
        ds
            Dataset of `absorbed_dose`; `activity_rate_constant` and `external_beam_dose` give its
            time course (acute without). Optional per cell: `mhc1_baseline`, `mhc1_inducibility`,
            `ifn_gamma_route`, `mhc1_assembly`; `hit_mean` for tracks; `x`, `y`, `z` for a field.
        parameters
            Cell line, or a mapping with `"tumor"` and `"signaling"`.
        mechanism
            The hypothesis.
        rng
            Seed of the baseline and of lost routes; required if one is drawn.
        n_threads
            Threads (>= 1); None for all that this process may use. Results do not depend on it.
        overrides
            Values that replace those of either set.
        with_ifn_gamma
            Whether `advance` will get interferon-gamma; without, its parameters are not read.
        voxel_um
            Edge of the voxels of a field; None for twice the width of a cell's tissue.

        Raises
        ------
        InputError
            If a needed variable or parameter is missing or out of range.

        Warns
        -----
        ValidityWarning
            If a nucleus gets more dose than the data behind the signaling set.
        """
        mechanism = require_mechanism(mechanism)
        sets = signal_sets(parameters, overrides or {})
        is_tumor = cell_types(ds) == TUMOR
        if not is_tumor.any():
            raise InputError(f"no cell is of type {TUMOR!r} (cell_type). Add tumor cells.")
        amounts = trigger_amounts(ds, mechanism, sets, is_tumor)
        numbers = signal_numbers(mechanism, sets, with_ifn_gamma=with_ifn_gamma)
        rates = pool_rates(mechanism, sets)
        threads = resolve_threads(n_threads)
        cells = signal_cells(ds, sets, mechanism, amounts, is_tumor, rng)
        _warn_of_dose(ds, sets, amounts, cells)
        spread = spreading(ds, sets, mechanism, numbers, is_tumor, voxel_um, threads)
        return cls(mechanism, sets, numbers, rates, amounts.courses, cells, spread, threads)

    @property
    def n_cells(self) -> int:
        """Number of rows."""
        return self.cells.baseline.size

    def breaks_d(self) -> FloatArray:
        """Return the times at which the dose rate jumps: a good time grid holds them."""
        return np.unique(np.concatenate([course.breaks_d() for course in self._courses]))

    def start(self, time_d: npt.ArrayLike) -> None:
        """Set the untreated state at time 0 (with the doses that come at 0) for a rising grid."""
        times = np.asarray(time_d, dtype=np.float64)
        if times.ndim != 1 or not times.size or times[0] != 0.0 or not (np.diff(times) > 0.0).all():
            raise InputError(
                f"invalid time_d={times} (allowed: a 1-D grid that begins at 0 and rises strictly)."
            )
        self._time_d, self._step = times, 0
        when = np.empty(2 * times.size - 1)  # ends of the steps, and their middles between them
        when[::2], when[1::2] = times, 0.5 * (times[1:] + times[:-1])
        tables = self._pool_tables(when)
        self._tables = {
            name: np.ascontiguousarray(np.stack([table[1::2], table[2::2]], axis=1))
            for name, table in tables.items()
        }
        self.cells.reset(self._spread, with_pdl1="ifn_gamma" in self._numbers.curves)
        at_zero = {name: table[[0, 0]] for name, table in tables.items()}
        self._run(_core.immune.respond_to_signals, at_zero, 0.0, 0.0)
        self._spread.reset(self.n_cells)

    def _pool_tables(self, time_d: FloatArray) -> dict[str, Array32]:
        """Return what each pool holds of one unit of each course, (time, course)."""
        found = [pool_tables(course, self._rates, time_d) for course in self._courses]
        return {
            name: np.stack([tables[name] for tables in found], axis=1).astype(np.float32)
            for name in ("delivered", *_POOLS)
        }

    def advance(
        self, j: int, ifn_gamma: float | Array32 = 0.0, *, emitting: Array32 | None = None
    ) -> None:
        """Advance from `time_d[j]` to `time_d[j + 1]`.

        Parameters
        ----------
        j
            Number of the step; steps follow each other.
        ifn_gamma
            What each cell meets during the step, molecules per tissue volume of one cell: a
            number, or (n,) float32.
        emitting
            Share of each cell that still releases signals, (n,) float32; None for all. Without
            spread it has no effect: each cell meets its own.
        """
        if j != self._step or j + 1 >= self._time_d.size:
            raise InputError(
                f"invalid step j={j} (next: {self._step}, of {self._time_d.size - 1}). Call start "
                "with the time grid, then advance step by step."
            )
        amount = np.asarray(ifn_gamma, dtype=np.float32)
        if "ifn_gamma" not in self._numbers.curves and amount.any():
            raise InputError(
                "ifn_gamma was given to a model prepared without it. Call SignalModel.prepare("
                "with_ifn_gamma=True)."
            )
        if amount.ndim and amount.shape != (self.n_cells,):
            raise InputError(f"ifn_gamma has shape {amount.shape} (allowed: {(self.n_cells,)}).")
        tables = {name: table[j] for name, table in self._tables.items()}
        duration_d = float(self._time_d[j + 1] - self._time_d[j])
        self.cells.ifn_gamma = np.ascontiguousarray(amount) if amount.ndim else _NONE
        self.cells.driver = self._driven(j, amount)
        common = 0.0 if amount.ndim else float(amount)
        if self._spread.kind == "none":
            self._run(_core.immune.advance_signals, tables, duration_d, common)
        else:
            self._run(_core.immune.emit_signals, tables, duration_d, common)
            self._spread.advance(self.cells, duration_d, emitting)
            self._run(_core.immune.respond_to_signals, tables, duration_d, common)
            self._spread.show(self.cells)
        self._step = j + 1

    def _run(
        self,
        kernel: Callable[..., None],
        tables: Mapping[str, Array32],
        duration_d: float,
        ifn_gamma: float,
    ) -> None:
        core_tables = _core.immune.SignalTables()
        for name in _POOLS:
            setattr(core_tables, name, np.ascontiguousarray(tables[name]))
        kernel(
            self._numbers.core(), core_tables, self.cells.core(), duration_d, ifn_gamma,
            self._n_threads,
        )  # fmt: skip

    def _driven(self, j: int, ifn_gamma: Array32) -> Array32:
        drivers = self.mechanism.drivers()
        if not drivers:
            return _NONE
        time_d = 0.5 * float(self._time_d[j] + self._time_d[j + 1])

        def remembered(table: FloatArray) -> FloatArray:
            doses = self.cells.dose_Gy.values()
            total = np.sum([np.asarray(dose, np.float64) for dose in doses], axis=0)
            return np.asarray(table @ total)

        def memory(memory_time_d: float) -> FloatArray:
            rates = dataclasses.replace(self._rates, damage=1.0 / memory_time_d)
            when = np.array([time_d])
            tables = [pool_tables(course, rates, when)["damage"][0] for course in self._courses]
            return remembered(np.array(tables))

        inputs = Mhc1DriverInputs(
            time_d=time_d,
            dose_Gy={name: dose.sum(axis=0) for name, dose in self.cells.dose_Gy.items()},
            mhc1=self.mhc1,
            ifn1=self.ifn1,
            vesicles=self.vesicles,
            ifn_gamma=np.broadcast_to(ifn_gamma, (self.n_cells,)),
            parameters=(self.sets.signaling, self.sets.line),
            memory=memory,
            delivered=lambda: remembered(np.asarray(self._tables["delivered"][j, 0], np.float64)),
        )
        rises = [driver.rise(inputs) for driver in drivers]
        return np.ascontiguousarray(np.sum(rises, axis=0, dtype=np.float32))

    @property
    def mhc1(self) -> Array32:
        """Surface MHC-I, molecules."""
        return self.cells.mhc1

    @property
    def pmhc(self) -> Array32:
        """Complexes per cell that T cells recognize."""
        return self.cells.pmhc

    @property
    def damage(self) -> Array32:
        """Response to remembered nuclear damage, in [0, 1]."""
        return self.cells.damage_response

    @property
    def ifn1(self) -> Array32:
        """Type-I interferon that each cell meets, relative; zero if the mechanism has none."""
        return self._spread.of(self.cells.ifn1, self.n_cells)

    @property
    def vesicles(self) -> Array32:
        """Vesicles that each cell meets, relative; zero if the mechanism has none."""
        return self._spread.of(self.cells.vesicle, self.n_cells)

    @property
    def trex1(self) -> Array32:
        """TREX1 over its half-inhibiting level's unit; zero without the window."""
        return self._spread.of(self.cells.trex1, self.n_cells)

    @property
    def pdl1_fold(self) -> Array32:
        """PD-L1 over its baseline; 1 without interferon-gamma."""
        pdl1 = self.cells.pdl1
        return pdl1 if pdl1.size else np.ones(self.n_cells, dtype=np.float32)

    @property
    def nk_ligand(self) -> Array32:
        """Ligand of NKG2D over its baseline (Eq. 15)."""
        rise = np.float32(self.sets.value("nk_ligand_fold_max") - 1.0)
        return np.float32(1.0) + rise * self.cells.damage_response

    def pmhc_by_class(self) -> dict[str, Array32]:
        """Return complexes per cell by peptide class; together they are all of MHC-I (Eq. 14)."""
        numbers = self._numbers.numbers
        own = np.float32(numbers["recognized_share"]) * self.mhc1
        induced = np.float32(numbers["induced_share"]) * self.damage * self.mhc1
        rest = np.maximum(self.mhc1 - own - induced, np.float32(0.0))
        return {"tumor_specific": own, "radiation_induced": induced, "self": rest}

    def sample(self, rows: IntArray) -> SignalModel:
        """Return a model of some of the rows, not started; for signals that do not spread."""
        model = copy.copy(self)
        model.cells = self.cells.take(rows)
        return model

    def take(self, rows: npt.ArrayLike, *, positions_um: npt.ArrayLike | None = None) -> None:
        """Gather rows: repeats copy a parent to its daughters, absent rows are removed.

        Parameters
        ----------
        rows
            Row numbers (m,) int64.
        positions_um
            Centers (m, 3) of the new rows where the mechanism spreads by a field; None keeps
            those of the old rows.
        """
        index: IntArray = np.asarray(rows, dtype=np.int64)
        outside = (index < 0) | (index >= self.n_cells)
        if index.ndim != 1 or outside.any():
            raise InputError(
                f"rows of shape {index.shape} with {int(outside.sum())} outside 0 to "
                f"{self.n_cells - 1} (allowed: 1-D row numbers)."
            )
        self.cells = self.cells.take(index)
        self._spread.take(index, positions_um)

    @property
    def assumed(self) -> dict[str, float]:
        """Assumed values among those that were read."""
        return self.sets.assumed()

    @property
    def attrs(self) -> dict[str, str]:
        """Provenance for a Dataset: mechanism, sets, overrides, assumed values read."""
        return {**self.cells.attrs, "mechanism": self.mechanism.to_json(), **self.sets.attrs()}


def _warn_of_dose(ds: xr.Dataset, sets: SignalSets, amounts: Amounts, cells: SignalCells) -> None:
    limit_Gy = sets.value("validity_signal_dose_max")
    total = np.sum([dose.sum(axis=0) for dose in amounts.dose_Gy.values()], axis=0)
    beyond = int((total > limit_Gy).sum())
    if beyond:
        cells.attrs["warnings"] = ds.attrs.get("warnings", "[]")
        warn(
            cells.attrs,
            f"{beyond} cells get up to {float(total.max()):g} Gy to the nucleus, beyond the "
            f"{limit_Gy:g} Gy of the data behind signaling set {sets.signaling.name!r}: their "
            "signals are an extrapolation.",
        )
