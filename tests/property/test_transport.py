# SPDX-License-Identifier: BSD-3-Clause
"""Invariants 1, 2, 3, 8 to 10 and 12 to 18: kernels, S values and hits."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import immunodose as imd
from immunodose import _core
from immunodose.emission_kernels import transported_kernel
from immunodose.typing import EMISSIONS, Emission, FloatArray

SETTINGS = settings(max_examples=30)
GRAY_NG_PER_KEV = 1.602176634e-4
SPECTRA = [
    (True, (5829.6,)), (True, (5867.0, 7450.3)), (False, (12.0,)), (False, (60.0, 147.0, 498.0)),
]  # fmt: skip

# Of the kernel model: electrons with scattering and straggling, alphas with straggling, photons.
TRANSPORTED: list[tuple[Emission, tuple[float, ...]]] = [
    ("auger_ce", (0.4, 12.0)), ("beta", (60.0, 147.0, 498.0)), ("alpha", (5867.0,)),
    ("photon", (208.4,)),
]  # fmt: skip

Shell = tuple[float, float]
Kernel = tuple[FloatArray, FloatArray]


def kernel_of(spectrum: tuple[bool, tuple[float, ...]], density: float = 1.0) -> Kernel:
    alpha, energies = spectrum
    return _core.physics.csda_kernel(
        energy_keV=np.array(energies), yield_per_decay=np.full(len(energies), 0.7), alpha=alpha,
        density_g_per_cm3=density,
    )  # fmt: skip


def transported(spectrum: tuple[Emission, tuple[float, ...]], density: float = 1.0) -> Kernel:
    emission, energies = spectrum
    made = transported_kernel(
        emission, np.array(energies), np.full(len(energies), 0.7), density
    ).kernel
    assert made is not None
    return made.edge_um, made.energy_keV


KERNELS = {spectrum: kernel_of(spectrum) for spectrum in SPECTRA}
spectra = st.sampled_from(SPECTRA)
kernels = st.sampled_from(
    list(KERNELS.values()) + [transported(spectrum) for spectrum in TRANSPORTED]
)


@st.composite
def shells(draw: st.DrawFn, *, thin: float = 0.01) -> Shell:
    outer = draw(st.floats(2.0, 15.0))
    kind = draw(st.sampled_from(["ball", "shell", "thin"]))
    if kind == "ball":
        return 0.0, outer
    return (outer - thin if kind == "thin" else outer * draw(st.floats(0.1, 0.95))), outer


def volume(shell: Shell) -> float:
    a, b = shell
    return 4.0 / 3.0 * np.pi * (b - a) * (a * a + a * b + b * b)


def energy_keV(
    kernel: Kernel, source: Shell, target: Shell, distance: list[float], density: float = 1.0
) -> FloatArray:
    """Energy deposited in the target per decay in the source."""
    dose = _core.transport.s_values(
        edge_um=kernel[0], energy_keV=kernel[1], source_um=source, target_um=target,
        distance_um=np.array(distance), density_g_per_cm3=density,
    )  # fmt: skip
    energy: FloatArray = dose * volume(target) * 1e-3 * density / GRAY_NG_PER_KEV
    return energy


@SETTINGS
@given(kernels, shells(), shells(), st.floats(0.0, 60.0))
def test_s_values_are_reciprocal_to_rounding(
    kernel: Kernel, a: Shell, b: Shell, gap: float
) -> None:
    for distance in (0.0, a[1] + b[1] + gap):
        there = energy_keV(kernel, a, b, [distance])[0] / volume(b)
        back = energy_keV(kernel, b, a, [distance])[0] / volume(a)
        # Thin shells are differences of balls: rounding of the balls remains.
        floor = 1e-9 * kernel[1].sum() / max(volume((0.0, a[1])), volume((0.0, b[1])))
        np.testing.assert_allclose(there, back, rtol=1e-9, atol=floor)


@SETTINGS
@given(kernels, shells(), st.floats(2.0, 15.0), st.floats(0.05, 0.95), st.floats(0.0, 40.0))
def test_compartments_partition_the_cell_and_all_space(
    kernel: Kernel, source: Shell, radius: float, split: float,
    gap: float,
) -> None:  # fmt: skip
    emitted = kernel[1].sum()
    inner, membrane = split * (radius - 0.01), radius - 0.01
    parts = [(0.0, inner), (inner, membrane), (membrane, radius), (0.0, radius)]
    for distance in (0.0, source[1] + radius + gap):
        nucleus, cytoplasm, shell, cell = (
            energy_keV(kernel, source, part, [distance])[0] for part in parts
        )
        np.testing.assert_allclose(nucleus + cytoplasm + shell, cell, rtol=1e-9, atol=1e-10)
        for energy in (nucleus, cytoplasm, shell, cell):
            assert -1e-10 * emitted <= energy <= emitted * (1.0 + 1e-9)
    # The cell and the space around it: what is emitted is deposited.
    far = kernel[0][-1] + source[1] + radius
    outside = energy_keV(kernel, source, (radius, far), [0.0])[0]
    np.testing.assert_allclose(
        energy_keV(kernel, source, (0.0, radius), [0.0])[0] + outside, emitted, rtol=1e-8
    )


@SETTINGS
@given(kernels, shells(), shells())
def test_cross_dose_summed_over_space_is_the_emitted_energy(
    kernel: Kernel, source: Shell, target: Shell
) -> None:
    """Integral over target positions of energy / volume = emitted energy (invariants 1, 9)."""
    assume(kernel[0][-1] < 200.0)
    end = kernel[0][-1] + source[1] + target[1]
    d = np.linspace(0.0, end, 2001)[1:]
    density = energy_keV(kernel, source, target, list(d)) / volume(target)
    total = np.trapezoid(4.0 * np.pi * d**2 * density, d)
    np.testing.assert_allclose(total, kernel[1].sum(), rtol=2e-3)


@SETTINGS
@given(spectra, shells(), shells(), st.floats(1e-6, 100.0))
def test_nothing_arrives_beyond_reach_and_radii(
    spectrum: tuple[bool, tuple[float, ...]], a: Shell, b: Shell, beyond: float
) -> None:
    kernel = KERNELS[spectrum]
    edge = kernel[0][-1] + a[1] + b[1]
    # Between the last graze and this edge lies the tail end of the overlap, of order gap^3.
    far, near = energy_keV(kernel, a, b, [edge * (1.0 + 1e-12) + beyond, edge - 1.5])
    assert far == 0.0
    assert near > 0.0


@SETTINGS
@given(kernels, st.floats(0.5, 5.0), st.floats(1.01, 3.0))
def test_self_dose_fraction_rises_to_one(kernel: Kernel, inner: float, factor: float) -> None:
    reach, emitted = kernel[0][-1], kernel[1].sum()
    source = (0.0, inner)
    radii = [inner, factor * inner, factor**2 * inner, inner + reach]
    share = [energy_keV(kernel, source, (0.0, r), [0.0])[0] / emitted for r in radii]
    assert all(np.diff(share) > -1e-12)
    np.testing.assert_allclose(share[-1], 1.0, rtol=1e-9)
    # A source on the surface of a ball much larger than the reach gives it half.
    large = 300.0 * reach
    surface = energy_keV(kernel, (large, large), (0.0, large), [0.0])[0] / emitted
    np.testing.assert_allclose(surface, 0.5, atol=2e-3)


@SETTINGS
@given(shells(thin=0.2))
def test_mean_chord_is_four_volumes_per_surface(shell: Shell) -> None:
    """A deposit at distance r from its source leaves the region by r over its mean chord."""
    surface = 4.0 * np.pi * (shell[0] ** 2 + shell[1] ** 2)
    r = 1e-3 * volume(shell) / surface
    kernel = (np.array([0.0, r * (1 - 1e-6), r * (1 + 1e-6)]), np.array([0.0, 1.0]))
    left = 1.0 - energy_keV(kernel, shell, shell, [0.0])[0]
    np.testing.assert_allclose(r / left, 4.0 * volume(shell) / surface, rtol=2e-3)


@SETTINGS
@given(st.floats(1000.0, 9000.0), st.floats(0.7, 1.3))
def test_alpha_kernel_starts_with_the_stopping_power(energy: float, density: float) -> None:
    edge, deposited = kernel_of((True, (energy,)), density)
    let = _core.physics.alpha_let_keV_per_um(
        energy_keV=np.array([energy]), density_g_per_cm3=density
    )[0]
    near = (edge[1:] < 0.02) & (edge[:-1] > 1e-4)
    rate = deposited / np.diff(edge) / 0.7
    np.testing.assert_allclose(rate[near], let, rtol=5e-3)


@SETTINGS
@given(spectra, shells(), shells(), st.floats(0.0, 40.0), st.floats(0.5, 2.0))
def test_lengths_and_density_scale_together(
    spectrum: tuple[bool, tuple[float, ...]], a: Shell, b: Shell, gap: float, scale: float
) -> None:
    """Lengths x s with density / s: same energies; only the kernel's bins do not scale."""
    distance = a[1] + b[1] + gap
    # Near the end of a track a tiny share of the energy decides: compare with what is typical.
    one = energy_keV(KERNELS[spectrum], a, b, [0.0, distance])
    stretched = energy_keV(
        kernel_of(spectrum, 1.0 / scale), (scale * a[0], scale * a[1]),
        (scale * b[0], scale * b[1]), [0.0, scale * distance], 1.0 / scale,
    )  # fmt: skip
    typical = KERNELS[spectrum][1].sum() * volume(b) / (4.0 * distance**3)
    np.testing.assert_allclose(stretched, one, rtol=2e-3, atol=1e-3 * typical)


@SETTINGS
@given(st.sampled_from(TRANSPORTED[:2]), shells(), shells(), st.floats(0.0, 40.0),
       st.floats(0.5, 2.0))  # fmt: skip
def test_lengths_and_density_scale_together_for_kernels(
    spectrum: tuple[Emission, tuple[float, ...]], a: Shell, b: Shell, gap: float, scale: float
) -> None:
    """As above. The density effect of fast electrons is that of 1 g/cm3 at any density."""
    distance = a[1] + b[1] + gap
    one = energy_keV(transported(spectrum), a, b, [0.0, distance])
    stretched = energy_keV(
        transported(spectrum, 1.0 / scale), (scale * a[0], scale * a[1]),
        (scale * b[0], scale * b[1]), [0.0, scale * distance], 1.0 / scale,
    )  # fmt: skip
    typical = transported(spectrum)[1].sum() * volume(b) / (4.0 * distance**3)
    np.testing.assert_allclose(stretched, one, rtol=4e-3, atol=1e-3 * typical)


@settings(max_examples=10)
@given(
    st.sampled_from(["Lu-177", "Tb-161", "Ac-225"]), st.floats(2.0, 8.0), st.floats(1.1, 2.0),
    st.floats(5.0, 100.0), st.floats(0.0, 30.0),
)  # fmt: skip
def test_s_values_of_the_kernel_model_are_symmetric_and_partition_the_cell(
    nuclide: str, nucleus: float, factor: float, membrane_nm: float, gap: float
) -> None:
    """Invariants 2, 3 and 17 for every emission class."""
    cell = factor * nucleus
    inside = cell - 1e-3 * membrane_nm
    assume(inside > nucleus + 0.02)
    ds = imd.s_values(
        nuclide, cell_radius_um=cell, nucleus_radius_um=nucleus, physics="kernel",
        membrane_thickness_nm=membrane_nm, distance_um=[0.0, 2.0 * cell + gap],
    )  # fmt: skip
    names = ["nucleus", "cytoplasm", "membrane", "cell"]
    s = ds.s_value.sel(target=names, source=names, emission=list(EMISSIONS)).transpose(
        "emission", "distance", "target", "source"
    ).values  # fmt: skip
    # Thin shells are differences of balls: rounding of the balls remains.
    floor = 1e-7 * s[..., 3, 3].max()
    np.testing.assert_allclose(s, np.swapaxes(s, -1, -2), rtol=1e-7, atol=floor)
    parts = np.array([volume(p) for p in ((0.0, nucleus), (nucleus, inside), (inside, cell))])
    whole = np.einsum("t,edts->eds", parts / parts.sum(), s[..., :3, :])
    np.testing.assert_allclose(whole, s[..., 3, :], rtol=1e-7, atol=floor)
    absorbed = s[:, 0, 3, 3] * 1e-3 * volume((0.0, cell)) / GRAY_NG_PER_KEV
    assert np.all(absorbed >= 0.0)
    assert np.all(absorbed <= ds.energy_per_decay.sel(emission=list(EMISSIONS)).values * (1 + 1e-9))


@settings(max_examples=10)
@given(
    st.sampled_from(["At-211", "Ac-225", "Bi-213"]), st.floats(2.0, 8.0), st.floats(1.05, 2.0),
    st.floats(0.9, 1.1),
)  # fmt: skip
def test_mean_hit_times_hits_is_the_mean_dose(
    nuclide: str, nucleus: float, factor: float, density: float
) -> None:
    """Two independent computations: marks over solid angles, kernel over overlaps."""
    cell = factor * nucleus
    out = imd.hit_statistics(
        nuclide, cell_radius_um=cell, nucleus_radius_um=nucleus, density_g_per_cm3=density
    )
    ds = imd.s_values(
        nuclide, cell_radius_um=cell, nucleus_radius_um=nucleus, physics="mird",
        density_g_per_cm3=density,
    ).s_value.sel(target="nucleus", emission="alpha", distance=0.0)  # fmt: skip
    for source in ("nucleus", "cytoplasm", "membrane"):
        row = out.sel(source=source)
        dose = float(ds.sel(source=source))
        per_traversal = row.frequency_mean_specific_energy.sel(per="traversal")
        per_decay = row.frequency_mean_specific_energy.sel(per="decay")
        np.testing.assert_allclose(row.hits_per_decay * per_traversal, dose, rtol=2e-3)
        np.testing.assert_allclose(row.hit_probability_per_decay * per_decay, dose, rtol=2e-3)
        assert float(row.hit_probability_per_decay) <= float(row.hits_per_decay) * (1.0 + 1e-9)
        assert (row.dose_mean_specific_energy >= row.frequency_mean_specific_energy).all()


def equal_alphas(n: int, energy: float) -> _core.transport.AlphaChain:
    """A chain of n members in a row, each with one alpha of the same energy."""
    return _core.transport.AlphaChain(
        decays_per_parent_decay=np.ones(n),
        edge_parent=np.arange(n - 1), edge_daughter=np.arange(1, n),
        edge_fraction=np.ones(n - 1), edge_is_alpha=np.ones(n - 1, dtype=np.int64),
        line_member=np.arange(n), line_energy_keV=np.full(n, energy), line_yield=np.ones(n),
    )  # fmt: skip


def hits_of(chain: _core.transport.AlphaChain, nucleus: float, source: Shell) -> FloatArray:
    """Hits, P(hit), E[z^k] k = 1..5 and the sum of single z^2 per decay, own cell."""
    row: FloatArray = _core.transport.hit_channels(
        chain=chain, nucleus_radius_um=nucleus, source_um=source, distance_um=np.zeros(1),
        density_g_per_cm3=1.0,
    )[0]  # fmt: skip
    return row


@SETTINGS
@given(st.integers(1, 6), st.floats(4000.0, 9000.0), st.floats(2.0, 6.0), st.floats(1.1, 2.5))
def test_hits_of_equal_alphas_are_a_compound_poisson(
    n: int, energy: float, nucleus: float, factor: float
) -> None:
    """Poisson decays of n alphas that each hit with p: variance (1 + (n - 1) p) x mean.

    From a thin shell every decay has the same p, so binomial counts follow; the marks tell the
    variance: E[z^2] per decay is n E1[z^2] + n (n - 1) E1[z]^2 (invariant 14).
    """
    source = (factor * nucleus, factor * nucleus)
    one = hits_of(equal_alphas(1, energy), nucleus, source)
    several = hits_of(equal_alphas(n, energy), nucleus, source)
    p = one[0]
    assert 0.0 < p < 0.5
    np.testing.assert_allclose(several[0], n * p, rtol=1e-9)
    np.testing.assert_allclose(several[1], 1.0 - (1.0 - p) ** n, rtol=1e-4)
    pairs = n * (n - 1) * one[2] ** 2
    np.testing.assert_allclose(several[3], n * one[3] + pairs, rtol=1e-4)
    np.testing.assert_allclose(several[2], n * one[2], rtol=1e-9)
    if n == 2:  # 0, 1 or 2 hits: the mean and P(hit) give the second moment of their number
        both = several[0] - several[1]
        variance_over_mean = (several[0] + 2.0 * both) / several[0]
        np.testing.assert_allclose(variance_over_mean, 1.0 + p, rtol=1e-4)


@SETTINGS
@given(st.floats(200.0, 11000.0), st.floats(0.7, 1.3))
def test_let_along_an_alpha_track(energy: float, density: float) -> None:
    """Invariant 16: its integral is the energy lost; dose mean >= track mean."""
    reach = _core.physics.alpha_range_um(
        energy_keV=np.array([energy]), density_g_per_cm3=density
    )[0]  # fmt: skip
    edge = np.linspace(0.0, reach, 4001)
    residual = reach - 0.5 * (edge[1:] + edge[:-1])
    left = _core.physics.alpha_residual_energy_keV(range_um=residual, density_g_per_cm3=density)
    let = _core.physics.alpha_let_keV_per_um(energy_keV=left, density_g_per_cm3=density)
    step = edge[1]
    np.testing.assert_allclose(let.sum() * step, energy, rtol=1e-3)
    part = edge[1:] <= 0.5 * reach  # the first half of the track
    lost = energy - _core.physics.alpha_residual_energy_keV(
        range_um=np.array([0.5 * reach]), density_g_per_cm3=density
    )[0]  # fmt: skip
    np.testing.assert_allclose(let[part].sum() * step, lost, rtol=1e-3)
    dose_mean = (let**2).sum() / let.sum()
    assert dose_mean >= let.mean()
    assert dose_mean > 1.02 * let.mean()  # LET varies along every track
