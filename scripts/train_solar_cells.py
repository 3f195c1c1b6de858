"""Train the demo's classifier on its own: photos of elpv-dataset -> an ordinary checkpoint.

python scripts/train_solar_cells.py solar.pth
edgecls export timm:tf_efficientnet_lite0 --weights solar.pth --data DIR --to solar.bundle
"""

import argparse
from pathlib import Path

from edgecls_exporters.demo import solar_cells, training

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("checkpoint", type=Path, help="file to write")
parser.add_argument("--epochs", type=int, default=training.EPOCHS)
arguments = parser.parse_args()
training.fit(solar_cells.cells().train, arguments.checkpoint, epochs=arguments.epochs)
print(f"wrote {arguments.checkpoint}")
