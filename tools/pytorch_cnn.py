#!/usr/bin/env python3
"""The peer of the networks in cpu_bench and finetune_bench: ResNet-50 and MobileNetV2 in eager PyTorch.

pytorch_cnn.py --network resnet50 --threads 2 --seconds 2   times of forward passes, as JSON
pytorch_cnn.py --network resnet50 --update                  of updates by AdamW
"""
import argparse
import json
import time

import torch
from torch import nn

WARM_UP = 3
MOBILENET = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
             (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def conv(inputs, outputs, kernel, stride=1, groups=1, activation=None):
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
              nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, *([activation(inplace=True)] if activation else []))


class Bottleneck(nn.Module):
    def __init__(self, inputs, inner, stride):
        super().__init__()
        outputs = 4 * inner
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else conv(inputs, outputs, 1, stride)
        self.body = nn.Sequential(conv(inputs, inner, 1, activation=nn.ReLU),
                                  conv(inner, inner, 3, stride, activation=nn.ReLU),
                                  conv(inner, outputs, 1))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.body(x) + self.shortcut(x))


class InvertedResidual(nn.Module):
    def __init__(self, inputs, expansion, outputs, stride):
        super().__init__()
        inner = inputs * expansion
        expand = [conv(inputs, inner, 1, activation=nn.ReLU6)] if expansion > 1 else []
        self.body = nn.Sequential(*expand, conv(inner, inner, 3, stride, inner, nn.ReLU6),
                                  conv(inner, outputs, 1))
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.body(x) if self.adds else self.body(x)


def head(channels):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000)]


def resnet50():
    layers, channels = [conv(3, 64, 7, 2, activation=nn.ReLU), nn.MaxPool2d(3, 2, 1)], 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for block in range(blocks):
            layers.append(Bottleneck(channels, 64 << stage, 2 if stage and not block else 1))
            channels = 256 << stage
    return nn.Sequential(*layers, *head(channels))


def mobilenet_v2():
    layers, channels = [conv(3, 32, 3, 2, activation=nn.ReLU6)], 32
    for expansion, outputs, blocks, stride in MOBILENET:
        for block in range(blocks):
            layers.append(InvertedResidual(channels, expansion, outputs, 1 if block else stride))
            channels = outputs
    return nn.Sequential(*layers, conv(channels, 1280, 1, activation=nn.ReLU6), *head(1280))


def forward_pass(model, image):
    def run():
        with torch.inference_mode():
            model(image)
    return run


def update(model, image):
    """Batch norm stays in its inference form, as in a package."""
    target = torch.tensor([7])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)

    def run():
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(model(image), target).backward()
        optimizer.step()
    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=("resnet50", "mobilenet_v2"), required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--channels-last", action="store_true", help="the layout it likes better")
    parser.add_argument("--update", action="store_true", help="train instead of a forward pass")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    model = {"resnet50": resnet50, "mobilenet_v2": mobilenet_v2}[args.network]().eval()
    image = torch.rand(1, 3, 224, 224)
    if args.channels_last:
        model = model.to(memory_format=torch.channels_last)
        image = image.to(memory_format=torch.channels_last)
    times = []
    run = (update if args.update else forward_pass)(model, image)
    for _ in range(WARM_UP):
        run()
    end = time.perf_counter() + args.seconds
    while time.perf_counter() < end or len(times) < 3:
        begin = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - begin))
    print(json.dumps({"torch": torch.__version__, "ms": times}))


if __name__ == "__main__":
    main()
