"""What ``bench_station.py`` measures, a file each."""
