#!/usr/bin/env python3
"""Writes families/: a tiny random model of each family, and what transformers computes with it.

Needs torch, transformers and safetensors (written with 2.15.0, 5.24.0 and 0.8.0). Each directory is
a model as save_pretrained leaves it, and beside it
  expected.json               of the first batch in fp64: loss and the logits of its first row; and
                              losses and gradient norms of training with AdamW
  gradients.safetensors       of that loss
Weights of norms and biases are random too, so that none can be left out unseen.
"""
import json
import pathlib
import shutil
import sys

import numpy as np
import torch
import transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
OUT = HERE / "families"
VOCABULARY, BATCH, SEQUENCE, STEPS = 50, 2, 16, 20

COMMON = dict(vocab_size=VOCABULARY, hidden_size=24, intermediate_size=40, num_hidden_layers=2,
              num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
              initializer_range=0.2, bos_token_id=1, eos_token_id=2, pad_token_id=None)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=24, rope_theta=500.0)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16, rope_theta=10000.0,
            beta_fast=4.0, beta_slow=0.5)

# name → (class, options of the configuration, type of the stored weights, options of saving)
CASES = {
    "llama-rope-llama3": ("Llama", dict(rope_parameters=LLAMA3, tie_word_embeddings=True), "float32", {}),
    "llama-biases": ("Llama", dict(attention_bias=True, mlp_bias=True, head_dim=10,
                                   rope_parameters=dict(rope_type="linear", factor=2.0,
                                                        rope_theta=10000.0)), "float32", {}),
    "llama-rope-yarn": ("Llama", dict(rope_parameters=YARN), "float32", {}),
    "mistral": ("Mistral", dict(sliding_window=5, rope_parameters=dict(rope_theta=1e6,
                                                                       rope_type="default")),
                "bfloat16", dict(max_shard_size="4KB")),
    "qwen2": ("Qwen2", dict(num_hidden_layers=3, use_sliding_window=True, sliding_window=4,
                            max_window_layers=1, tie_word_embeddings=True), "float16", {}),
    "qwen3": ("Qwen3", dict(head_dim=8, tie_word_embeddings=True), "bfloat16", {}),
    "smollm3": ("SmolLM3", dict(num_hidden_layers=4, no_rope_layer_interval=2,
                                use_sliding_window=True, sliding_window=6), "float32", {}),
    "gemma3": ("Gemma3Text", dict(num_hidden_layers=3, head_dim=8, sliding_window=5,
                                  query_pre_attn_scalar=12,
                                  layer_types=["sliding_attention", "full_attention",
                                               "sliding_attention"],
                                  rope_parameters=dict(
                                      sliding_attention=dict(rope_type="default", rope_theta=100.0),
                                      full_attention=dict(rope_type="linear", factor=8.0,
                                                          rope_theta=1e6))), "float32", {}),
    "olmo2": ("Olmo2", dict(), "float32", {}),
}


def model_of(kind, options):
    config = getattr(transformers, kind + "Config")(**{**COMMON, **options})
    name = {"Gemma3Text": "Gemma3ForCausalLM"}.get(kind, kind + "ForCausalLM")
    model = getattr(transformers, name)._from_config(config, attn_implementation="eager")
    generator = torch.Generator().manual_seed(len(kind) + len(options))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                centre = 1.0 if "norm" in name and kind != "Gemma3Text" else 0.0
                noise = torch.randn(parameter.shape, generator=generator) * 0.1
                parameter.copy_(centre + noise)
            else:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model


def loss_of(model, window):
    window = torch.tensor(window.astype(np.int64))
    logits = model(input_ids=window[:-1].reshape(BATCH, SEQUENCE), use_cache=False).logits
    targets = window[1:].reshape(BATCH * SEQUENCE)
    return torch.nn.functional.cross_entropy(logits.reshape(-1, VOCABULARY), targets), logits


def train(model, tokens):
    """Sequential updates with the options that golden_test.cpp has."""
    trained = [p for p in model.parameters() if p.requires_grad]
    decays = [p for p in trained if p.dim() > 1]
    others = [p for p in trained if p.dim() == 1]
    optimizer = torch.optim.AdamW([dict(params=decays, weight_decay=0.1),
                                   dict(params=others, weight_decay=0.0)],
                                  lr=1e-3, betas=(0.9, 0.95), eps=1e-8)
    losses, norms, block = [], [], BATCH * SEQUENCE
    for step in range(STEPS):
        optimizer.zero_grad()
        loss, _ = loss_of(model, tokens[step * block:step * block + block + 1])
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(trained, 1.0)))
        losses.append(float(loss))
        optimizer.step()
    return losses, norms


def make(name, tokens):
    kind, options, dtype, saving = CASES[name]
    directory = OUT / name
    shutil.rmtree(directory, ignore_errors=True)
    model = model_of(kind, options).to(getattr(torch, dtype))
    model.save_pretrained(directory, **saving)
    (directory / "generation_config.json").unlink(missing_ok=True)
    # Read again: turning a model to bf16 and back leaves its rotary frequencies rounded.
    model = type(model).from_pretrained(directory, dtype=torch.float64,
                                        attn_implementation="eager").train()
    loss, logits = loss_of(model, tokens[:BATCH * SEQUENCE + 1])
    loss.backward()
    save_file({key: p.grad.float().contiguous() for key, p in model.named_parameters()},
              directory / "gradients.safetensors")
    expected = dict(loss=float(loss), logits=logits[0].tolist())
    expected["losses"], expected["grad_norms"] = train(model, tokens)
    (directory / "expected.json").write_text(json.dumps(expected) + "\n")
    print(name, loss.item())


def main():
    names = sys.argv[1:] or CASES
    tokens = np.fromfile(HERE / "tiny.tokens.bin", "<u2")
    for name in names:
        make(name, tokens)


if __name__ == "__main__":
    main()
