# SPDX-License-Identifier: BSD-3-Clause
"""The `immunodose` command; each subcommand imports what it needs when it runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from immunodose._version import __version__

EXIT_OK, EXIT_INPUT, EXIT_CONVERGENCE, EXIT_RESOURCES, EXIT_INTERRUPTED = 0, 2, 3, 4, 5
_NOTE = "Research use; not for treatment decisions."
_DEMO = "ac225_ta99_b16"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the `immunodose` command."""
    parser = argparse.ArgumentParser(
        prog="immunodose",
        description="Cellular dosimetry and immune kill for radiopharmaceutical therapy.",
        epilog=f"Exit codes: 0 ok, 2 input, 3 not converged, 4 resources, 5 interrupted. {_NOTE}",
    )
    parser.add_argument("--version", action="version", version=f"immunodose {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_run_commands(commands)
    _add_information_commands(commands)
    return parser


def _add_run_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    demo = commands.add_parser("demo", help="run the built-in study; write demo.nc and demo.png")
    demo.add_argument("-o", "--output", default=".", metavar="DIR", help="folder (default: here)")
    _add_threads(demo)
    run = commands.add_parser("run", help="run a scenario file")
    run.add_argument("scenario", metavar="SCENARIO.toml")
    run.add_argument("-o", "--output", required=True, metavar="OUT.nc")
    _add_threads(run)
    compare = commands.add_parser(
        "compare", help="run a scenario under each hypothesis of what raises MHC-I"
    )
    compare.add_argument("scenario", metavar="SCENARIO.toml")
    compare.add_argument("-o", "--output", required=True, metavar="OUT.nc")
    _add_threads(compare)
    check = commands.add_parser("check", help="resolve a scenario: values, units, sources; no run")
    check.add_argument("scenario", metavar="SCENARIO.toml")
    estimate = commands.add_parser("estimate", help="cells, memory and time of a run; no run")
    estimate.add_argument(
        "scenario", metavar="FILE", help="a scenario (.toml), or labeled cells (.nc, .zarr)"
    )
    estimate.add_argument(
        "options", metavar="NAME=VALUE", nargs="*",
        help="of cells: arguments of absorbed_dose, or with time_h=1,24 of absorbed_dose_rate, "
        "such as dtype=float32 split=target,emission",
    )  # fmt: skip
    commands.add_parser("init", help="print a commented scenario: immunodose init > run.toml")
    commands.add_parser("scenarios", help="list the built-in scenarios")


def _add_information_commands(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    show = commands.add_parser("show", help="print the tables of a result file")
    show.add_argument("result", metavar="OUT.nc")
    nuclide = commands.add_parser("nuclide", help="half-life, decay chain and emissions")
    nuclide.add_argument("name", metavar="NUCLIDE", help="such as Ac-225")
    nuclide.add_argument("--chain", action="store_true", help="list the decay chain")
    nuclide.add_argument("--emissions", action="store_true", help="list the emission lines")
    cite = commands.add_parser("cite", help="what to cite for a result file")
    cite.add_argument("result", metavar="OUT.nc", nargs="?")
    commands.add_parser("env", help="versions and CPUs, for a problem report")
    _add_kernels(commands)


def _add_kernels(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    kernels = commands.add_parser("kernels", help="kernels of electrons and photons: show, build")
    actions = kernels.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("show", help="energies, ranges, origin")
    show.add_argument("file", metavar="FILE.npz", nargs="?", help="default: those that ship")
    build = actions.add_parser("build", help="make them by Monte Carlo (half an hour)")
    for action in (show, build):
        action.add_argument("--photons", action="store_true", help="kernels of photons")
    build.add_argument(
        "-o", "--output", metavar="FILE.npz",
        help="file (default: electron_kernels_water.npz or photon_kernels_water.npz, here)",
    )  # fmt: skip
    build.add_argument(
        "--effort", type=float, default=1.0, metavar="X", help="factor on the histories (default 1)"
    )
    build.add_argument(
        "--energies", type=int, metavar="N",
        help="number of energies from 0.1 (photons: 0.5) to 3000 keV",
    )  # fmt: skip
    build.add_argument("--seed", type=int, metavar="S", help="root of the random numbers")
    _add_threads(build)


def _add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads", type=int, metavar="N", help="threads (default: CPUs this process may use)"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments
        Words after `immunodose`; None takes those of the process.

    Returns
    -------
    int
        0 ok, 2 input, 3 not converged, 4 resources, 5 interrupted.

    Examples
    --------
    >>> main(["scenarios"])  # doctest: +ELLIPSIS
    ac225_ta99_b16 ...
    0
    """
    options = build_parser().parse_args(arguments)
    return _guarded(lambda: _dispatch(options))


def _dispatch(options: argparse.Namespace) -> None:
    from immunodose import commands

    action: Callable[[argparse.Namespace], None] = getattr(commands, f"{options.command}_command")
    action(options)


def _guarded(action: Callable[[], None]) -> int:
    """Run the action and turn what it raises into a message and an exit code."""
    from immunodose.errors import ConvergenceError, ImmunodoseError, ResourceError

    try:
        action()
    except KeyboardInterrupt:
        return _fail("interrupted; nothing was written.", EXIT_INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_OK
    except ConvergenceError as error:
        return _fail(str(error), EXIT_CONVERGENCE)
    except (ResourceError, MemoryError) as error:
        text = str(error) or "out of memory. Run `immunodose estimate`, then a smaller tumor."
        return _fail(text, EXIT_RESOURCES)
    except ImmunodoseError as error:
        return _fail(str(error), EXIT_INPUT)
    return EXIT_OK


def _fail(message: str, code: int) -> int:
    print(f"immunodose: error: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
