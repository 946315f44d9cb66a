"""`python -m reference_server`: serve, or `validate FILE`, or `faults`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

# Each command imports its own part: `validate` is started hundreds of times by a certification.


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 0, or 2 for bad usage or an unreadable file."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    commands = {"validate": _validate, "faults": _faults}
    if arguments and arguments[0] in commands:
        return commands[arguments[0]](arguments[1:])
    return _serve(arguments)


def _fault_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fault", action="append", default=[], metavar="ID", help="break one requirement on purpose"
    )


def _install(parser: argparse.ArgumentParser, ids: Sequence[str]) -> None:
    if not ids:
        return
    from reference_server import faults

    unknown = [name for name in ids if name not in faults.FAULTS]
    if unknown:
        parser.error(f"there is no fault {unknown[0]}; `python -m reference_server faults` lists them")
    faults.install(ids)


def _serve(arguments: Sequence[str]) -> int:
    from reference_server import serve
    from reference_server.rules.record import CITY_ID
    from reference_server.settings import DEFAULT_CITY, Settings

    parser = argparse.ArgumentParser(
        prog="python -m reference_server",
        description="Serve a generated city. Other commands: validate FILE, faults.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--db", type=Path, help="database file; without one the state is dropped at the end")
    parser.add_argument(
        "--write-target", type=Path, metavar="FILE", help="write a ready target file, keys beside it"
    )
    parser.add_argument("--city", default=DEFAULT_CITY, help="id of the generated city")
    parser.add_argument("--objects", type=int, default=150, help="how many objects to generate")
    parser.add_argument("--seed", type=int, default=2025)
    parser.add_argument("--quality-threshold", type=float, help="refuse readings below this quality, 0..1")
    parser.add_argument(
        "--require-if-match", action="store_true", help="refuse changes without If-Match (428)"
    )
    parser.add_argument("--stop-on-stdin-eof", action="store_true", help="end when stdin closes")
    _fault_option(parser)
    options = parser.parse_args(arguments)
    if not CITY_ID.fullmatch(options.city):
        parser.error("--city must look like KR-BUSAN-2025")
    if not 0 <= options.port <= 65535:
        parser.error("--port must lie in 0..65535")
    _install(parser, options.fault)
    return serve.run(
        Settings(
            host=options.host,
            port=options.port,
            db=options.db,
            city=options.city,
            objects=options.objects,
            seed=options.seed,
            write_target=options.write_target,
            quality_threshold=options.quality_threshold,
            faults=tuple(options.fault),
            require_if_match=options.require_if_match,
            stop_on_stdin_eof=options.stop_on_stdin_eof,
        )
    )


def _validate(arguments: Sequence[str]) -> int:
    from reference_server import validator

    parser = argparse.ArgumentParser(prog="python -m reference_server validate")
    parser.add_argument("file", type=Path)
    parser.add_argument("--fragment", action="store_true", help="judge only what is there")
    parser.add_argument("--quality-threshold", type=float, help="report data below this quality, 0..1")
    _fault_option(parser)
    options = parser.parse_args(arguments)
    _install(parser, options.fault)
    try:
        verdict = validator.judge_file(
            options.file, fragment=options.fragment, threshold=options.quality_threshold
        )
    except OSError as problem:
        print(f"error: cannot read {options.file}: {problem.strerror}", file=sys.stderr)  # noqa: T201
        return 2
    print(json.dumps(verdict, ensure_ascii=False))  # noqa: T201
    return 0


def _faults(arguments: Sequence[str]) -> int:
    from reference_server import faults

    argparse.ArgumentParser(prog="python -m reference_server faults").parse_args(arguments)
    listed = [
        {"id": name, "requirement": one.requirement, "why": one.why} for name, one in faults.FAULTS.items()
    ]
    print(json.dumps(listed, indent=1, ensure_ascii=False))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
