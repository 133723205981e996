# SPDX-License-Identifier: Apache-2.0
"""JAX: functions compiled by XLA, gradients, loops, FFT, linear algebra. XLA_PYTHON_CLIENT_PREALLOCATE comes from outside."""
import os

os.environ.setdefault("JAX_PLATFORMS", "cuda,cpu")  # callbacks get their arguments on the processor
# choosing among algorithms by measured time would make two runs differ
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_gpu_autotune_level=0 --xla_gpu_deterministic_ops=true"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")

import tell

jax, numpy = tell.need("jax", "jax.numpy")
random = jax.random


def devices():
    tell.value("devices", [device.device_kind for device in jax.devices()])
    statistics = jax.devices()[0].memory_stats() or {}
    limit, total = statistics.get("bytes_limit", 0), 1 << 30
    tell.info("bytes_limit", limit / total, "GiB, preallocate", os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE", "default"))


@jax.jit
def layer(parameters, x):
    weight, bias = parameters
    return numpy.tanh(x @ weight + bias)


def compiled():
    keys = random.split(random.key(21), 3)
    weight = random.normal(keys[0], (512, 512), dtype=numpy.bfloat16)
    x = random.normal(keys[1], (64, 512), dtype=numpy.bfloat16)
    tell.hashed("layer", layer((weight, numpy.zeros(512, numpy.bfloat16)), x).astype(numpy.float32))
    tell.hashed("single", jax.jit(lambda a: (a @ a.T).sum(0))(random.normal(keys[2], (300, 400))))


def gradients():
    keys = random.split(random.key(22), 4)
    parameters = [random.normal(keys[0], (64, 128)) * 0.1, random.normal(keys[1], (128, 10)) * 0.1]
    x, y = random.normal(keys[2], (256, 64)), random.normal(keys[3], (256, 10))

    def loss(parameters):
        return numpy.mean((jax.nn.relu(x @ parameters[0]) @ parameters[1] - y) ** 2)

    @jax.jit
    def step(parameters):
        value, slopes = jax.value_and_grad(loss)(parameters)
        return [p - 0.1 * slope for p, slope in zip(parameters, slopes)], value

    for _ in range(20):
        parameters, value = step(parameters)
    tell.hashed("trained", value, *parameters)


def loops():
    @jax.jit
    def iterate(x):
        return jax.lax.fori_loop(0, 200, lambda i, v: numpy.sin(v) + 0.001 * i, x)

    tell.hashed("fori_loop", iterate(numpy.linspace(0, 1, 4096)))
    carry, rows = jax.jit(lambda x: jax.lax.scan(lambda c, v: (c * 0.9 + v, c), numpy.zeros(32), x))(random.normal(random.key(23), (100, 32)))
    tell.hashed("scan", carry, rows)
    tell.hashed("while", jax.jit(lambda x: jax.lax.while_loop(lambda v: v.sum() < 1000, lambda v: v * 1.1, x))(numpy.ones(16)))


def convolution():
    keys = random.split(random.key(24))
    tell.hashed("conv", jax.jit(lambda a, b: jax.lax.conv(a, b, (1, 1), "SAME"))(
        random.normal(keys[0], (8, 16, 32, 32)), random.normal(keys[1], (32, 16, 3, 3))))


def libraries():
    matrix = random.normal(random.key(25), (64, 64))
    tell.hashed("fft", jax.jit(numpy.fft.rfft)(random.normal(random.key(26), (16, 1024))))
    tell.hashed("cholesky", jax.jit(numpy.linalg.cholesky)(matrix @ matrix.T + 64 * numpy.eye(64)))
    tell.hashed("solve", jax.jit(numpy.linalg.solve)(matrix, matrix.T))
    tell.hashed("sort", jax.jit(numpy.sort)(random.uniform(random.key(27), (100000,))))


def mapped():
    tell.hashed("vmap", jax.jit(jax.vmap(lambda a, b: a @ b))(random.normal(random.key(28), (32, 16, 24)), random.normal(random.key(29), (32, 24, 8))))


def host_callback():
    seen = []
    jax.jit(lambda x: jax.debug.callback(lambda v: seen.append(float(v)), x.sum()))(numpy.ones(10))
    jax.effects_barrier()
    tell.value("callback", seen)


tell.attempts([devices, compiled, gradients, loops, convolution, libraries, mapped, host_callback])
