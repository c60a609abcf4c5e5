# SPDX-License-Identifier: BSD-3-Clause
"""Electrons and photons beyond the electron model are accounted, not followed and not fatal."""

from __future__ import annotations

import numpy as np
import pytest

import immunodose as imd
from immunodose.errors import InputError, ValidityWarning


def test_population_accounts_for_them() -> None:
    cells = imd.cells.lattice(
        shape=(1, 1, 1), spacing_um=14.0, cell_radius_um=7.0, nucleus_radius_um=5.0
    )
    labeled = imd.label(cells, "N-16", decays_per_cell=50.0)
    with pytest.warns(ValidityWarning, match=r"N-16 .*3000 keV"):
        dose = imd.absorbed_dose(
            labeled, method="monte_carlo", realization=True, emissions=("beta",), rng=1
        )
    account = dose.energy_account.sel(emission="beta")
    assert float(account.sel(fate="not_transported")) > 0.0
    parts = account.sel(fate=["cells", "medium", "escaped", "left", "not_transported"]).sum()
    np.testing.assert_allclose(parts, account.sel(fate="emitted"), rtol=1e-6)


def test_tracks_leave_them_out() -> None:
    track = imd.track("N-16", rng=1)
    total = float(track.energy_deposited.sum())
    total += track.attrs["escaped_keV"] + track.attrs["left_keV"]
    np.testing.assert_allclose(total, track.attrs["emitted_keV"], rtol=1e-6)


def test_straight_tracks_end_at_20_MeV() -> None:
    table = imd.emissions("Y-90")
    table["energy"] = table["energy"] * 1e3  # eV taken for keV
    with pytest.raises(InputError, match="Is it in eV"):
        imd.s_values(table, cell_radius_um=7.0, nucleus_radius_um=5.0, physics="mird")


def test_wrong_kinds_of_arguments_are_named() -> None:
    with pytest.raises(InputError, match="Call absorbed_dose first"):
        imd.dsb_yields("Lu-177", parameters="dsb_yields")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="invalid alpha_straggling='no'"):
        imd.s_values_alpha(
            5000.0,
            cell_radius_um=7.0,
            nucleus_radius_um=5.0,
            physics="monte_carlo",
            alpha_straggling="no",  # type: ignore[arg-type]
        )
