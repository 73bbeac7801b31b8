#!/usr/bin/env python3
"""Writes a model with random weights: a Hugging Face directory in bf16, and the same as GGUF.

    tools/random_model.py stories110m OUT            # OUT/hf
    tools/random_model.py qwen3-0.6b OUT --gguf bf16 q8_0 q4_0    # and OUT/bf16.gguf, ...

Needs numpy, and for GGUF the package gguf; scripts/compare_llama_cpp.sh has both.
"""
import argparse
import json
import pathlib
import struct

import numpy

# What config.json says of each.
SHAPES = {
    "stories110m": {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 32000,
        "hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 12,
        "num_attention_heads": 12, "num_key_value_heads": 12, "head_dim": 64,
        "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "tie_word_embeddings": True, "hidden_act": "silu", "torch_dtype": "bfloat16",
        "bos_token_id": 1, "eos_token_id": 2},
    "qwen3-0.6b": {
        "model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "vocab_size": 151936,
        "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28,
        "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128,
        "max_position_embeddings": 40960, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
        "tie_word_embeddings": True, "hidden_act": "silu", "torch_dtype": "bfloat16",
        "bos_token_id": 151643, "eos_token_id": 151645},
}
# Of a layer: name in Hugging Face's files, in GGUF, and its shape.
LAYER = [
    ("input_layernorm", "attn_norm", lambda c: (c["hidden_size"],)),
    ("self_attn.q_proj", "attn_q", lambda c: (heads(c) * c["head_dim"], c["hidden_size"])),
    ("self_attn.k_proj", "attn_k", lambda c: (kv_heads(c) * c["head_dim"], c["hidden_size"])),
    ("self_attn.v_proj", "attn_v", lambda c: (kv_heads(c) * c["head_dim"], c["hidden_size"])),
    ("self_attn.o_proj", "attn_output", lambda c: (c["hidden_size"], heads(c) * c["head_dim"])),
    ("post_attention_layernorm", "ffn_norm", lambda c: (c["hidden_size"],)),
    ("mlp.gate_proj", "ffn_gate", lambda c: (c["intermediate_size"], c["hidden_size"])),
    ("mlp.up_proj", "ffn_up", lambda c: (c["intermediate_size"], c["hidden_size"])),
    ("mlp.down_proj", "ffn_down", lambda c: (c["hidden_size"], c["intermediate_size"])),
]
HEAD_NORMS = [
    ("self_attn.q_norm", "attn_q_norm", lambda c: (c["head_dim"],)),
    ("self_attn.k_norm", "attn_k_norm", lambda c: (c["head_dim"],)),
]


def heads(config):
    return config["num_attention_heads"]


def kv_heads(config):
    return config["num_key_value_heads"]


def tensors(config):
    """(name in Hugging Face's files, name in GGUF, shape) of all."""
    yield "model.embed_tokens.weight", "token_embd.weight", (config["vocab_size"],
                                                             config["hidden_size"])
    kinds = LAYER + (HEAD_NORMS if config["model_type"] == "qwen3" else [])
    for layer in range(config["num_hidden_layers"]):
        for name, short, shape in kinds:
            yield (f"model.layers.{layer}.{name}.weight", f"blk.{layer}.{short}.weight",
                   shape(config))
    yield "model.norm.weight", "output_norm.weight", (config["hidden_size"],)


def numbers(random, shape):
    """bf16 numbers, as uint16: matrices around 0, vectors around 1."""
    values = random.standard_normal(shape, dtype=numpy.float32) * numpy.float32(0.02)
    if len(shape) == 1:
        values += 1
    return (values.view(numpy.uint32) >> 16).astype(numpy.uint16)


def write_directory(config, values, directory):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config, indent=2))
    header, end = {}, 0
    for name, _, shape in tensors(config):
        size = 2 * int(numpy.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 64 + 56)  # so that data begin at a multiple of 64
    with open(directory / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, _, _ in tensors(config):
            file.write(values[name].tobytes())


def wide(stored):
    return (stored.astype(numpy.uint32) << 16).view(numpy.float32)


def in_turns(matrix, count):
    """llama.cpp turns neighbouring rows of its llama architecture together, Hugging Face those of
    the two halves of a head."""
    return matrix.reshape(count, 2, -1, matrix.shape[1]).swapaxes(1, 2).reshape(matrix.shape)


def write_gguf(config, values, path, type_name):
    import gguf
    quantization = gguf.GGMLQuantizationType[type_name.upper()]
    architecture = config["model_type"]
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads(config))
    writer.add_head_count_kv(kv_heads(config))
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("none")
    for name, short, shape in tensors(config):
        tensor = wide(values[name])
        if len(shape) == 1:
            writer.add_tensor(short, tensor)
            continue
        if architecture == "llama" and "q_proj" in name:
            tensor = in_turns(tensor, heads(config))
        if architecture == "llama" and "k_proj" in name:
            tensor = in_turns(tensor, kv_heads(config))
        writer.add_tensor(short, gguf.quants.quantize(tensor, quantization),
                          raw_dtype=quantization)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shape", choices=sorted(SHAPES))
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--gguf", nargs="*", default=[], metavar="TYPE", help="bf16, q8_0, q4_0")
    args = parser.parse_args()
    config = SHAPES[args.shape]
    random = numpy.random.default_rng(1)
    values = {name: numbers(random, shape) for name, _, shape in tensors(config)}
    write_directory(config, values, args.out / "hf")
    for type_name in args.gguf:
        write_gguf(config, values, args.out / f"{type_name}.gguf", type_name)


if __name__ == "__main__":
    main()
