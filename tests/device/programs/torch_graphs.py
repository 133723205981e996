# SPDX-License-Identifier: Apache-2.0
"""CUDA graphs: capture, replay with other inputs, a whole training step, private pools, random numbers in a graph."""
import tell
import torch_setup

torch, device = torch_setup.start()
nn = torch.nn


def warm(function, times=3):
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(times):
            function()
    torch.cuda.current_stream().wait_stream(stream)


def replay():
    weight = torch.randn(512, 512, device=device)
    source = torch.zeros(64, 512, device=device)
    warm(lambda: torch.relu(source @ weight).softmax(-1))
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = torch.relu(source @ weight).softmax(-1)
    results = []
    for step in range(20):
        source.copy_(torch.randn(64, 512, generator=torch.Generator().manual_seed(step)))
        graph.replay()
        results.append(result.clone())
    tell.hashed("replays", *results)


def training_step():
    torch.manual_seed(7)
    model = nn.Sequential(nn.Linear(128, 256), nn.GELU(), nn.Linear(256, 16)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    data, target = torch.randn(32, 128, device=device), torch.randn(32, 16, device=device)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.mse_loss(model(data), target)
        loss.backward()
        optimizer.step()
        return loss

    warm(step)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step()
    for _ in range(50):
        graph.replay()
    tell.hashed("trained", loss, *model.parameters())


def random_numbers():
    torch.cuda.manual_seed(8)
    numbers = torch.zeros(1000, device=device)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        numbers.copy_(torch.rand(1000, device=device))
    seen = []
    for _ in range(3):
        graph.replay()
        seen.append(numbers.clone())
    tell.hashed("random", *seen)
    tell.value("random_differs", bool((seen[0] != seen[1]).any()))


def two_graphs_of_one_pool():
    a = torch.cuda.CUDAGraph()
    x = torch.ones(1 << 16, device=device)
    with torch.cuda.graph(a):
        y = x * 2 + 1
    b = torch.cuda.CUDAGraph()
    with torch.cuda.graph(b, pool=a.pool()):
        z = y.square()
    a.replay()
    b.replay()
    tell.hashed("shared_pool", y, z)


def callables():
    torch.manual_seed(9)
    model = nn.Linear(64, 64).to(device)
    sample = torch.randn(8, 64, device=device, requires_grad=True)
    graphed = torch.cuda.make_graphed_callables(model, (sample,))
    output = graphed(torch.full((8, 64), 0.25, device=device, requires_grad=True))
    output.sum().backward()
    tell.hashed("graphed_callable", output, *(p.grad for p in model.parameters()))


tell.attempts([replay, training_step, random_numbers, two_graphs_of_one_pool, callables])
