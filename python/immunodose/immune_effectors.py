# SPDX-License-Identifier: BSD-3-Clause
"""CD8 effectors in the tumor: baseline, priming by antigen of dying cells, supply of the host."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from immunodose.data.parameters import ParameterSet
from immunodose.immune_time import relax
from immunodose.typing import FloatArray


@dataclass(frozen=True, slots=True)
class EffectorModel:
    """Parameters of Eq. 5-7 of docs/theory/immune.md; `present` False is an athymic host."""

    present: bool
    baseline: float = 0.0
    priming_gain_per_d: float = 0.0
    loss_rate_per_d: float = 0.0
    clearance_rate_per_d: float = 0.0
    priming_delay_d: float = 0.0


def effector_model(
    host: ParameterSet, baseline: float | None, danger: float = 1.0
) -> EffectorModel:
    """Read the model from a host set; without CD8 T cells no CD8 parameter is read.

    `danger` in [0, 1] is what is left of the signal that matures dendritic cells (host STING).
    """
    if host.value("cd8_present") == 0.0 or baseline is None:
        return EffectorModel(present=False)
    return EffectorModel(
        present=True,
        baseline=baseline,
        priming_gain_per_d=danger * host.value("effector_priming_gain"),
        loss_rate_per_d=host.value("effector_loss_rate"),
        clearance_rate_per_d=host.value("antigen_clearance_rate"),
        priming_delay_d=host.value("priming_delay"),
    )


def effectors_in_time(
    model: EffectorModel,
    time_d: FloatArray,
    *,
    tumor_survival: FloatArray,
    baseline_survival: FloatArray,
    supply: FloatArray,
) -> FloatArray:
    """Return effectors per tumor cell on the grid.

    Parameters
    ----------
    model
        Parameters.
    time_d
        Rising grid from 0 (d).
    tumor_survival
        Mean over tumor cells of the probability to have survived radiation so far.
    baseline_survival
        The same of the T cells that were in the tumor at the start (1 where not followed): what
        arrives later is lost to the dose rate in the tumor at the same rate (Eq. 7).
    supply
        Lymphocytes of the host relative to the untreated host.

    Notes
    -----
    Exactly 0 without CD8 T cells, whatever the other parameters.
    """
    if not model.present:
        return np.zeros(time_d.size)
    source = effector_source(model, time_d, tumor_survival)
    # Mean loss per step to the dose in the tumor; what is below the smallest number is gone.
    log_alive = np.log(np.maximum(baseline_survival, np.finfo(np.float64).tiny))
    loss_rate = model.loss_rate_per_d - np.diff(log_alive) / np.diff(time_d)
    initial = float(model.baseline * baseline_survival[0] * supply[0])
    return relax(time_d, loss_rate, source * supply, initial)


def effector_source(
    model: EffectorModel, time_d: FloatArray, tumor_survival: FloatArray
) -> FloatArray:
    """Return how many effectors come per tumor cell and day at full supply (Eq. 7).

    Arguments are those of `effectors_in_time`.
    """
    released = np.concatenate([-np.diff(tumor_survival) / np.diff(time_d), [0.0]])
    antigen = _antigen(time_d, model.clearance_rate_per_d, released, 1.0 - tumor_survival[0])
    priming = _priming(model, time_d, antigen)
    return model.priming_gain_per_d * priming + model.loss_rate_per_d * model.baseline


def _priming(model: EffectorModel, time_d: FloatArray, antigen: FloatArray) -> FloatArray:
    """Eq. 6: antigen times danger signal of `priming_delay_d` ago, both from the dying cells."""
    seen = np.interp(time_d - model.priming_delay_d, time_d, antigen, left=0.0)
    return np.square(seen)


def _antigen(
    time_d: FloatArray, clearance_per_d: float, released: FloatArray, initial: float
) -> FloatArray:
    """Solve Eq. 5 for a release rate that is constant within each step."""
    h = np.diff(time_d)
    x = clearance_per_d * h
    share = np.where(x > 0.0, -np.expm1(-x) / np.where(x > 0.0, x, 1.0), 1.0)
    decay = np.exp(-x)
    antigen = np.empty(time_d.size)
    antigen[0] = initial
    for j in range(h.size):
        antigen[j + 1] = decay[j] * antigen[j] + released[j] * h[j] * share[j]
    return np.maximum(antigen, 0.0)  # rounding of released, which is never negative by Eq. 8
