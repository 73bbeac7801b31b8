#!/usr/bin/env python3
"""Makes tests/golden/tokenizers: small tokenizer.json files of the public shapes, with the ids and
texts that the `tokenizers` library gives for assorted strings.

    pip install tokenizers==0.23.3 && tests/golden/make_tokenizers.py [FOLDER]

The text that the vocabularies are trained on is made here. The same version gives the same files.
"""
import json
import pathlib
import random
import sys

import tokenizers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

GPT2 = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
LLAMA3 = (r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"""
          r""" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""")
QWEN2 = LLAMA3.replace("{1,3}", "")
MARK = "\u2581"

WORDS = """the a cat dog sat on mat and ran home Once upon time there was little girl who had it's
don't we'll I'm children playing garden running jumped over under lamp int return for if else
naïve café straße Ωmega привет мир 世界 こんにちは 안녕 12 345 2024 3.14 0x1F foo_bar a+b == -> {}""".split()

STRINGS = [
    "", " ", "  ", "a", "Once upon a time, there was a little girl.", "  two  blanks  ",
    "\n", "\n\n", "\n\n\nx\n\n", "line\nline\r\nline\ttab \n end ", "don't DON'T it's WE'LL I'm",
    "12345678 3.14 -1 1,000,000 ½ ² Ⅷ ٣", "int main() { return 0x1F; } // foo_bar==a->b",
    "café cafe\u0301 naïve straße ﬁn Å \u212b", "привет мир, Ωmega", "世界 こんにちは、元気？ 안녕",
    "emoji 🙂👍🏽 👨‍👩‍👧 and \u200b\ufeff\u00ad", "a\u00a0b\u3000c\u2003d\u0085e\u180ef\u2028g",
    "\u1100\u1161 \u0958 \U0001d400 \U00031350 \u0378", "e\u0301\u0323 q\u0307\u0323", "\x01\x7f\x80",
    "<s>hi</s>", "hi<s> there", "<s><s>a</s> </s>", "<|endoftext|>a <|endoftext|>",
    "<|im_start|>user\nhi<|im_end|>\n", "<|begin_of_text|>Hi<|eot_id|>", "<bos>Hi<eos> <unk>",
    "[INST] do it [/INST] done", "x<mask>y  <mask>  z", "cat cats concat cat. _cat cat1 (cat)",
    f"{MARK}a {MARK}{MARK} b{MARK}", "<0x41><0xE2>", "aaaaaaaa bbbb aaaa", "!!!???...---===",
    "ＡＢＣ ①② ㎏ ﷺ", "\u3042\u3099 \u304c", "long" * 40,
]


def training_text(seed=7):
    chooser = random.Random(seed)
    return [" ".join(chooser.choices(WORDS, k=chooser.randrange(3, 14))) + chooser.choice(".!?\n")
            for _ in range(1500)]


def train(pre_tokenizer, size, **settings):
    """The model of a vocabulary trained on pieces of a pre-tokenizer, as JSON."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(
        training_text(), trainers.BpeTrainer(vocab_size=size, show_progress=False, **settings))
    return json.loads(tokenizer.to_str())["model"]


def byte_level_model(pattern, **changes):
    split = [pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated"),
             pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    model = train(pre_tokenizers.Sequence(split), 420,
                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    return {**model, **changes}


def byte_fallback_model(specials, **changes):
    fixed = specials + [f"<0x{byte:02X}>" for byte in range(256)]
    model = train(pre_tokenizers.Metaspace(), 520, special_tokens=fixed)
    return {**model, "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True, **changes}


def string_merges(model):
    """The older form of the file."""
    return {**model, "merges": [" ".join(pair) for pair in model["merges"]]}


def added(content, special=True, normalized=False, **changes):
    return {"id": 0, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": normalized, "special": special, **changes}


def file_of(model, added_tokens, normalizer=None, pre_tokenizer=None, post_processor=None,
            decoder=None):
    parts = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added_tokens,
             "normalizer": normalizer, "pre_tokenizer": pre_tokenizer,
             "post_processor": post_processor, "decoder": decoder, "model": model}
    return with_ids(parts)


def with_ids(parts):
    """Added tokens with the ids that the library gives them."""
    next_id = len(parts["model"]["vocab"])
    for token in parts["added_tokens"]:
        vocab = parts["model"]["vocab"]
        pieces = list(vocab) if isinstance(vocab, dict) else [piece for piece, _ in vocab]
        known = pieces.index(token["content"]) if token["content"] in pieces else None
        token["id"] = next_id if known is None else known
        next_id += known is None
    return parts


def sequence(kind, *parts):
    return {"type": "Sequence", kind: list(parts)}


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def byte_level(use_regex=False):
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
            "use_regex": use_regex}


def replace(old, new):
    return {"type": "Replace", "pattern": {"String": old}, "content": new}


def begins_with(token, token_id):
    text = {"Sequence": {"id": "A", "type_id": 0}}
    special = {"SpecialToken": {"id": token, "type_id": 0}}
    return {"type": "TemplateProcessing", "single": [special, text],
            "pair": [special, text, special, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {token: {"id": token, "ids": [token_id], "tokens": [token]}}}


STRIP = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
FALLBACK = [replace(MARK, " "), {"type": "ByteFallback"}, {"type": "Fuse"}]
LLAMA2_SPECIALS = ["<unk>", "<s>", "</s>"]


def gpt2():
    return file_of(string_merges(byte_level_model(GPT2)), [added("<|endoftext|>")],
                   pre_tokenizer=byte_level(use_regex=True), post_processor=byte_level(True),
                   decoder=byte_level(True))


def llama3():
    model = byte_level_model(LLAMA3, ignore_merges=True)
    begin = len(model["vocab"])
    names = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"]
    return file_of(model, [added(name) for name in names],
                   pre_tokenizer=sequence("pretokenizers", split({"Regex": LLAMA3}), byte_level()),
                   post_processor=sequence("processors", byte_level(), begins_with(names[0], begin)),
                   decoder=byte_level())


def qwen2():
    names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    return file_of(byte_level_model(QWEN2), [added(name) for name in names],
                   normalizer={"type": "NFC"},
                   pre_tokenizer=sequence("pretokenizers", split({"Regex": QWEN2}), byte_level()),
                   post_processor=byte_level(), decoder=byte_level())


def llama2():
    return file_of(string_merges(byte_fallback_model(LLAMA2_SPECIALS)),
                   [added(name) for name in LLAMA2_SPECIALS],
                   normalizer=sequence("normalizers", {"type": "Prepend", "prepend": MARK},
                                       replace(" ", MARK)),
                   post_processor=begins_with("<s>", 1),
                   decoder=sequence("decoders", *FALLBACK, STRIP))


def mistral():
    names = LLAMA2_SPECIALS + ["[INST]", "[/INST]"]
    return file_of(byte_fallback_model(names), [added(name) for name in names],
                   pre_tokenizer={"type": "Metaspace", "replacement": MARK,
                                  "prepend_scheme": "first", "split": False},
                   post_processor=begins_with("<s>", 1),
                   decoder=sequence("decoders", *FALLBACK, STRIP))


def gemma():
    names = ["<pad>", "<eos>", "<bos>", "<unk>"]
    runs = ["\n\n", "\n\n\n", MARK * 2, MARK * 3, "<b>", "</b>"]
    tokens = [added(name) for name in names] + [added(run, special=False) for run in runs]
    return file_of(byte_fallback_model(names + runs), tokens, normalizer=replace(" ", MARK),
                   pre_tokenizer=split({"String": " "}, "MergedWithPrevious"),
                   post_processor=begins_with("<bos>", 2),
                   decoder=sequence("decoders", *FALLBACK))


def digits():
    tokens = [added("<|endoftext|>"), added("<mask>", lstrip=True, rstrip=True),
              added("cat", special=False, single_word=True),
              added("ＡＢＣ", special=False, normalized=True), added("<unk>")]
    return file_of(string_merges(byte_level_model(GPT2)), tokens,
                   normalizer=sequence("normalizers", {"type": "NFKC"}, {"type": "Lowercase"}),
                   pre_tokenizer=sequence("pretokenizers",
                                          {"type": "Digits", "individual_digits": True},
                                          {"type": "Punctuation", "behavior": "Contiguous"},
                                          byte_level(use_regex=True)),
                   post_processor=byte_level(), decoder=byte_level())


def metaspace():
    model = {**byte_fallback_model(LLAMA2_SPECIALS), "byte_fallback": False}
    mark = {"type": "Metaspace", "replacement": MARK, "prepend_scheme": "always", "split": True}
    strip = {"type": "Strip", "strip_left": True, "strip_right": True}
    blanks = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
    return file_of(model, [added(name) for name in LLAMA2_SPECIALS],
                   normalizer=sequence("normalizers", {"type": "NFKD"}, {"type": "StripAccents"},
                                       strip, blanks),
                   pre_tokenizer=mark, post_processor=begins_with("<s>", 1), decoder=mark)


def unigram_model(byte_fallback):
    """The pieces of a byte-pair vocabulary, scored by their place and length: many are equal."""
    fixed = [f"<0x{byte:02X}>" for byte in range(256)] if byte_fallback else []
    pieces = list(byte_fallback_model(LLAMA2_SPECIALS)["vocab"])[3 + 256:]
    vocab = [[piece, 0.0] for piece in LLAMA2_SPECIALS + fixed]
    vocab += [[piece, -2.0 - i // 40 - len(piece) / 2] for i, piece in enumerate(pieces)]
    return {"type": "Unigram", "unk_id": 0, "vocab": vocab, "byte_fallback": byte_fallback}


def unigram():
    mark = {"type": "Metaspace", "replacement": MARK, "prepend_scheme": "always", "split": True}
    return file_of(unigram_model(False), [added(name) for name in LLAMA2_SPECIALS],
                   normalizer=sequence("normalizers", {"type": "Nmt"}, {"type": "NFKC"}),
                   pre_tokenizer=sequence("pretokenizers", {"type": "WhitespaceSplit"}, mark),
                   post_processor=begins_with("<s>", 1), decoder=mark)


def unigram_bytes():
    mark = {"type": "Metaspace", "replacement": MARK, "prepend_scheme": "first", "split": False}
    return file_of(unigram_model(True), [added(name) for name in LLAMA2_SPECIALS],
                   pre_tokenizer=mark, post_processor=begins_with("<s>", 1),
                   decoder=sequence("decoders", *FALLBACK, STRIP))


def unigram_end():
    """With an end behind each text and nothing in front, like T5."""
    parts = unigram()
    text = {"Sequence": {"id": "A", "type_id": 0}}
    end = {"SpecialToken": {"id": "</s>", "type_id": 0}}
    parts["post_processor"] = {
        "type": "TemplateProcessing", "single": [text, end], "pair": [text, end, text, end],
        "special_tokens": {"</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}}}
    return parts


def roberta():
    """With <s> in front and </s> behind."""
    parts = gpt2()
    parts["added_tokens"] += [added("<s>"), added("</s>"), added("<mask>", lstrip=True)]
    parts["post_processor"] = {"type": "RobertaProcessing", "trim_offsets": True,
                               "add_prefix_space": False, "sep": ["</s>", 0], "cls": ["<s>", 0]}
    with_ids(parts)
    for key in ("sep", "cls"):
        pair = parts["post_processor"][key]
        pair[1] = next(t["id"] for t in parts["added_tokens"] if t["content"] == pair[0])
    return parts


MAKERS = (gpt2, llama3, qwen2, llama2, mistral, gemma, digits, metaspace, unigram, unigram_bytes,
          unigram_end, roberta)


def cases_of(tokenizer):
    cases = []
    for text in STRINGS:
        ids = tokenizer.encode(text).ids
        cases.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids)})
    return cases


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                          else pathlib.Path(__file__).parent / "tokenizers")
    folder.mkdir(exist_ok=True)
    for maker in MAKERS:
        parts = maker()
        text = compact(parts)
        (folder / f"{maker.__name__}.json").write_text(text + "\n")
        cases = cases_of(Tokenizer.from_str(text))
        lines = ",\n".join(compact(case) for case in cases)
        (folder / f"{maker.__name__}.cases.json").write_text(f"[\n{lines}\n]\n")
    print(f"tokenizers {tokenizers.__version__}: {len(MAKERS)} files in {folder}")


if __name__ == "__main__":
    main()
