#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps what the driver answered natively: answers.py < results/conformance.json > ../conformance/answers/h200.txt

Checks that failed natively are left out.
"""
import json
import sys

print("# What the driver (580.159) answers on an H200: a check and its notes. tests/device/answers.py writes this file.")
for record in json.load(sys.stdin)["checks"].values():
    for line in record["native"]:
        if line.startswith("ok "):
            print(line[3:].rstrip())
