# SPDX-License-Identifier: BSD-3-Clause
"""Cellular dosimetry and immune-mediated kill for radiopharmaceutical therapy.

Public names are loaded on first use, so `import immunodose` stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from immunodose._version import __version__

_PUBLIC: dict[str, str] = {
    # name -> module that defines it
    "emissions": "immunodose.data.nuclides",
    "emissions_from_csv": "immunodose.data.nuclides",
    "point_kernel": "immunodose.physics",
    "s_values": "immunodose.transport",
    "s_values_alpha": "immunodose.transport",
    "s_values_electron": "immunodose.transport",
    "hit_statistics": "immunodose.hits",
    "track": "immunodose.tracks",
    "label": "immunodose.source",
    "biokinetics": "immunodose.source_kinetics",
    "external_beam": "immunodose.source_beam",
    "absorbed_dose": "immunodose.population",
    "absorbed_dose_rate": "immunodose.dose_rate",
    "lea_catcheside": "immunodose.response_protraction",
    "survival": "immunodose.response",
    "survival_models": "immunodose.response_registry",
    "register_survival_model": "immunodose.response_registry",
    "radiation_quality": "immunodose.response_quality",
    "dsb_yields": "immunodose.dna_damage",
    "dsb_yield_per_gray": "immunodose.dna_damage",
    "mhc1_expression": "immunodose.immune_mhc1",
    "Mechanism": "immunodose.immune_mechanism",
    "register_mhc1_driver": "immunodose.immune_drivers",
    "kill_probability": "immunodose.immune",
    "killing_laws": "immunodose.immune_laws",
    "register_killing_law": "immunodose.immune_laws",
    "Checkpoint": "immunodose.immune_checkpoint",
    "kosinsky2018": "immunodose.immune_kosinsky",
    "immune_response": "immunodose.immune_engines",
    "AgentSpace": "immunodose.immune_agent_space",
    "summary": "immunodose.summarize",
    "simulate_host": "immunodose.systemic",
    "CultureScenario": "immunodose.scenario",
    "Scenario": "immunodose.scenario",
    "estimate": "immunodose.scenario",
    "run": "immunodose.scenario",
    "compare_mechanisms": "immunodose.compare",
    "parameters": "immunodose.data.parameters",
    "save": "immunodose.io",
    "load": "immunodose.io",
}

_MODULES = ("cells", "errors", "testing")

__all__ = ["__version__", *_PUBLIC, *_MODULES]

if TYPE_CHECKING:
    from immunodose import cells as cells
    from immunodose import errors as errors
    from immunodose import testing as testing
    from immunodose.compare import compare_mechanisms as compare_mechanisms
    from immunodose.data.nuclides import emissions as emissions
    from immunodose.data.nuclides import emissions_from_csv as emissions_from_csv
    from immunodose.data.parameters import parameters as parameters
    from immunodose.dna_damage import dsb_yield_per_gray as dsb_yield_per_gray
    from immunodose.dna_damage import dsb_yields as dsb_yields
    from immunodose.dose_rate import absorbed_dose_rate as absorbed_dose_rate
    from immunodose.hits import hit_statistics as hit_statistics
    from immunodose.immune import kill_probability as kill_probability
    from immunodose.immune_agent_space import AgentSpace as AgentSpace
    from immunodose.immune_checkpoint import Checkpoint as Checkpoint
    from immunodose.immune_drivers import register_mhc1_driver as register_mhc1_driver
    from immunodose.immune_engines import immune_response as immune_response
    from immunodose.immune_kosinsky import kosinsky2018 as kosinsky2018
    from immunodose.immune_laws import killing_laws as killing_laws
    from immunodose.immune_laws import register_killing_law as register_killing_law
    from immunodose.immune_mechanism import Mechanism as Mechanism
    from immunodose.immune_mhc1 import mhc1_expression as mhc1_expression
    from immunodose.io import load as load
    from immunodose.io import save as save
    from immunodose.physics import point_kernel as point_kernel
    from immunodose.population import absorbed_dose as absorbed_dose
    from immunodose.response import survival as survival
    from immunodose.response_protraction import lea_catcheside as lea_catcheside
    from immunodose.response_quality import radiation_quality as radiation_quality
    from immunodose.response_registry import register_survival_model as register_survival_model
    from immunodose.response_registry import survival_models as survival_models
    from immunodose.scenario import CultureScenario as CultureScenario
    from immunodose.scenario import Scenario as Scenario
    from immunodose.scenario import estimate as estimate
    from immunodose.scenario import run as run
    from immunodose.source import label as label
    from immunodose.source_beam import external_beam as external_beam
    from immunodose.source_kinetics import biokinetics as biokinetics
    from immunodose.summarize import summary as summary
    from immunodose.systemic import simulate_host as simulate_host
    from immunodose.tracks import track as track
    from immunodose.transport import s_values as s_values
    from immunodose.transport import s_values_alpha as s_values_alpha
    from immunodose.transport import s_values_electron as s_values_electron


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"immunodose.{name}")
    raise AttributeError(f"module 'immunodose' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
