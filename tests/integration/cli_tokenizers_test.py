#!/usr/bin/env python3
"""A tokenizer.json on the command line: found, used, kept with a run, refused when damaged."""
import json
import shutil
import struct
import unittest

from cli_testing import ROOT, TINY, CliTest, write_model, write_shard

GOLDEN = ROOT / "tests" / "golden" / "tokenizers"
ROWS = 560  # of the model: more than any of the vocabularies


class Tokenizers(CliTest):
    def setUp(self):
        super().setUp()
        write_model(self.dir / "model", {**TINY, "vocab_size": ROWS})
        self.path("text", "Once upon a time.\n<|endoftext|>\nA naïve cat, 12345 世界.\n")

    def golden(self, name, place="tokenizer.json"):
        shutil.copy(GOLDEN / f"{name}.json", self.path(place))
        return json.loads((GOLDEN / f"{name}.json").read_text())

    def shard(self, tokenizer):
        self.ok("data", "tokenize", "text", "--tokenizer", tokenizer, "-o", "data.bin")
        content = (self.dir / "data.bin").read_bytes()
        return list(struct.unpack(f"<{len(content) // 2}H", content))

    def test_a_text_becomes_the_ids_of_the_file_or_of_its_directory(self):
        self.golden("llama3", "folder/tokenizer.json")
        ids = self.shard("folder/tokenizer.json")
        self.assertEqual(ids.count(420), 2)  # <|begin_of_text|> before each story
        self.assertEqual(ids[0], 420)
        self.assertEqual(self.shard("folder"), ids)
        self.assertEqual(json.loads((self.dir / "data.bin.json").read_text())["tokenizer"]["file"],
                         "tokenizer.json")

    def test_without_bos_the_end_of_text_stands_behind_each_story(self):
        self.golden("qwen2")
        ids = self.shard("tokenizer.json")
        self.assertEqual((ids.count(420), ids[-1]), (2, 420))

    def test_documents_get_what_stands_behind_a_text_and_prompts_do_not(self):
        self.golden("roberta")
        ids = self.shard("tokenizer.json")
        begin, end = ids[0], ids[-1]
        self.assertEqual((ids.count(begin), ids.count(end)), (2, 2))
        result = self.ok_json("generate", "--model", "model", "--tokenizer", "tokenizer.json",
                              "--tokens", "0", "--prompt", "Once")
        self.assertEqual(result["prompt_ids"][0], begin)
        self.assertNotIn(end, result["prompt_ids"])

    def test_generate_finds_it_in_the_directory_of_the_model(self):
        self.golden("llama2", "model/tokenizer.json")
        for prompt in ("", "Once upon", "世界 é", "<s> a"):
            result = self.ok_json("generate", "--model", "model", "--tokens", "0", "--prompt", prompt)
            self.assertEqual(result["prompt_ids"][0], 1)
            self.assertEqual(result["text"], prompt.replace("<s>", ""))

    def test_an_empty_prompt_needs_a_bos(self):
        self.golden("qwen2", "model/tokenizer.json")
        self.refused("generate", "--model", "model", says=["--prompt", "no BOS"])
        self.path("model/tokenizer_config.json", '{"bos_token": "<|endoftext|>"}')
        result = self.ok_json("generate", "--model", "model", "--tokens", "0")
        self.assertEqual(result["prompt_ids"], [420])

    def test_generation_prints_whole_characters(self):
        self.golden("gpt2", "model/tokenizer.json")
        text = self.ok("generate", "--model", "model", "--prompt", "é世界", "--tokens", "0")
        self.assertTrue(text.startswith("é世界\n"), text)

    def test_a_run_keeps_it_with_the_files_that_name_its_ends(self):
        self.golden("mistral", "vocabulary/tokenizer.json")
        self.path("vocabulary/generation_config.json", '{"eos_token_id": [2, 4]}')
        write_shard(self.dir / "train.bin", 500)
        self.ok(*"train --model model --data train.bin --tokenizer vocabulary --out run --steps 1 "
                "--seq 8 --batch 1 --threads 1 --quiet".split())
        for name in ("tokenizer.json", "generation_config.json"):
            self.assertEqual((self.dir / "run" / name).read_bytes(),
                             (self.dir / "vocabulary" / name).read_bytes())
        self.ok("generate", "--model", "run", "--tokens", "1", "--prompt", "[INST] a")

    def test_damage_is_named_by_its_place(self):
        good = self.golden("gpt2")
        cases = [("model.merges[0]", lambda j: j["model"]["merges"].insert(0, "a")),
                 ("model.merges[1]", lambda j: j["model"]["merges"].insert(1, "a zz")),
                 ("model.vocab.a", lambda j: j["model"]["vocab"].update(a=-1)),
                 ("model.vocab.zz", lambda j: j["model"]["vocab"].update(zz=5)),
                 ("model.vocab.zz", lambda j: j["model"]["vocab"].update(zz=1 << 40)),
                 ("Unigram", lambda j: j["model"].update(type="Unigramm")),
                 ("pre_tokenizer", lambda j: j["pre_tokenizer"].update(type="Other")),
                 ("decoder", lambda j: j.update(decoder=[])),
                 ("truncate", lambda j: j.update(truncate=1))]
        for says, damage in cases:
            bad = json.loads(json.dumps(good))
            damage(bad)
            self.path("bad.json", json.dumps(bad))
            self.refused("data", "tokenize", "text", "--tokenizer", "bad.json", "-o", "x",
                         says=["bad.json", says])
        text = json.dumps(good)
        for size in range(20, len(text), len(text) // 9):
            self.path("bad.json", text[:size])
            self.refused("generate", "--model", "model", "--tokenizer", "bad.json", says="bad.json")

    def test_a_model_of_fewer_rows_is_refused(self):
        self.golden("llama2")
        write_model(self.dir / "small", {**TINY, "vocab_size": 300})
        tokens = len(json.loads((self.dir / "tokenizer.json").read_text())["model"]["vocab"])
        self.refused("generate", "--model", "small", "--tokenizer", "tokenizer.json",
                     says=["tokenizer.json", tokens, 300])


if __name__ == "__main__":
    unittest.main()
