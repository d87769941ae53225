"""Restores each of the numbered saved configurations and clears it again; prints how long both took.

Importing rtslib, and reading the file, are not counted.
"""

import ctypes.util
import json
import os
import sys
import time

# It would run programs that the image has not.
ctypes.util.find_library = lambda name: {"udev": "libudev.so.1"}.get(name)

import rtslib_fb  # noqa: E402

results = []
root = rtslib_fb.RTSRoot()
while os.path.exists(f"/rtslib/{len(results)}.json"):
    with open(f"/rtslib/{len(results)}.json", encoding="utf-8") as file:
        config = json.load(file)
    begun = time.monotonic()
    errors = root.restore(config)
    restored = time.monotonic()
    root.clear_existing(confirm=True)
    cleared = time.monotonic()
    if errors:
        sys.exit("\n".join(errors))
    results.append({"restored": (restored - begun) * 1000, "cleared": (cleared - restored) * 1000})
json.dump(results, sys.stdout)
