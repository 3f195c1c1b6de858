"""What outputs on a network share: a broker, a small server, signatures, metrics."""
