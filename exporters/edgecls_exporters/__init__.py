"""The build machine: a trained PyTorch model becomes a bundle, with proof."""
