"""What the scripts that make toy tasks share: writing safetensors files and MIL text."""
import json
import pathlib
import struct

TYPES = {"float32": "F32", "float16": "F16", "int32": "I32", "int64": "I64", "uint8": "U8"}
MIL_TYPES = {"float32": "fp32", "float16": "fp16", "int32": "int32"}


def write_safetensors(path, tensors):
    """tensors: name → array"""
    header, data = {}, b""
    for name, array in tensors.items():
        content = array.tobytes()
        header[name] = {"dtype": TYPES[array.dtype.name], "shape": list(array.shape),
                        "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def literal(value):
    """An array, list of integers, bool, word or number as MIL spells it."""
    if isinstance(value, bool):
        return f"bool({str(value).lower()})"
    if isinstance(value, str):
        return f'string("{value}")'
    if isinstance(value, int):
        return f"int32({value})"
    if isinstance(value, (list, tuple)):
        return f"tensor<int32, [{len(value)}]>([{', '.join(map(str, value))}])"
    spelled = (str if value.dtype.name == "int32" else lambda x: float(x).hex())
    kind = MIL_TYPES[value.dtype.name]
    if value.shape == ():
        return f"{kind}({spelled(value)})"
    shape = ", ".join(map(str, value.shape))
    return f"tensor<{kind}, [{shape}]>([{', '.join(spelled(x) for x in value.ravel())}])"


class Mil:
    """The text of one function, statement by statement."""

    def __init__(self, inputs):
        self.inputs, self.lines = inputs, []

    def constant(self, name, array):
        self.lines.append(f'{mil_type(array)} {name} = const()'
                          f'[name = string("{name}"), val = {literal(array)}];')
        return name

    def op(self, name, kind, result, /, **arguments):
        """A statement whose result is (element type, shape); names of values are Value(...)."""
        dtype, sizes = result
        given = ", ".join(f"{key} = {value if isinstance(value, Value) else literal(value)}"
                          for key, value in arguments.items())
        size = ", ".join(map(str, sizes))
        self.lines.append(f'tensor<{dtype}, [{size}]> {name} = {kind}({given})'
                          f'[name = string("{name}")];')
        return Value(name)

    def write(self, path, outputs):
        body = "\n".join("            " + line for line in self.lines)
        pathlib.Path(path).write_text(
            f"program(1.3)\n{{\n    func main<ios17>({self.inputs}) {{\n{body}\n"
            f"        }} -> ({', '.join(outputs)});\n}}\n")


class Value(str):
    """The name of a value, where a plain string would be a word."""


def mil_type(array):
    kind = MIL_TYPES[array.dtype.name]
    return f"tensor<{kind}, [{', '.join(map(str, array.shape))}]>" if array.shape else kind
