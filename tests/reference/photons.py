# SPDX-License-Identifier: BSD-3-Clause
"""Slow oracles of docs/theory/photons.md: Klein-Nishina by quadrature over the scattering angle."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

REST_KEV = 510.99895  # CODATA 2018
ELECTRONS_PER_G = 0.55508 * 6.02214076e23  # water, ICRU 90
ELECTRON_RADIUS_CM = 2.8179403262e-13  # CODATA 2018


def klein_nishina(energy_keV: float, n: int = 120) -> tuple[Floats, Floats, Floats]:
    """Return angles, cross-section per g and angle (times its weight), share kept by the photon."""
    node, weight = np.polynomial.legendre.leggauss(n)
    angle = 0.5 * np.pi * (1.0 + node)
    share = 1.0 / (1.0 + energy_keV / REST_KEV * (1.0 - np.cos(angle)))
    per_sr = 0.5 * ELECTRON_RADIUS_CM**2 * share**2 * (share + 1.0 / share - np.sin(angle) ** 2)
    solid = 2.0 * np.pi * np.sin(angle) * 0.5 * np.pi * weight
    return angle, ELECTRONS_PER_G * per_sr * solid, share


def compton_cm2_per_g(energy_keV: float) -> tuple[float, float]:
    """Return the Compton cross-section and its part that goes to the electron."""
    _, section, share = klein_nishina(energy_keV)
    return float(section.sum()), float((section * (1.0 - share)).sum())


def first_scatter_by_points(energy_keV: float, distance_cm: float, n: int = 400_000) -> float:
    """Absorbed energy per cm3 from photons scattered once, without attenuation, over that of the
    first flight: random scattering points around source and target, constant mu_en.

    Points have the density 1/(s t) (bounded integrand) by the prolate coordinates of the two
    foci: s + t = d cosh u, s - t = d v, volume element (d/2)^3 (cosh^2 u - v^2) sinh u du dv dphi.
    """
    rng = np.random.default_rng(11)
    # p = 1/cosh u uniform: most of the integral lies near the foci, the rest falls as 1/cosh.
    p, v = rng.uniform(0.0, 1.0, n), rng.uniform(-1.0, 1.0, n)
    cosh = 1.0 / p
    s, t = 0.5 * distance_cm * (cosh + v), 0.5 * distance_cm * (cosh - v)
    # The integral over points of section/(4 pi s^2 t^2), dV = (d/2)^3 (cosh^2 - v^2) dcosh dv dphi.
    jacobian = (0.5 * distance_cm) ** 3 * (cosh**2 - v**2) * cosh**2 * 2.0 * 2.0 * math.pi
    cosine = (distance_cm**2 - s**2 - t**2) / (2.0 * s * t)
    share = 1.0 / (1.0 + energy_keV / REST_KEV * (1.0 - cosine))
    per_sr = 0.5 * ELECTRON_RADIUS_CM**2 * share**2 * (share + 1.0 / share - 1.0 + cosine**2)
    flux = ELECTRONS_PER_G * per_sr * share * jacobian / (4.0 * math.pi * s**2 * t**2)
    return float(flux.mean()) * 4.0 * math.pi * distance_cm**2


def straight_compton_distance_um(
    photon_keV: float, distance_um: float, stopping: Callable[[Floats], Floats]
) -> float:
    """Eq. Ph-12 for Compton electrons that go straight on and do not slow down in the ball."""
    angle, section, share = klein_nishina(photon_keV)
    electron_keV = photon_keV * (1.0 - share)
    moving = electron_keV > 0.1
    cotangent = (1.0 + photon_keV / REST_KEV) * np.tan(0.5 * angle[moving])
    cosine = cotangent / np.hypot(1.0, cotangent)
    # Places of the collision, at the middle of equal pieces of the way through the ball.
    place = (np.arange(200) + 0.5) / 200.0 * distance_um
    across = place[:, None] ** 2 * (1.0 - cosine**2)
    chord = np.sqrt(distance_um**2 - across) - place[:, None] * cosine
    left = np.minimum(electron_keV[moving], stopping(electron_keV[moving]) * chord).mean(axis=0)
    energy = float((section * electron_keV).sum())
    return distance_um * float((section[moving] * left).sum()) / energy
