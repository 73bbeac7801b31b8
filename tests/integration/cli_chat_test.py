#!/usr/bin/env python3
"""generate --chat: the template of the model, formats by name, several turns from standard input."""
import json
import shutil
import subprocess
import unittest

from cli_testing import (ANEMONE, ROOT, TINY, CliTest, floats, tiny_tensors, write_model,
                         write_shard, write_tokenizer)

GOLDEN = ROOT / "tests" / "golden" / "tokenizers"
BEGIN, END = 421, 422  # <|im_start|> and <|im_end|> of qwen2.json
TEMPLATE = ("{%- if messages[0].role != 'system' %}{{ '<|im_start|>system\\nBe kind<|im_end|>\\n' }}"
            "{% endif %}{% for m in messages %}"
            "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
SETTINGS = dict(TINY, vocab_size=560, max_position_embeddings=512)


def repeating_tensors():
    """A model of nothing but its embedding: greedy, it repeats the last token."""
    tensors = {}
    for name, (dtype, shape, content) in tiny_tensors(SETTINGS).items():
        keep = "norm" in name or "embed" in name
        tensors[name] = (dtype, shape, content if keep else floats([0] * (len(content) // 4)))
    return tensors


class Chat(CliTest):
    def setUp(self):
        super().setUp()
        write_model(self.dir / "model", SETTINGS)
        self.tokenizer("qwen2")
        self.path("model/tokenizer_config.json", json.dumps({"chat_template": TEMPLATE}))

    def tokenizer(self, name):
        shutil.copy(GOLDEN / f"{name}.json", self.path("model/tokenizer.json"))

    def ids(self, *arguments):
        return self.ok_json("generate", "--model", "model", "--tokens", "0", *arguments)["prompt_ids"]

    def written(self, text):
        return self.ids("--prompt", text)

    def chat(self, lines, *arguments):
        """Standard output of a chat on standard input."""
        done = subprocess.run([ANEMONE, "generate", "--model", "model", "--chat", *arguments],
                              cwd=self.dir, input="".join(line + "\n" for line in lines).encode(),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout.decode(errors="replace")

    def test_the_prompt_is_a_message_for_the_template_of_the_model(self):
        self.assertEqual(self.ids("--chat", "--prompt", "Hi"), self.written(
            "<|im_start|>system\nBe kind<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
            "<|im_start|>assistant\n"))
        self.assertEqual(self.ids("--chat", "--prompt", "Hi", "--system", ""), self.written(
            "<|im_start|>system\n<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"))

    def test_only_the_answer_is_shown(self):
        run = ("generate", "--model", "model", "--prompt", "Hi", "--tokens", "3", "--seed", "1")
        self.assertNotIn("Hi", self.ok(*run, "--chat"))
        result = self.ok_json(*run, "--chat")
        self.assertEqual(len(result["ids"]), 3)
        self.assertNotIn("Hi", result["text"])
        self.assertNotIn("assistant", result["text"])

    def test_a_format_by_name_comes_before_the_template(self):
        named = self.ids("--chat-format", "chatml", "--prompt", "Hi")
        self.assertEqual(named, self.written(
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"))
        self.refused("generate", "--model", "model", "--prompt", "Hi", "--chat-format", "gemma",
                     says=["--chat-format gemma", "no token <start_of_turn>"])
        self.refused("generate", "--model", "model", "--prompt", "Hi", "--chat-format", "x",
                     says=["--chat-format", "llama3", "chatml"])

    def test_a_format_by_name_begins_as_texts_of_the_vocabulary_do(self):
        self.tokenizer("mistral")
        ids = self.ids("--chat-format", "mistral-v3", "--prompt", "cat")
        self.assertEqual((ids[0], ids.count(1)), (1, 1))

    def test_an_answer_ends_with_its_turn(self):
        write_model(self.dir / "model", SETTINGS, repeating_tensors())
        # The prompt ends with <|im_end|>, so that the model writes one too.
        self.path("model/tokenizer_config.json", json.dumps(
            {"chat_template": "{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}"}))
        run = ("generate", "--model", "model", "--tokens", "4", "--temperature", "0", "--prompt")
        self.assertEqual(self.ok_json(*run, "<|im_end|>")["ids"], [END] * 4)
        self.assertEqual(self.ok_json(*run, "a", "--chat")["ids"], [])

    def test_each_line_of_standard_input_is_a_turn(self):
        greedy = ("--temperature", "0", "--tokens", "5")
        both = self.chat(["the", "", "So?"], *greedy)
        first = self.chat(["the"], *greedy)
        self.assertTrue(both.startswith(first))
        # The later turn is what it would be with all before it in the prompt.
        answer = first.removesuffix("\n")
        self.assertNotIn("\ufffd", answer)
        before = ("<|im_start|>system\nBe kind<|im_end|>\n<|im_start|>user\nthe<|im_end|>\n"
                  f"<|im_start|>assistant\n{answer}<|im_end|>\n<|im_start|>user\n")
        self.path("model/tokenizer_config.json", json.dumps({"chat_template": (
            "{{ " + json.dumps(before) + " + messages[0].content + '<|im_end|>\\n' }}"
            "{{ '<|im_start|>assistant\\n' if add_generation_prompt }}")}))
        self.assertEqual(first + self.chat(["So?"], *greedy), both)

    def test_a_chat_that_is_too_long_is_an_error(self):
        self.refused("generate", "--model", "model", "--chat", "--prompt", "x1" * 300,
                     says="512 positions")
        done = subprocess.run([ANEMONE, "generate", "--model", "model", "--chat"], cwd=self.dir,
                              input=b"x1" * 300 + b"\n", capture_output=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"and 512 fit", done.stderr)

    def test_flags_that_do_not_go_together(self):
        run = ("generate", "--model", "model")
        self.refused(*run, "--system", "x", "--prompt", "a", says=["--system", "--chat"])
        self.refused(*run, "--chat", "--json", says=["--json", "--prompt"])
        self.refused(*run, "--chat", "--draft-dtype", "int8", says="--draft-model")

    def test_what_cannot_be_known_is_refused(self):
        run = ("generate", "--model", "model", "--chat", "--prompt", "a")
        for template, says in (("{{ messages | tojson }}", ["line 1", "tojson", "--chat-format"]),
                               ("{{ raise_exception('no chats') }}", ["refuses it: no chats"]),
                               ("{{ bos_token }}", ["bos_token", "tokenizer_config.json"]),
                               ("{% if %}", ["line 1", "a value is expected"])):
            self.path("model/tokenizer_config.json", json.dumps({"chat_template": template}))
            self.refused(*run, says=["tokenizer_config.json", *says])
        (self.dir / "model/tokenizer_config.json").unlink()
        self.refused(*run, says=["model", "holds no chat template", "--chat-format"])
        (self.dir / "model/tokenizer.json").unlink()
        write_tokenizer(self.dir / "model/tokenizer.bin")
        self.refused(*run, says=["tokenizer.bin", "no tokenizer.json"])

    def test_a_run_keeps_the_template(self):
        self.path("model/chat_template.jinja", TEMPLATE)
        write_shard(self.dir / "train.bin", 500)
        self.ok(*"train --model model --data train.bin --tokenizer model --out run --steps 1 "
                "--seq 8 --batch 1 --threads 1 --quiet".split())
        self.assertEqual((self.dir / "run/chat_template.jinja").read_text(), TEMPLATE)
        self.ok("generate", "--model", "run", "--chat", "--prompt", "a", "--tokens", "1")


if __name__ == "__main__":
    unittest.main()
