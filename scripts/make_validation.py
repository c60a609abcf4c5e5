# SPDX-License-Identifier: BSD-3-Clause
"""Write docs/validation.md and .json from tests/validation/cases, measured with the package.

python scripts/make_validation.py             measure and write page, JSON and README table
python scripts/make_validation.py --readme    only README table and page, from the JSON

Long Monte Carlo runs are stored (scripts/validation_runs.py) and compared with what the package
gives now.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import time
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(Path(__file__).resolve().parent))

import validation_populations  # noqa: E402
import validation_quantities  # noqa: E402

QUANTITIES = {**validation_quantities.QUANTITIES, **validation_populations.QUANTITIES}

CASES = ROOT / "tests" / "validation" / "cases"
JSON_FILE = ROOT / "docs" / "validation.json"
SPEED_FILE = ROOT / "tests" / "validation" / "speed.toml"
PAGE = ROOT / "docs" / "validation.md"
README = ROOT / "README.md"
BEGIN, END = "<!-- accuracy table: begin -->", "<!-- accuracy table: end -->"

Row = dict[str, Any]

# Standard errors of the difference that are allowed beyond the tolerance.
ALLOWED_STANDARD_ERRORS = 3.0
STANDARD_COLUMNS = ("reference", "reference_stderr")
HEADER = """# Validation

Written by `make validation` (`scripts/make_validation.py`) from the cases of
`tests/validation/cases`, each with its source, tolerance and reason. "Holds" means that the
difference is at most the tolerance plus three standard errors of Monte Carlo (ours and the
reference's). What exceeds its tolerance is shown as such, with what is known about the cause.
Numbers after +- are one standard error. Differences are ours minus reference in percent of the
reference, of kernels in percent of the reference's peak.

"""

# README: a row for each group of series; the text says what was compared.
README_ROWS = (
    ("Electron stopping power, 10 keV-3 MeV", ("electron collision stopping power",)),
    ("Electron CSDA range, 10 keV-3 MeV", ("electron CSDA range",)),
    ("Slow electrons 0.1-10 keV, three track-structure models", (
        "stopping power, option", "track length", "inelastic mean free path")),
    ("Alpha stopping power and range, 0.5-10 MeV", ("alpha stopping power", "alpha CSDA range")),
    ("Photon energy absorption, 1 keV-3 MeV", ("photon energy absorption",)),
    ("Electron kernels, 100 keV-1 MeV (of the peak)", (
        "kernel 100 keV", "kernel 500 keV", "kernel 1000 keV")),
    ("Electron kernels, 10 and 15 keV (of the peak)", ("kernel 10 keV", "kernel 15 keV")),
    ("Electrons 10-100 keV in a cell", ("electrons in a 5/4 um cell from its nucleus, kernel",)),
    ("177Lu and 161Tb in a cell", ("177Lu 7/5 um", "161Tb 7/5 um")),
    ("177Lu and 161Tb in a cluster of 19 cells", ("cluster of 19",)),
    ("Electrons 2-100 keV, other cells and regions", ("electrons in other cells",)),
    ("225Ac with its chain in a cell", ("225Ac chain, kernel", "225Ac chain 5/4 um")),
    ("211At hits and specific energies", ("211At, quadrature",)),
    ("177Lu, straight tracks (`physics=\"mird\"`)", ("177Lu 5/3 um",)),
    ("Kernel against own Monte Carlo (every collision), pairs within 0.6 of the range", (
        "kernel over detailed",)),
    ("Kernel against own Monte Carlo (grouped steps), pairs within 0.6 of the range", (
        "kernel over condensed",)),
    ("Grouped steps against every collision, pairs within 0.6 of the range", (
        "condensed over detailed",)),
    ("DSB yield per Gy, absolute and 225Ac over 177Lu", ("initial yield",)),
)  # fmt: skip


def load_groups() -> list[dict[str, Any]]:
    """Return the case files in order."""
    return [tomllib.loads(path.read_text("utf-8")) for path in sorted(CASES.glob("*.toml"))]


def points_of(series: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the points of a series by column name; those of a grid that count."""
    if "grid" not in series:
        return [dict(zip(series["columns"], point, strict=True)) for point in series["points"]]
    applies = validation_populations.APPLIES.get(series["quantity"], lambda **_: True)
    points = []
    for values in itertools.product(*series["grid"].values()):
        point = dict(zip(series["grid"], values, strict=True))
        point["target_region"], point["source_region"] = point.pop("pair")
        if applies(**point):
            points.append({**point, "reference": 1.0})
    return points


def measure(series: dict[str, Any], point: dict[str, Any]) -> tuple[float, float]:
    """Return value and standard error of one point."""
    arguments = {key: value for key, value in point.items() if key not in STANDARD_COLUMNS}
    shared = {key: series[key] for key in ("energy_keV", "bin_width") if key in series}
    return QUANTITIES[series["quantity"]](**arguments, **shared)


def row_of(series: dict[str, Any], point: dict[str, Any]) -> Row:
    """Measure one point and judge it."""
    ours, ours_stderr = measure(series, point)
    reference = float(point["reference"])
    scale = 100.0 / float(series.get("peak", reference))
    error = scale * math.hypot(ours_stderr, float(point.get("reference_stderr", 0.0)))
    row: Row = {
        "series": series["name"],
        "case": case_text(point),
        "reference": reference,
        "reference_stderr": float(point.get("reference_stderr", 0.0)),
        "ours": rounded(ours),
        "ours_stderr": rounded(ours_stderr, 2),
        "difference_percent": rounded(scale * (ours - reference), 3),
        "stderr_percent": rounded(error, 2),
        "tolerance_percent": float(series["tolerance_percent"]),
        "unit": series["unit"],
        "source": series["source"],
        "doi": series.get("doi", ""),
        "cost": series["cost"],
    }
    return judged(row)


def judged(row: Row) -> Row:
    """Add whether the difference is within the tolerance and the statistics."""
    allowed = row["tolerance_percent"] + ALLOWED_STANDARD_ERRORS * row["stderr_percent"]
    return {**row, "holds": abs(row["difference_percent"]) <= allowed}


def rounded(value: float, digits: int = 6) -> float:
    """Round to significant digits, so that the file does not change with the last bits."""
    return float(f"{value:.{digits}g}")


def case_text(point: dict[str, Any]) -> str:
    """Return the columns of a case as text."""
    words = []
    for key, value in point.items():
        if key in STANDARD_COLUMNS:
            continue
        name, _, unit = key.rpartition("_")
        number = isinstance(value, int | float)
        words.append(f"{name} {value:g} {unit}" if number else f"{value}")
    return ", ".join(words).replace("energy ", "").replace("_", " ") or "-"


def shape_row(series: dict[str, Any]) -> Row:
    """Reduce the points of a kernel to the largest and the rms difference."""
    rows = [row_of(series, point) for point in points_of(series)]
    worst = max(rows, key=lambda row: abs(row["difference_percent"]))
    squares = sum(row["difference_percent"] ** 2 for row in rows)
    rms = math.sqrt(squares / len(rows))
    where = points_of(series)[rows.index(worst)]["scaled_distance"]
    return {**worst, "case": f"r/r0 = {where:g}; rms {rms:.1f} % of {len(rows)} points"}


def worst_rows(series: dict[str, Any]) -> list[Row]:
    """Reduce a grid to its worst row for each value of the columns `worst_of`."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for point in points_of(series):
        key = tuple(point[name] for name in series["worst_of"])
        groups.setdefault(key, []).append(row_of(series, point))
    return [worst_row(key, rows) for key, rows in groups.items()]


def worst_row(key: tuple[Any, ...], rows: list[Row]) -> Row:
    """Return the row of the largest difference (of those that fail, if any) and the rest's sums."""
    failed = [row for row in rows if not row["holds"]]
    worst = max(failed or rows, key=lambda row: abs(row["difference_percent"]))
    squares = sum(row["difference_percent"] ** 2 for row in rows)
    beyond = [row for row in rows if abs(row["difference_percent"]) > row["tolerance_percent"]]
    return {
        **worst,
        "case": f"{worst['case']}; worst of {len(rows)} pairs",
        "group": ", ".join(str(item) for item in key),
        "cases": len(rows),
        "held": sum(row["holds"] for row in rows),
        "rms_percent": rounded(math.sqrt(squares / len(rows)), 2),
        "largest_stderr_percent": max(row["stderr_percent"] for row in rows),
        "beyond": [
            f"{row['case']}: {number(row['difference_percent'], row['stderr_percent'])} %"
            for row in beyond
        ],
    }


def rows_of(series: dict[str, Any]) -> list[Row]:
    """Measure a series."""
    if series.get("shape", False):
        return [shape_row(series)]
    if "worst_of" in series:
        return worst_rows(series)
    return [row_of(series, point) for point in points_of(series)]


def all_series(costs: Iterable[str] = ("cheap", "expensive")) -> list[dict[str, Any]]:
    """Return the series of all files of these costs."""
    wanted = set(costs)
    return [s for group in load_groups() for s in group["series"] if s["cost"] in wanted]


def measure_all() -> list[Row]:
    """Measure every series and say how long each took."""
    rows: list[Row] = []
    for series in all_series():
        start = time.perf_counter()
        found = rows_of(series)
        rows += found
        failed = sum(not row["holds"] for row in found)
        print(f"{time.perf_counter() - start:6.1f} s  {series['name']}: "
              f"{len(found)} rows, {failed} outside", flush=True)  # fmt: skip
    return rows


def number(value: float, stderr: float) -> str:
    """Return a number with its standard error."""
    return f"{value:.4g}" + (f" +- {stderr:.2g}" if stderr else "")


def table(rows: list[Row]) -> str:
    """Return rows as a Markdown table."""
    lines = [
        "| case | reference | ours | difference % | tolerance % | |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['case']} | {number(row['reference'], row['reference_stderr'])} "
            f"| {number(row['ours'], row['ours_stderr'])} "
            f"| {number(row['difference_percent'], row['stderr_percent'])} "
            f"| {row['tolerance_percent']:g} | {'holds' if row['holds'] else '**exceeds**'} |"
        )
    return "\n".join(lines) + "\n\n"


def worst_table(rows: list[Row]) -> str:
    """Return groups of pairs as a Markdown table, and every pair beyond the tolerance."""
    lines = [
        "| cell and emitter | pairs | hold | worst pair | difference % | rms % | largest +- % |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        pair = row["case"].removeprefix(row["group"] + ", ").partition(";")[0]
        lines.append(
            f"| {row['group']} | {row['cases']} | {row['held']} | {pair} "
            f"| {number(row['difference_percent'], row['stderr_percent'])} "
            f"| {row['rms_percent']:g} | {row['largest_stderr_percent']:g} |"
        )
    text = "\n".join(lines) + "\n\n"
    beyond = [item for row in rows for item in row["beyond"]]
    if beyond:
        text += "Pairs whose difference is beyond the tolerance, whatever its error:\n\n"
        text += "\n".join(f"- {item}" for item in beyond) + "\n\n"
    return text


def series_text(series: dict[str, Any], rows: list[Row]) -> str:
    """Return one series: what, from where, table, known causes."""
    doi = f", doi:{series['doi']}" if "doi" in series else ""
    unit = f" Unit: {series['unit']}."
    text = f"### {series['name'][0].upper()}{series['name'][1:]}\n\n"
    text += f"Reference: {series['source']}{doi}.{unit} Tolerance: {series['reason']}.\n\n"
    if "worst_of" in series:
        text += worst_table(rows)
    else:
        text += table(rows)
    if "known" in series and not all(row["holds"] for row in rows):
        text += f"Exceeded: {series['known']}.\n\n"
    return text


def cases(rows: list[Row]) -> int:
    """Return the number of cases, also of rows that stand for several."""
    return sum(row.get("cases", 1) for row in rows)


def held(rows: list[Row]) -> int:
    """Return how many of the cases hold."""
    return sum(row.get("held", int(row["holds"])) for row in rows)


def summary_table(rows: list[Row]) -> str:
    """Return the count of rows inside and outside by group."""
    lines = ["| | cases | hold | largest difference % |", "|---|---|---|---|"]
    for group in load_groups():
        names = {series["name"] for series in group["series"]}
        mine = [row for row in rows if row["series"] in names]
        largest = max(abs(row["difference_percent"]) for row in mine)
        lines.append(f"| {group['title']} | {cases(mine)} | {held(mine)} | {largest:.2g} |")
    return "\n".join(lines) + "\n\n"


def page(rows: list[Row]) -> str:
    """Return the whole page."""
    text = HEADER + summary_table(rows)
    for group in load_groups():
        text += f"## {group['title']}\n\n{group['text'].strip()}\n\n"
        if group.get("stored", False):
            text += validation_populations.stored_note() + "\n\n"
        for series in group["series"]:
            mine = [row for row in rows if row["series"] == series["name"]]
            text += series_text(series, mine)
    return text + speed_text()


def speed_text() -> str:
    """Return the speed section: ratios measured once, typed with date and machine class."""
    if not SPEED_FILE.exists():
        return ""
    speed = tomllib.loads(SPEED_FILE.read_text("utf-8"))
    lines = [f"## Speed\n\n{speed['text'].strip()}\n", "| what | result | date | machine |"]
    lines.append("|---|---|---|---|")
    for item in speed["result"]:
        lines.append(f"| {item['what']} | {item['value']} | {item['date']} | {item['machine']} |")
    return "\n".join(lines) + "\n"


def readme_table(rows: list[Row]) -> str:
    """Return the README's table: largest difference of each group of series."""
    lines = ["| compared | with | cases | hold | largest difference | largest +- | tolerance |"]
    lines.append("|---|---|---|---|---|---|---|")
    for title, names in README_ROWS:
        mine = [row for row in rows if row["series"].startswith(names)]
        if not mine:
            raise SystemExit(f"no rows for {title!r} in {JSON_FILE.name}; run make validation.")
        worst = max(mine, key=lambda row: abs(row["difference_percent"]))
        sources = dict.fromkeys(row["source"].split(",")[0].split(" (")[0] for row in mine)
        difference = f"{worst['difference_percent']:+.2g}"
        if worst["stderr_percent"]:
            difference += f" +- {worst['stderr_percent']:.2g}"
        tolerance = max(row["tolerance_percent"] for row in mine)
        error = max(row.get("largest_stderr_percent", row["stderr_percent"]) for row in mine)
        lines.append(
            f"| {title} | {', '.join(sources)} | {cases(mine)} | {held(mine)} | {difference} % "
            f"| {f'{error:.2g} %' if error else '-'} | {tolerance:g} % |"
        )
    return "\n".join(lines) + "\n"


def with_table(readme: str, rows: list[Row]) -> str:
    """Return the README with its table replaced."""
    head, begin, rest = readme.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"README.md lacks the comments {BEGIN!r} and {END!r}.")
    return f"{head}{begin}\n{readme_table(rows)}{end}{tail}"


def read_rows() -> list[Row]:
    """Return the rows of the JSON file."""
    rows: list[Row] = json.loads(JSON_FILE.read_text("utf-8"))["rows"]
    return rows


def write_rows(rows: list[Row]) -> None:
    """Write the JSON file."""
    content = {"format": "immunodose validation 1", "rows": rows}
    JSON_FILE.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def main() -> None:
    """Parse the command line and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readme", action="store_true", help="from the JSON, measure nothing")
    if not parser.parse_args().readme:
        write_rows(measure_all())
    rows = read_rows()
    PAGE.write_text(page(rows), "utf-8")
    readme = README.read_text("utf-8")
    if BEGIN in readme:
        README.write_text(with_table(readme, rows), "utf-8")


if __name__ == "__main__":
    main()
