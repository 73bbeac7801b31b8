#!/usr/bin/env python3
"""Writes lora/: an adapter beside families/qwen3 as PEFT saves it, and what PEFT computes with it.

Needs torch, transformers, peft and safetensors (written with 2.15.0, 5.24.0, 0.21.2 and 0.8.0).
  adapter_config.json, adapter_model.safetensors   the adapter
  expected.json            of the first batch in fp64: loss and the logits of its first row; and
                           losses and gradient norms of training the adapter with AdamW
  gradients.safetensors    of that loss, of the adapter's tensors
"""
import json
import shutil

import numpy as np
import peft
import torch
import transformers
from safetensors.torch import load_file, save_file

from make_families import BATCH, HERE, OUT, SEQUENCE, loss_of, train

DIRECTORY = HERE / "lora"


def main():
    tokens = np.fromfile(HERE / "tiny.tokens.bin", "<u2")
    base = transformers.AutoModelForCausalLM.from_pretrained(
        OUT / "qwen3", dtype=torch.float64, attn_implementation="eager")
    config = peft.LoraConfig(r=3, lora_alpha=12, target_modules=["q_proj", "v_proj", "down_proj"],
                             task_type="CAUSAL_LM")
    model = peft.get_peft_model(base, config, autocast_adapter_dtype=False).train()
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.2
                parameter.copy_(noise.float())
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    model.save_pretrained(DIRECTORY)
    (DIRECTORY / "README.md").unlink(missing_ok=True)
    adapter = load_file(DIRECTORY / "adapter_model.safetensors")
    save_file({name: tensor.float() for name, tensor in adapter.items()},
              DIRECTORY / "adapter_model.safetensors", metadata={"format": "pt"})
    config = json.loads((DIRECTORY / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "qwen3"  # no path of a machine
    (DIRECTORY / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")

    loss, logits = loss_of(model, tokens[:BATCH * SEQUENCE + 1])
    loss.backward()
    save_file({key.removeprefix("base_model.model.").replace(".default", ""):
               p.grad.float().contiguous()
               for key, p in model.named_parameters() if p.requires_grad},
              DIRECTORY / "gradients.safetensors")
    expected = dict(loss=loss.item(), logits=logits[0].tolist())
    for parameter in model.parameters():
        parameter.grad = None
    expected["losses"], expected["grad_norms"] = train(model, tokens)
    (DIRECTORY / "expected.json").write_text(json.dumps(expected) + "\n")
    print(loss.item(), expected["losses"][-1])


if __name__ == "__main__":
    main()
