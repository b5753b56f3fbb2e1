"""The numbers of Howard et al. 2017 (arXiv:1704.04861) that 05's cells and its explorer share."""

# Top-1 accuracy on ImageNet in % by width and resolution: the paper's tables 6 and 7.
ACCURACY = {
    (1.0, 224): 70.6, (0.75, 224): 68.4, (0.5, 224): 63.7, (0.25, 224): 50.6,
    (1.0, 192): 69.1, (1.0, 160): 67.2, (1.0, 128): 64.4,
}  # fmt: skip
