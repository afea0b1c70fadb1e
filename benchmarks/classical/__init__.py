"""The classical models side by side with the peers: `python -m benchmarks.classical`. See ../README.md."""
