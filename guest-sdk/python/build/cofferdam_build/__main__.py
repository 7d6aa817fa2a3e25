"""Makes a component of a folder with ops in Python, or runs the tests of its author.

    python -m cofferdam_build build --folder ops --sdk SDK --wit WIT --cache CACHE --empty EMPTY --out ops.wasm --inputs LIST
    python -m cofferdam_build test --folder ops --sdk SDK --cache CACHE

`--sdk` is the folder that holds the package `cofferdam_op`, `--cache` one of this library alone that is kept between
builds, EMPTY a component that all libraries share, made where it is not there, and LIST a file that gets the paths of all that the component was made of, a line each.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cofferdam_build import library, tests
from cofferdam_build.error import BuildError


def main() -> int:
    parser = argparse.ArgumentParser(prog="cofferdam_build", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    for command, names in (("build", ("wit", "empty", "out", "inputs")), ("test", ())):
        of = commands.add_parser(command, allow_abbrev=False)
        for name in ("folder", "sdk", "cache", *names):
            of.add_argument(f"--{name}", required=True, type=Path)
    given = parser.parse_args()
    try:
        if given.command == "test":
            return tests.run(given.folder, sdk=given.sdk, cache=given.cache)
        places = {"sdk": given.sdk, "wit": given.wit, "cache": given.cache, "empty": given.empty, "out": given.out}
        inputs = library.build(given.folder, **places)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return 1
    given.inputs.write_text("".join(f"{path}\n" for path in inputs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
