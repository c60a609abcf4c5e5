# SPDX-License-Identifier: BSD-3-Clause
"""Alpha hits against decays simulated one by one (invariant 14).

Each comparison holds to 6 standard errors: two-sided normal tail 2e-9, so all of them together
raise a false alarm in fewer than 1e-6 of runs with a fresh stream. The streams here are fixed.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.reference import transport as oracle

from immunodose import _core
from immunodose.data.chains import chain_structure
from immunodose.hits import alpha_chain
from immunodose.typing import FloatArray

pytestmark = pytest.mark.statistical

N_DECAYS = 300_000
STANDARD_ERRORS = 6.0
CELL_UM, NUCLEUS_UM = 7.0, 5.0
SOURCES = {
    "nucleus": (0.0, NUCLEUS_UM),
    "cytoplasm": (NUCLEUS_UM, CELL_UM),
    "membrane": (CELL_UM, CELL_UM),
}


def channels(
    nuclide: str, source: tuple[float, float], distance_um: float, retention: dict[str, float]
) -> FloatArray:
    chain = alpha_chain(nuclide, retention=retention or None)
    assert chain is not None
    row: FloatArray = _core.transport.hit_channels(
        chain=chain, nucleus_radius_um=NUCLEUS_UM, source_um=source,
        distance_um=np.array([distance_um]), density_g_per_cm3=1.0,
    )[0]  # fmt: skip
    return row


def agrees(samples: FloatArray, expected: float, *, resolve: float = 0.02) -> None:
    """Mean of samples = expected within 6 standard errors, which must resolve `resolve`."""
    mean = float(samples.mean())
    error = float(samples.std(ddof=1)) / math.sqrt(samples.size)
    assert STANDARD_ERRORS * error < resolve * expected
    assert abs(mean - expected) < STANDARD_ERRORS * error + 1e-4 * expected


@pytest.mark.parametrize("retention", [{}, {"Fr-221": 0.4}, {"Fr-221": 0.7, "Bi-213": 0.5}])
@pytest.mark.parametrize("source", SOURCES)
def test_hits_of_the_actinium_225_chain(source: str, retention: dict[str, float]) -> None:
    structure = chain_structure("Ac-225", retention=retention or None)
    z, hits = oracle.specific_energy_of_decays(
        structure, nucleus_radius_um=NUCLEUS_UM, source=SOURCES[source], distance_um=0.0,
        n=N_DECAYS, seed=20 + len(retention),
    )  # fmt: skip
    row = channels("Ac-225", SOURCES[source], 0.0, retention)
    agrees(hits.astype(np.float64), row[0])
    if source != "nucleus":  # there every decay hits
        agrees((hits > 0).astype(np.float64), row[1])
        # Hits of one decay are no Poisson variable: unhit nuclei are more than exp(-mean).
        assert math.exp(-row[1] / row[0]) > math.exp(-1.0) * 1.05
    else:
        np.testing.assert_allclose(row[1], 1.0, rtol=1e-4)
    for k, resolve in zip(range(1, 6), (0.025, 0.03, 0.05, 0.08, 0.15), strict=True):
        agrees(z**k, row[1 + k], resolve=resolve)


@pytest.mark.parametrize("distance_um", [14.0, 45.0])
def test_hits_from_a_neighbor(distance_um: float) -> None:
    structure = chain_structure("Ac-225")
    z, hits = oracle.specific_energy_of_decays(
        structure, nucleus_radius_um=NUCLEUS_UM, source=(NUCLEUS_UM, CELL_UM),
        distance_um=distance_um, n=2 * N_DECAYS, seed=31,
    )  # fmt: skip
    row = channels("Ac-225", (NUCLEUS_UM, CELL_UM), distance_um, {})
    resolve = 0.03 if distance_um < 20.0 else 0.12
    agrees(hits.astype(np.float64), row[0], resolve=resolve)
    agrees((hits > 0).astype(np.float64), row[1], resolve=resolve)
    agrees(z, row[2], resolve=resolve)
    agrees(z**2, row[3], resolve=1.5 * resolve)


def test_unhit_nuclei_of_many_decays() -> None:
    """N Poisson decays with mean N: unhit share exp(-N P(hit)), binomial bound."""
    structure = chain_structure("Ac-225")
    _, hits = oracle.specific_energy_of_decays(
        structure, nucleus_radius_um=NUCLEUS_UM, source=SOURCES["membrane"], distance_um=0.0,
        n=N_DECAYS, seed=41,
    )  # fmt: skip
    row = channels("Ac-225", SOURCES["membrane"], 0.0, {})
    mean_decays = 1.0 / row[0]  # one hit on average
    rng = np.random.default_rng(42)
    n_cells = 120_000
    decays = rng.poisson(mean_decays, n_cells)
    owner = np.repeat(np.arange(n_cells), decays)
    drawn = hits[rng.integers(0, N_DECAYS, owner.size)]
    per_cell = np.bincount(owner, weights=drawn, minlength=n_cells)
    agrees((per_cell == 0).astype(np.float64), math.exp(-row[1] / row[0]))
    agrees(per_cell, 1.0, resolve=0.03)
    assert 0.40 < math.exp(-row[1] / row[0]) < 0.50
