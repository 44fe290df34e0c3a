"""The networks of the papers' released code, put together anew from torchvision and from published facts.

Theirs are torchvision's DenseNet-121, ResNet-50 and Inception v3 with a classifier of two outputs, and
Xception as FaceForensics++ lays it out. Weights are random, statistics of the norms too.
"""

from itertools import pairwise

import numpy as np
import torch
import torchvision
from torch import nn
from torchvision.transforms import v2

NETWORKS = ("densenet121", "inception_v3", "legacy_xception", "resnet50")
SIDES = {"densenet121": 224, "resnet50": 224, "inception_v3": 299, "legacy_xception": 299}
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def theirs(name, *, seed=0):
    """A network in training mode."""
    torch.manual_seed(seed)
    net = BUILDERS[name]()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
    return net.train()


@torch.no_grad()
def make_loud(net, images):
    """Let the logits be about 1: those of random weights are so small that all of them are close."""
    head = classifier(net)
    head.weight.mul_(1 / (net(images) - head.bias).abs().max())


def pictures(count, side, *, seed=0):
    """(N, 3, side, side) bytes: patches of colour, no two alike."""
    coarse = torch.rand(count, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    smooth = nn.functional.interpolate(coarse, (side, side), mode="bicubic")
    return (smooth.clamp(0, 1) * 255).to(torch.uint8)


def checkpoint(net, path):
    """As their training writes `final_model.pth`."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.005, momentum=0.9)
    torch.save({"epoch": 7, "state_dict": net.state_dict(), "optimizer": optimizer.state_dict()}, path)


def scaled(name, images):
    """(N, 3, side, side) in [0, 1] as their loader hands it to the network."""
    mean, std = ([0.5] * 3, [0.5] * 3) if name == "legacy_xception" else IMAGENET
    return v2.functional.normalize(images, mean, std)


def as_they_load(name, picture):
    """A Pillow image as their loader hands it to the network, (1, 3, side, side)."""
    small = v2.functional.resize(picture.convert("RGB"), [SIDES[name]] * 2)
    return scaled(name, torch.from_numpy(np.array(small)).permute(2, 0, 1)[None] / 255)


def classifier(net):
    """The last layer."""
    return next(getattr(net, name) for name in ("fc", "classifier", "head") if hasattr(net, name))


def tensor_of_their_map(name, net, images):
    """Logits, and the tensor that their code multiplies with the classifier's weights."""
    if name == "densenet121":  # it lets the images through twice
        return net(images), net.features(images)
    place = {"resnet50": "layer4.2.conv3", "inception_v3": "Mixed_7c", "legacy_xception": "model.conv4"}
    seen = []
    hook = net.get_submodule(place[name]).register_forward_hook(lambda _m, _i, output: seen.append(output))
    logits = net(images)
    hook.remove()
    return logits, seen[0]


def loss_of_theirs(name, net, images, labels, human):
    """Half cross-entropy, half the squared distance of the predicted class's map, one image at a time."""
    logits, features = tensor_of_their_map(name, net, images)
    maps = []
    for one, predicted in zip(features, logits.argmax(1), strict=True):
        cam = (classifier(net).weight[predicted][:, None, None] * one).sum(0)
        cam = cam - cam.min()
        maps.append(cam / cam.max())
    classification = nn.functional.cross_entropy(logits, labels)
    return 0.5 * classification + 0.5 * nn.functional.mse_loss(torch.stack(maps), human)


class Separable(nn.Sequential):
    """A convolution per channel, then one of one pixel."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)


class Block(nn.Module):
    """Separable convolutions with a shortcut, which is a convolution where the size changes."""

    def __init__(self, widths, *, stride=1, starts_with_relu=True):
        super().__init__()
        layers = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.ReLU(), Separable(inputs, outputs), nn.BatchNorm2d(outputs)]
        layers = layers if starts_with_relu else layers[1:]
        self.rep = nn.Sequential(*layers, *([nn.MaxPool2d(3, stride, 1)] if stride > 1 else []))
        self.skip = self.skipbn = None
        if stride > 1:
            self.skip = nn.Conv2d(widths[0], widths[-1], 1, stride, bias=False)
            self.skipbn = nn.BatchNorm2d(widths[-1])

    def forward(self, images):
        shortcut = images if self.skip is None else self.skipbn(self.skip(images))
        return self.rep(images) + shortcut


class Xception(nn.Module):
    """Chollet's network under the names of FaceForensics++."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 32, 3, 2, bias=False), nn.BatchNorm2d(32)
        self.conv2, self.bn2 = nn.Conv2d(32, 64, 3, bias=False), nn.BatchNorm2d(64)
        self.block1 = Block((64, 128, 128), stride=2, starts_with_relu=False)
        self.block2 = Block((128, 256, 256), stride=2)
        self.block3 = Block((256, 728, 728), stride=2)
        for number in range(4, 12):
            self.add_module(f"block{number}", Block((728, 728, 728, 728)))
        self.block12 = Block((728, 728, 1024), stride=2)
        self.conv3, self.bn3 = Separable(1024, 1536), nn.BatchNorm2d(1536)
        self.conv4, self.bn4 = Separable(1536, 2048), nn.BatchNorm2d(2048)
        self.last_linear = nn.Linear(2048, 2)

    def forward(self, images):
        for number in (1, 2):
            images = self.layer(number, images)
        for number in range(1, 13):
            images = self.get_submodule(f"block{number}")(images)
        for number in (3, 4):
            images = self.layer(number, images)
        return self.last_linear(images.mean((-2, -1)))

    def layer(self, number, images):
        convolved = self.get_submodule(f"conv{number}")(images)
        return self.get_submodule(f"bn{number}")(convolved).relu()


class InFaceForensics(nn.Module):
    """Xception stands in a wrapper there."""

    def __init__(self):
        super().__init__()
        self.model = Xception()

    @property
    def head(self):
        return self.model.last_linear

    def forward(self, images):
        return self.model(images)


def _inception():
    """`transform_input` is what their pretrained network comes with."""
    return torchvision.models.inception_v3(
        num_classes=2, aux_logits=False, transform_input=True, init_weights=False
    )


BUILDERS = {
    "densenet121": lambda: torchvision.models.densenet121(num_classes=2),
    "resnet50": lambda: torchvision.models.resnet50(num_classes=2),
    "inception_v3": _inception,
    "legacy_xception": InFaceForensics,
}
