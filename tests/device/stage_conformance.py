# SPDX-License-Identifier: Apache-2.0
"""The conformance suite natively and virtually: what the driver answers, the virtual GPU answers too."""
from stage_functions import compare


def stage(host):
    result = compare("conformance", ["tests/conformance"], 300, host)
    return {"good": result["good"], "programs": {"conformance": result}}
