#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws the microbenchmarks: plot.py bench.json bench.svg

Above, how fast each call is on the vGPU, relative to the bare driver where that was measured, else in microseconds;
below, the bandwidth of copies by size.
"""
import json
import math
import re
import sys
from xml.sax.saxutils import escape

WIDTH, MARGIN, LABELS, ROW = 960, 24, 250, 17
NATIVE, VIRTUAL, WORSE, INK, GRID = "#8a8f98", "#1f6fb4", "#c2512f", "#22262b", "#dde1e6"
COPY = re.compile(r"(pinned|pageable|untouched)_(h2d|d2h)_(\d+)KiB_GBps")
KINDS = ("pinned_h2d", "pinned_d2h", "pageable_h2d", "pageable_d2h")


class Drawing:
    def __init__(self):
        self.parts = []

    def text(self, x, y, words, anchor="start", size=12, color=INK, weight="normal"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{color}" '
                          f'font-weight="{weight}">{escape(words)}</text>')

    def line(self, x1, y1, x2, y2, color=GRID, width=1.0):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}" stroke-width="{width}"/>')

    def box(self, x, y, width, height, color):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{height:.1f}" fill="{color}"/>')

    def curve(self, points, color, dashed):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"{dash}/>')
        for x, y in points:
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{color}"/>')

    def write(self, path, height):
        with open(path, "w") as file:
            file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
                       f'font-family="DejaVu Sans, Helvetica, sans-serif">\n<rect width="100%" height="100%" fill="white"/>\n')
            file.write("\n".join(self.parts) + "\n</svg>\n")


def is_rate(name):
    return name.endswith("_per_second") or name.endswith("_GBps")


def bars(drawing, top, rows, title, label):
    """rows: name, value above 0, color. A logarithmic axis through 1 or through the least decade."""
    powers = [math.log10(value) for _, value, _ in rows]
    low, high = math.floor(min(powers + [0])), math.ceil(max(powers + [0]))
    left, right = LABELS + MARGIN, WIDTH - MARGIN - 60
    place = lambda value: left + (math.log10(value) - low) / (high - low) * (right - left)
    drawing.text(MARGIN, top, title, size=15, weight="bold")
    top += 26
    bottom = top + ROW * len(rows)
    for power in range(low, high + 1):
        x = place(10.0 ** power)
        drawing.line(x, top - 6, x, bottom, GRID)
        drawing.text(x, top - 9, f"{10.0 ** power:g}", "middle", 10, NATIVE)
    for i, (name, value, color) in enumerate(rows):
        y, start = top + i * ROW, place(1 if label == "x" else 10.0 ** low)
        end = place(value)
        drawing.text(left - 8, y + 11, name, "end", 11)
        drawing.box(min(start, end), y + 2, abs(end - start), ROW - 5, color)
        drawing.text(max(start, end) + 5, y + 11, f"{value:.3g}{label}", size=10, color=color)
    if label == "x":
        drawing.line(place(1), top - 6, place(1), bottom, INK, 1.2)
    return bottom + 34


def call_rows(medians):
    native, virtual = medians.get("native") or {}, medians["virtual"]
    rows = []
    for name, ours in virtual.items():
        theirs = native.get(name)
        if COPY.match(name) or not ours or name.endswith(".p99"):
            continue
        if native:
            if theirs:
                ratio = ours / theirs if is_rate(name) else theirs / ours
                rows.append((name, ratio, VIRTUAL if ratio >= 0.995 else WORSE))
        elif not is_rate(name):
            rows.append((name, ours * (1000 if name.endswith("_ms") else 1), VIRTUAL))
    return rows, bool(native)


def axes(drawing, x, top, width, height, sizes, most):
    across = lambda size: x + (math.log2(size) - math.log2(sizes[0])) / max(math.log2(sizes[-1]) - math.log2(sizes[0]), 1) * width
    up = lambda value: top + height - value / most * height
    step = 10 ** math.floor(math.log10(most)) / (2 if most / 10 ** math.floor(math.log10(most)) < 4 else 1)
    for i in range(int(most / step) + 1):
        drawing.line(x, up(i * step), x + width, up(i * step))
        drawing.text(x - 5, up(i * step) + 4, f"{i * step:g}", "end", 10, NATIVE)
    for size in sizes[::2]:
        drawing.text(across(size), top + height + 15, f"{size >> 10} MiB" if size >= 1024 else f"{size} KiB", "middle", 10, NATIVE)
    return across, up


def curves(drawing, top, medians):
    found = {}
    for side, values in medians.items():
        for name, value in (values or {}).items():
            match = COPY.match(name)
            if match and match[1] != "untouched":
                found.setdefault(f"{match[1]}_{match[2]}", {}).setdefault(side, []).append((int(match[3]), value))
    drawing.text(MARGIN, top, "Copies, GB/s by size", size=15, weight="bold")
    drawing.text(WIDTH - MARGIN, top, "solid: vGPU, dashed: native" if medians.get("native") else "vGPU", "end", 11)
    width, height = (WIDTH - 2 * MARGIN - 120) / 2, 190
    for i, kind in enumerate(kind for kind in KINDS if kind in found):
        sides = {side: sorted(points) for side, points in found[kind].items()}
        sizes = sorted({size for points in sides.values() for size, _ in points})
        x, y = MARGIN + 36 + (i % 2) * (width + 70), top + 44 + (i // 2) * (height + 66)
        drawing.text(x, y - 10, kind.replace("_", " "), size=12, weight="bold")
        across, up = axes(drawing, x, y, width, height, sizes, 1.08 * max(value for points in sides.values() for _, value in points))
        for side, color in (("native", NATIVE), ("virtual", VIRTUAL)):
            if side in sides:
                drawing.curve([(across(size), up(value)) for size, value in sides[side]], color, side == "native")
    return top + 44 + 2 * (height + 66)


def main():
    with open(sys.argv[1]) as file:
        medians = json.load(file)["medians"]
    drawing = Drawing()
    rows, compared = call_rows(medians)
    title = "Speed of calls relative to the bare driver: right of 1 is faster" if compared else "Time of calls on the vGPU, microseconds"
    bottom = bars(drawing, MARGIN + 12, rows, title, "x" if compared else "")
    drawing.write(sys.argv[2], curves(drawing, bottom, medians))


if __name__ == "__main__":
    main()
