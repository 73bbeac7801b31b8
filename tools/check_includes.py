#!/usr/bin/env python3
"""The include rule: a module includes itself and what it depends on, never sideways or up.

What a module depends on is what its CMakeLists.txt says (anemone_module(NAME DEPENDS ...)) and what
those reach. Tests may include more: their TEST_DEPENDS and anything below them.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODULE = re.compile(r"anemone_module\(\s*(\w+)([^)]*)\)", re.S)
INCLUDE = re.compile(r'^\s*#include "(anemone/[^"]+|cli/[^"]+)"', re.M)


def read_modules():
    """Folder → (name, names it depends on)."""
    modules = {}
    for path in sorted((ROOT / "anemone").rglob("CMakeLists.txt")):
        found = MODULE.search(path.read_text())
        if found:
            depends = re.split("TEST_DEPENDS|BENCH_DEPENDS", found.group(2))[0]
            names = re.findall(r"anemone_(\w+)", depends)
            modules[path.parent.relative_to(ROOT).as_posix()] = (found.group(1), names)
    return modules


def closure(name, depends):
    reached, todo = set(), [name]
    while todo:
        current = todo.pop()
        if current not in reached:
            reached.add(current)
            todo += depends.get(current, [])
    return reached


def folder_of(path, modules):
    """The module folder that holds a file: the deepest one."""
    folders = [folder for folder in modules if path.startswith(folder + "/")]
    return max(folders, key=len, default=None)


def main():
    modules = read_modules()
    depends = dict(modules.values())
    reach = {name: closure(name, depends) for name in depends}
    # devices/device.h is the contract that devices and runtimes share; it needs only ir.
    contract = "anemone/devices/device.h"
    problems, files = [], 0
    for path in sorted(ROOT.glob("anemone/**/*")):
        relative = path.relative_to(ROOT).as_posix()
        if path.suffix not in (".h", ".cpp") or re.search(r"_(test|bench)\.cpp$", relative):
            continue
        folder = folder_of(relative, modules)
        if folder is None:
            problems.append(f"{relative}: in no module")
            continue
        files += 1
        name = modules[folder][0]
        for include in INCLUDE.findall(path.read_text()):
            target = folder_of(include, modules)
            if include == contract and "ir" in reach[name]:
                continue
            if target is None or modules[target][0] not in reach[name]:
                problems.append(f"{relative}: includes {include}, but {name} does not depend on it")
    for problem in problems:
        print(problem)
    print(f"includes: {files} files, {len(problems)} problem(s)")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
