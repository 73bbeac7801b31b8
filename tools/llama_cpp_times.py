#!/usr/bin/env python3
"""Times a GGUF model in llama.cpp, through llama-cpp-python: a prompt at once, then token by token.

Prints JSON: {"version", "prefill_ms": [...], "token_ms": [...]}. Run by compare_llama_cpp.py.
"""
import argparse
import ctypes
import json
import time

import llama_cpp as L


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--prompt", type=int, default=0)
    parser.add_argument("--tokens", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    quiet = L.llama_log_callback(lambda level, text, user: None)
    L.llama_log_set(quiet, None)
    L.llama_backend_init()
    model = L.llama_model_load_from_file(args.model.encode(), L.llama_model_default_params())
    params = L.llama_context_default_params()
    params.n_ctx = max(args.prompt, args.tokens + 8) + 8
    params.n_batch = params.n_ubatch = max(args.prompt, 512)
    params.n_threads = params.n_threads_batch = args.threads
    context = L.llama_init_from_model(model, params)
    memory = L.llama_get_memory(context)
    vocabulary = L.llama_vocab_n_tokens(L.llama_model_get_vocab(model))

    def feed(tokens):
        ids = (ctypes.c_int32 * len(tokens))(*tokens)
        begin = time.perf_counter()
        if L.llama_decode(context, L.llama_batch_get_one(ids, len(tokens))) != 0:
            raise SystemExit("llama_decode failed")
        L.llama_get_logits_ith(context, -1)
        return 1e3 * (time.perf_counter() - begin)

    prefill, token = [], []
    prompt = [i * 7919 % vocabulary for i in range(args.prompt)]
    for turn in range(args.rounds + 1 if prompt else 0):
        L.llama_memory_clear(memory, True)
        ms = feed(prompt)
        if turn > 0:
            prefill.append(ms)
    L.llama_memory_clear(memory, True)
    for turn in range(args.tokens + 8 if args.tokens else 0):
        ms = feed([1])
        if turn >= 8:
            token.append(ms)
    info = L.llama_print_system_info().decode()
    print(json.dumps({"version": L.__version__, "system": info,
                      "prefill_ms": prefill, "token_ms": token}))


if __name__ == "__main__":
    main()
