"""Restores saved configurations one after the other, as `targetcli restoreconfig` does, and prints
what rtslib then finds in configfs.

Reads numbered files until there is none; prints a list with one object for each.
"""

import ctypes.util
import json
import os
import sys

# It would run programs that the image has not.
ctypes.util.find_library = lambda name: {"udev": "libudev.so.1"}.get(name)

import rtslib_fb  # noqa: E402

results = []
root = rtslib_fb.RTSRoot()
while os.path.exists(f"/rtslib/{len(results)}.json"):
    path = f"/rtslib/{len(results)}.json"
    errors = root.restore_from_file(path, clear_existing=True)
    results.append({"errors": errors, "dump": root.dump()})
root.clear_existing(confirm=True)
left = {"errors": [], "dump": root.dump()}
json.dump(results + [left], sys.stdout)
