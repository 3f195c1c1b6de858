"""What judges can change while a station runs: recipe and bundle, between two parts."""
