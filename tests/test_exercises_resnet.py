"""Each check of 04's exercises, against plausible wrong answers."""

import pytest
import torch
from torch import nn

from helpers.exercises import resnet as exercises

CHECKS = {
    "my_identity": exercises.identity_convolution,
    "my_block": exercises.residual_block,
    "my_deeper": exercises.deeper,
}


def kernel(fill, **options):
    """A layer of zeros that `fill(weight)` changes in place."""

    def answer(channels):
        layer = nn.Conv2d(channels, channels, **{"kernel_size": 3, "padding": 1, "bias": False, **options})
        with torch.no_grad():
            layer.weight.zero_()
            fill(layer.weight)
        return layer

    return answer


def diagonal(weight):
    nn.init.dirac_(weight)


def middle_of_all(weight):
    weight[:, :, 1, 1] = 1


def middle_mean(weight):
    weight[:, :, 1, 1] = 0.25


def all_places(weight):
    for channel in range(len(weight)):
        weight[channel, channel] = 1


def mean_of_places(weight):
    for channel in range(len(weight)):
        weight[channel, channel] = 1 / 9


def corner(weight):
    for channel in range(len(weight)):
        weight[channel, channel, 0, 0] = 1


class Block(nn.Module):
    """A right block, and with `mistake` a wrong one."""

    def __init__(self, inputs, outputs, stride, mistake=""):
        super().__init__()
        self.mistake = mistake
        bias = mistake == "bias"
        second = stride if mistake == "both strides" else 1
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=bias)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, second, padding=1, bias=bias)
        norms = mistake != "no norm"
        self.bn1 = nn.BatchNorm2d(outputs) if norms else nn.Identity()
        self.bn2 = nn.BatchNorm2d(outputs) if norms and mistake != "one norm" else nn.Identity()
        self.past = nn.Identity()
        if (stride != 1 or inputs != outputs or mistake == "always projected") and mistake != "no projection":
            projection = nn.Conv2d(inputs, outputs, 1, 1 if mistake == "projection not strided" else stride, bias=False)
            self.past = nn.Sequential(
                projection, nn.Identity() if mistake == "projection bare" else nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        if self.mistake == "nothing":
            return None
        between = nn.Identity() if self.mistake == "no relu between" else torch.relu
        if self.mistake == "relu before norm":
            branch = self.bn2(self.conv2(self.bn1(torch.relu(self.conv1(x)))))
        else:
            branch = self.bn2(self.conv2(between(self.bn1(self.conv1(x)))))
        past = self.past(x)
        match self.mistake:
            case "no skip":
                return torch.relu(branch)
            case "no skip, no relu":
                return branch
            case "relu first":
                return torch.relu(branch) + past
            case "no last relu":
                return branch + past
            case "concatenated":
                return torch.relu(torch.cat([branch, past], dim=1))
            case "subtracted":
                return torch.relu(branch - past)
            case "multiplied":
                return torch.relu(branch * past)
            case "relu of x":
                return torch.relu(branch + torch.relu(past))
            case "half":
                return torch.relu(branch + 0.5 * past)
        return torch.relu(branch + past)


def block(mistake):
    return lambda inputs, outputs, stride: Block(inputs, outputs, stride, mistake)


def grown(mistake=""):
    """A right deeper network, and with `mistake` a wrong one."""

    def answer(shallow, deep):
        if mistake == "shallow":
            return shallow
        for layer in ("conv1", "bn1", "fc")[: 2 if mistake == "no fc" else 3]:
            getattr(deep, layer).load_state_dict(getattr(shallow, layer).state_dict())
        for stage in ("layer1", "layer2", "layer3"):
            copied, blocks = getattr(shallow, stage), getattr(deep, stage)
            exchanged = mistake == "order" and stage == "layer1"  # where both blocks have the same shapes
            for old, new in zip(copied, [blocks[1], blocks[0]] if exchanged else blocks, strict=False):
                if mistake == "no buffers":
                    new.load_state_dict(dict(old.named_parameters()), strict=False)
                else:
                    new.load_state_dict(old.state_dict())
            for added in blocks[2:]:
                if mistake != "gamma":
                    nn.init.zeros_((added.bn1 if mistake == "first gamma" else added.bn2).weight)
                if mistake != "beta":
                    nn.init.zeros_(added.bn2.bias)
        if mistake == "training":
            deep.train()
        if mistake == "shared":
            nn.init.zeros_(shallow.fc.weight)
        return deep

    return answer


WRONG = [
    ("my_identity", kernel(middle_of_all), "the sum of all channels"),
    ("my_identity", kernel(middle_mean), "the mean of all channels"),
    ("my_identity", kernel(all_places), "the sum of 3 x 3 places"),
    ("my_identity", kernel(mean_of_places), "the mean of 3 x 3 places"),
    ("my_identity", kernel(lambda weight: weight.fill_(1)), "set all weights to 0 first"),
    ("my_identity", kernel(corner), "shifted by a pixel"),
    ("my_identity", kernel(lambda weight: None), "outputs are all zero"),
    ("my_identity", kernel(diagonal, bias=True), "random bias"),
    ("my_identity", kernel(diagonal, padding=0), "pad by 1"),
    ("my_identity", kernel(diagonal, stride=2), "stride 1"),
    ("my_identity", kernel(diagonal, kernel_size=1, padding=0), "not (3, 3)"),
    ("my_identity", kernel(lambda weight: weight[:, :, 1, 1].fill_(1), groups=4), "has 4 groups"),
    ("my_identity", lambda channels: nn.Conv2d(channels, channels, 3, padding=1, bias=False), "all other weights 0"),
    ("my_identity", lambda channels: nn.Identity(), "returns a Identity"),
    ("my_block", block("no skip"), "the skip is forgotten: add x"),
    ("my_block", block("no skip, no relu"), "the skip is forgotten, and the last ReLU"),
    ("my_block", block("relu first"), "the ReLU comes before the addition"),
    ("my_block", block("no last relu"), "the last ReLU is missing"),
    ("my_block", block("no projection"), "the projection is missing"),
    ("my_block", block("always projected"), "option C"),
    ("my_block", block("projection not strided"), "the projection has no stride"),
    ("my_block", block("projection bare"), "2 batch norms for 3 convolutions"),
    ("my_block", block("concatenated"), "are concatenated"),
    ("my_block", block("subtracted"), "x is subtracted"),
    ("my_block", block("multiplied"), "are multiplied"),
    ("my_block", block("relu of x"), "x passes a ReLU before"),
    ("my_block", block("no norm"), "there is no batch norm"),
    ("my_block", block("one norm"), "1 batch norms for 2"),
    ("my_block", block("relu before norm"), "convolution, batch norm, then ReLU"),
    ("my_block", block("no relu between"), "no ReLU between the convolutions"),
    ("my_block", block("both strides"), "both 3x3 convolutions have the stride"),
    ("my_block", block("bias"), "a convolution has a bias"),
    ("my_block", block("half"), "the result is not relu(branch + x)"),
    ("my_block", block("nothing"), "its forward returns nothing"),
    ("my_block", lambda inputs, outputs, stride: Block, "returns a type"),
    ("my_block", lambda inputs, outputs, stride: nn.Conv2d(inputs, outputs, 3, stride, 1), "1 3x3 convolutions, not 2"),
    ("my_deeper", grown("gamma"), "an added block still adds something"),
    ("my_deeper", grown("first gamma"), "an added block still adds something"),
    ("my_deeper", grown("beta"), "an added block still adds its last batch norm's bias"),
    ("my_deeper", grown("no fc"), "the layer fc is not"),
    ("my_deeper", grown("no buffers"), "running means and variances"),
    ("my_deeper", grown("order"), "copy them there, in order"),
    ("my_deeper", grown("training"), "left in training mode"),
    ("my_deeper", grown("shared"), "the shallow network has changed too"),
    ("my_deeper", grown("shallow"), "2 blocks, not 4"),
    ("my_deeper", lambda shallow, deep: deep, "the layer conv1 is not"),
    ("my_deeper", lambda shallow, deep: 3, "returns a int"),
]


@pytest.mark.parametrize("name, answer, mistake", WRONG)
def test_a_wrong_answer_is_told_its_likely_mistake(name, answer, mistake, tells):
    tells(CHECKS[name], answer, mistake)


def test_other_right_ways_are_right(capsys):
    class InPlace(Block):
        """The ReLU overwrites what batch norm put out; the projection is computed first."""

        def forward(self, x):
            past = self.past(x)
            out = nn.functional.relu(self.bn1(self.conv1(x)), inplace=True)
            out = self.bn2(self.conv2(out))
            out += past
            return nn.functional.relu(out, inplace=True)

    exercises.residual_block(InPlace)
    exercises.identity_convolution(kernel(diagonal, padding="same"))
    exercises.deeper(grown())
    assert capsys.readouterr().out.count("right: ") == 3
