"""Copies what importing rtslib loads, and nothing else, into a tree of its own.

    rtslib-tree.py TREE LOADER INTERPRETER OUTPUT

Run by the interpreter of TREE, which holds unpacked packages. Modules are
compiled: under emulation that would take longer than all else a guest does.
"""

import ctypes.util
import os
import py_compile
import shutil
import sys

tree, loader, interpreter, output = (os.path.realpath(path) for path in sys.argv[1:])

# It would run programs that are not there.
ctypes.util.find_library = lambda name: {"udev": "libudev.so.1"}.get(name)

import json  # noqa: E402,F401
import resource  # noqa: E402,F401
import traceback  # noqa: E402,F401

import pyudev  # noqa: E402
import rtslib_fb  # noqa: E402


def place(path):
    """Where a file of TREE goes."""
    return os.path.join(output, os.path.relpath(os.path.abspath(path), tree))


def copy(path, name=None):
    """Copies a file, under the name by which it is looked for."""
    target = place(name or path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copy(path, target)


def compile_module(path):
    """Compiles a module to a file that is imported without its source."""
    target = place(path) + "c"
    os.makedirs(os.path.dirname(target), exist_ok=True)
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(path, target, dfile=os.path.relpath(path, tree), doraise=True, optimize=2,
                       invalidation_mode=unchecked)


def sources(package):
    """All modules of a package, whether they were imported or not."""
    for directory, _, names in os.walk(os.path.dirname(package.__file__)):
        for name in names:
            if name.endswith(".py"):
                yield os.path.join(directory, name)


modules = {module.__file__ for module in list(sys.modules.values())
           if getattr(module, "__file__", None) and module.__name__ != "__main__"}
modules |= set(sources(rtslib_fb)) | set(sources(pyudev))
for path in sorted(modules):
    path = os.path.realpath(path)
    if path.endswith(".py"):
        compile_module(path)
    else:
        copy(path)
with open("/proc/self/maps", encoding="ascii") as maps:
    mapped = {line.split(None, 5)[5].strip() for line in maps if "/" in line}
for path in sorted(path for path in mapped if path.startswith(tree) and ".so" in path):
    # Programs ask for a library by the name that ends with its first number.
    stem, _, version = os.path.basename(path).partition(".so")
    name = stem + ".so" + "".join("." + part for part in version.split(".")[1:2])
    copy(path, os.path.join(os.path.dirname(path), name))
copy(interpreter, os.path.join(tree, "usr/bin/python3"))
copy(loader, os.path.join(tree, "lib64/ld-linux-x86-64.so.2"))
