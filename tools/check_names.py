#!/usr/bin/env python3
"""One definition of each type: two headers that define the same qualified name break the program.

The compiler sees one file at a time, so the linker keeps either definition in silence (the C++ rule
"one definition", [basic.def.odr]). Types in unnamed namespaces and inside other types are their
file's own. The formatter puts what a namespace holds at column 0, which is all this reads.
"""
import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("anemone", "cli", "include")
OPEN = re.compile(r"^namespace(?:\s+([\w:]+))?\s*\{")
CLOSE = re.compile(r"^\}\s*// namespace")
TYPE = re.compile(r"^(?:struct|class|enum class|enum)\s+(?:\[\[\w+\]\]\s+)?([\w:]+)(?![\w:])[^;]*$")


def types_of(text):
    """(line number, qualified name) of the types a file defines for the whole program."""
    scopes = []
    for number, line in enumerate(text.splitlines(), 1):
        if opened := OPEN.match(line):
            scopes.append(opened.group(1))
        elif CLOSE.match(line):
            scopes.pop()
        elif (found := TYPE.match(line)) and None not in scopes:
            yield number, "::".join([*scopes, found.group(1)])


def main():
    places = collections.defaultdict(list)
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".h", ".cpp"):
                for number, name in types_of(path.read_text()):
                    places[name].append(f"{path.relative_to(ROOT).as_posix()}:{number}")
    for name, found in places.items():
        if len(found) > 1:
            print(f"{name} is defined {len(found)} times; give one another name", file=sys.stderr)
            print("\n".join("  " + place for place in found), file=sys.stderr)
    twice = sum(len(found) > 1 for found in places.values())
    print(f"{len(places)} types, {twice} of them defined more than once")
    return 1 if twice else 0


if __name__ == "__main__":
    sys.exit(main())
