#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws a stretch of a trace of `vgpuctl events --format trace` as an SVG, for documents:

    draw-trace.py TRACE.json BEGIN_MS LENGTH_MS >OUT.svg

A row for each guest process: light where it may use the GPU, dark where it does.
"""
import json
import sys
from xml.sax.saxutils import escape

WIDTH, LEFT, ROW, BAR, TOP = 900, 150, 34, 20, 30
MAY, DOES = "may use the GPU", "uses the GPU"
COLOURS = ("#1f6fb4", "#d1620a", "#2c8a3d", "#a03a9a", "#8a6d1f")


def rows(trace):
    """The records of each channel's track, by a name to show."""
    domains, tracks = {}, {}
    for record in trace["traceEvents"]:
        if record["ph"] == "M" and record["name"] == "process_name":
            domains[record["pid"]] = record["args"]["name"].removeprefix("domain ")
    for record in trace["traceEvents"]:
        if record["ph"] == "X" and record["name"] in (MAY, DOES) and record["pid"] in domains:
            tracks.setdefault((domains[record["pid"]], record["pid"], record["tid"]), []).append(record)
    return dict(sorted(tracks.items()))


def bars(records, begin, length, colour, y):
    scale = (WIDTH - LEFT) / length
    for name, opacity in ((MAY, 0.25), (DOES, 1)):
        for record in records:
            start, end = max(record["ts"], begin), min(record["ts"] + record["dur"], begin + length)
            if record["name"] == name and end > start:
                yield (f'<rect x="{LEFT + (start - begin) * scale:.2f}" y="{y}" width="{max((end - start) * scale, 0.3):.2f}" '
                       f'height="{BAR}" fill="{colour}" fill-opacity="{opacity}"/>')


def draw(trace, begin, length):
    tracks = {key: records for key, records in rows(trace).items()
              if any(r["ts"] < begin + length and r["ts"] + r["dur"] > begin for r in records)}
    height = TOP + ROW * len(tracks) + 10
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 30} {height}" font-family="sans-serif" font-size="13">'
           f'<rect width="100%" height="100%" fill="#fff"/>')
    for tenth in range(11):
        x = LEFT + (WIDTH - LEFT) * tenth / 10
        yield f'<path d="M{x} {TOP - 6}V{height - 8}" stroke="#ccc"/>'
        if tenth % 2 == 0:
            yield f'<text x="{x}" y="{TOP - 12}" text-anchor="middle" fill="#555">{length * tenth / 10_000:g} ms</text>'
    for number, ((domain, _, _), records) in enumerate(tracks.items()):
        y = TOP + ROW * number
        yield f'<text x="{LEFT - 10}" y="{y + BAR - 5}" text-anchor="end">{escape(domain)}</text>'
        yield from bars(records, begin, length, COLOURS[number % len(COLOURS)], y)
    yield "</svg>"


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        trace = json.load(file)
    print("\n".join(draw(trace, float(sys.argv[2]) * 1000, float(sys.argv[3]) * 1000)))


if __name__ == "__main__":
    main()
