# SPDX-License-Identifier: BSD-3-Clause
"""Which complexes the killing calls read: all recognized peptides of a mechanism, or the share."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import immunodose as imd
from immunodose.errors import InputError

DAMAGE = imd.Mechanism(triggers="damage", weighting="per_gy", spread="none", trex1_window=False)


def irradiated(**overrides: float) -> xr.Dataset:
    cells = xr.Dataset(
        {
            "absorbed_dose": (("cell", "emission"), [[0.0], [6.0]]),
            "survival_probability": ("cell", [1.0, 0.2]),
            "mhc1_baseline": ("cell", [500.0, 500.0]),
        },
        coords={"emission": ["alpha"]},
    )
    return imd.mhc1_expression(
        cells, parameters="b16k1", time_d=[0.0, 4.0], mechanism=DAMAGE, **overrides
    )


def killed(ds: xr.Dataset) -> xr.Dataset:
    host = imd.simulate_host(host="immunocompetent", time_d=[0.0, 4.0])
    return imd.kill_probability(ds, parameters="b16k1", host=host, time_d=4.0)


@pytest.mark.filterwarnings("ignore::immunodose.errors.ValidityWarning")
def test_radiation_induced_peptides_count_in_the_kill() -> None:
    with_them = irradiated(radiation_induced_share_max=0.01)
    without = irradiated(radiation_induced_share_max=0.0)
    np.testing.assert_array_equal(with_them.mhc1_surface, without.mhc1_surface)
    more, less = (killed(ds).kill_probability_immune.values for ds in (with_them, without))
    assert np.log1p(-more[1]) < 1.1 * np.log1p(-less[1])  # irradiated: more log-kill
    assert more[0] == less[0]  # not irradiated
    # The complexes are those of pmhc_surface, whatever share of MHC-I they are.
    as_share = without.assign(mhc1_surface=with_them.pmhc_surface / 2e-3).drop_vars("pmhc_surface")
    np.testing.assert_allclose(killed(as_share).kill_probability_immune, more, rtol=1e-6)


@pytest.mark.filterwarnings("ignore::immunodose.errors.ValidityWarning")
def test_complexes_of_another_surface_are_refused() -> None:
    ds = irradiated()
    ds["mhc1_surface"] = 3.0 * ds["mhc1_surface"]
    with pytest.raises(InputError, match=r"pmhc_surface\[0, 0\].*Drop pmhc_surface"):
        killed(ds)
    assert (killed(ds.drop_vars("pmhc_surface")).kill_probability_immune > 0.0).all()
    with pytest.raises(InputError, match="pmhc_surface has sizes"):
        killed(irradiated().assign(pmhc_surface=("cell", [1.0, 1.0])))


@pytest.mark.filterwarnings("ignore::immunodose.errors.ValidityWarning")
def test_a_plain_call_forgets_the_mechanism_before_it() -> None:
    again = imd.mhc1_expression(irradiated(), parameters="b16k1", time_d=[0.0, 4.0])
    assert "mechanism" not in again.attrs
