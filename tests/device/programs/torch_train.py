# SPDX-License-Identifier: Apache-2.0
"""A training loop that shares the GPU: torch_train.py SECONDS. A transformer of 100 million parameters in bfloat16, one look at the
loss a step. Prints "ready" when it has made some steps, waits for a line, trains for so long, and prints when each step was done as JSON,
in seconds of the monotonic clock."""
import json
import sys
import time

import torch

LAYERS, WIDTH, HEADS, BATCH, LENGTH, WARM_UP = 8, 1024, 16, 16, 512, 8


def main():
    torch.manual_seed(1)
    layer = torch.nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, dropout=0, batch_first=True)
    model = torch.nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False).cuda()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    tokens = torch.randn(BATCH, LENGTH, WIDTH, device="cuda")
    wanted = torch.randn(BATCH, LENGTH, WIDTH, device="cuda")

    def step():
        with torch.autocast("cuda", dtype=torch.bfloat16):
            loss = torch.nn.functional.mse_loss(model(tokens).float(), wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    for _ in range(WARM_UP):
        step()
    print("ready", flush=True)
    sys.stdin.readline()
    end = time.monotonic() + float(sys.argv[1])
    done, loss = [], None
    while time.monotonic() < end:
        loss = step()
        done.append(round(time.monotonic(), 6))
    print(json.dumps({"done": done, "loss": loss}))


main()
