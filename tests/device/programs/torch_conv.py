# SPDX-License-Identifier: Apache-2.0
"""Training steps of a small convolutional network: cuDNN forward and backward, batch norm, momentum, mixed precision."""
import tell
import torch_setup

torch, device = torch_setup.start()
nn = torch.nn


def network():
    torch.manual_seed(2)
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1, groups=4), nn.ReLU(),
        nn.AvgPool2d(4), nn.Flatten(), nn.Linear(64 * 4 * 4, 10)).to(device)


def train(steps, autocast):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    losses = []
    for step in range(steps):
        generator = torch.Generator().manual_seed(step)
        images = torch.randn(64, 3, 32, 32, generator=generator).to(device)
        labels = torch.randint(0, 10, (64,), generator=generator).to(device)
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=autocast):
            loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return model, torch.stack(losses)


def single_precision():
    if device.type == "cuda":
        tell.version("cudnn", torch.backends.cudnn.version())
    model, losses = train(10, autocast=False)
    tell.hashed("losses", losses)
    tell.hashed("weights", *model.parameters())
    tell.info("losses", losses.tolist()[:3])


def mixed_precision():
    model, losses = train(10, autocast=True)
    tell.hashed("mixed_losses", losses)
    tell.hashed("mixed_weights", *model.parameters())


def transposed():
    layer = nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1).to(device)
    tell.hashed("transposed", layer(torch.randn(4, 16, 20, 20, device=device)))


def adam():
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(8, 3, 32, 32, device=device)).square().mean().backward()
        optimizer.step()
    tell.hashed("adam", *model.parameters())


tell.attempts([single_precision, mixed_precision, transposed, adam])
