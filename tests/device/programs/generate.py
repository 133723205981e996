# SPDX-License-Identifier: Apache-2.0
"""Eager greedy decoding with transformers and random weights: generate.py tiny|1b [TOKENS [TIMES]]"""
import sys
import time

import tell
import torch_setup

torch, device = torch_setup.start(deterministic=False)
transformers = tell.need("transformers")

SHAPES = {
    "tiny": dict(hidden_size=256, intermediate_size=512, num_hidden_layers=4, num_attention_heads=8, num_key_value_heads=4, vocab_size=1024),
    # of Llama-3.2-1B
    "1b": dict(hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, num_attention_heads=32, num_key_value_heads=8,
               vocab_size=128256, tie_word_embeddings=True),
}
PROMPT = 64


def build(shape):
    config = transformers.LlamaConfig(max_position_embeddings=2048, **SHAPES[shape])
    torch.manual_seed(3)
    previous = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    with device:
        model = transformers.LlamaForCausalLM(config)
    torch.set_default_dtype(previous)
    return model.eval()


def decode(model, prompt, tokens):
    torch_setup.synchronize(torch, device)
    start = time.perf_counter()
    output = model.generate(prompt, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False, pad_token_id=0,
                            attention_mask=torch.ones_like(prompt))
    torch_setup.synchronize(torch, device)
    return output, time.perf_counter() - start


def main():
    shape = sys.argv[1]
    tokens = int(sys.argv[2]) if len(sys.argv) > 2 else 32
    times = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    transformers.logging.set_verbosity_error()
    model = build(shape)
    tell.hashed("weights", *(parameter for _, parameter in sorted(model.named_parameters())))
    prompt = torch.randint(0, SHAPES[shape]["vocab_size"], (1, PROMPT), generator=torch.Generator().manual_seed(4)).to(device)
    with torch.inference_mode():
        tell.hashed("logits", model(prompt).logits)
        output, seconds = decode(model, prompt, tokens)
        tell.hashed("tokens", output)
        tell.info("first decode", f"{seconds:.3f} s", output[0, PROMPT:PROMPT + 8].tolist())
        for _ in range(times):
            again, seconds = decode(model, prompt, tokens)
            tell.rate("decode_tokens_per_second", tokens / seconds)
        tell.hashed("tokens_again", again)


main()
