# SPDX-License-Identifier: BSD-3-Clause
"""Nuclide names: "Ac-225", "225Ac" and "Ac225" are one nuclide."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from immunodose.errors import DataNotFoundError, InputError

_SYMBOLS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se "
    "Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb "
    "Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm "
    "Bk Cf Es Fm Md No Lr"
)
ELEMENTS: tuple[str, ...] = tuple(_SYMBOLS.split())

_SYMBOL_FIRST = re.compile(r"^([A-Za-z]{1,2})[-_ ]?(\d{1,3})([mnMN]?)$")
_NUMBER_FIRST = (
    re.compile(r"^(\d{1,3})([mn])[-_ ]?([A-Za-z]{1,2})$"),
    re.compile(r"^(\d{1,3})()[-_ ]?([A-Za-z]{1,2})$"),
)


def spellings(name: str) -> list[str]:
    """Return the nuclides that a name can mean, most likely first.

    Parameters
    ----------
    name
        Symbol and mass number in either order, with or without a hyphen; `m` or `n` marks a
        metastable state ("Tc-99m", "99mTc").

    Returns
    -------
    list of str
        Names of the form "Tc-99m"; empty if the text is no nuclide name. "99mo" can be Mo-99
        and O-99m.

    Examples
    --------
    >>> spellings("225Ac"), spellings("99mTc"), spellings("tc99m")
    (['Ac-225'], ['Tc-99m'], ['Tc-99m'])
    """
    text = name.strip()
    found: list[str] = []
    if match := _SYMBOL_FIRST.match(text):
        found.append(_join(match[1], match[2], match[3]))
    for pattern in _NUMBER_FIRST:
        if match := pattern.match(text):
            found.append(_join(match[3], match[1], match[2]))
    return [nuclide for nuclide in found if nuclide]


def _join(symbol: str, mass_number: str, state: str) -> str:
    element = symbol.capitalize()
    if element not in ELEMENTS or int(mass_number) == 0:
        return ""
    return f"{element}-{int(mass_number)}{state.lower()}"


def normalize(name: str, known: Iterable[str], *, data_source: str) -> str:
    """Return the name of a known nuclide in the form "Ac-225".

    Parameters
    ----------
    name
        Any accepted spelling.
    known
        Nuclides of the data source.
    data_source
        Its name, for the message.

    Returns
    -------
    str
        The normalized name.

    Raises
    ------
    InputError
        If `name` is not a string.
    DataNotFoundError
        If no spelling is known; the message names similar nuclides.

    Examples
    --------
    >>> normalize("177Lu", ["Lu-176", "Lu-177"], data_source="demo")
    'Lu-177'
    """
    if not isinstance(name, str):
        raise InputError(
            f"nuclide = {name!r} is not a name (expected text like 'Ac-225' or an emissions "
            "Dataset). Write the nuclide as text."
        )
    names = frozenset(known)
    candidates = spellings(name)
    for candidate in candidates:
        if candidate in names:
            return candidate
    asked = candidates[0] if candidates else name.strip()
    close = difflib.get_close_matches(asked, sorted(names), n=3, cutoff=0.6)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    raise DataNotFoundError(
        f"nuclide {name!r} is not in {data_source} ({len(names)} radionuclides).{hint} Names look "
        "like 'Ac-225', '225Ac' or 'Tc-99m'; read a spectrum of your own with emissions_from_csv."
    )
