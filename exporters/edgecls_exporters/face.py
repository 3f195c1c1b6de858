"""The face that every exported graph has: uint8 RGB (n, height, width, 3) in, scores out."""

# 18 brings the antialiased Resize and axes as inputs; every onnxruntime since 1.14 reads it.
OPSET = 18
INPUT, OUTPUT, BATCH = "image", "scores", "batch"
