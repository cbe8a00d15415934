"""Task fMRI decoding, explained: which regions, at which moments, named the task.

The rooms, from scan to map: ``scans`` finds runs, ``brain`` holds atlases and
projects maps, ``series`` turns runs into region time series and samples,
``decoding`` trains the task decoder, ``saliency`` explains it, ``evidence``
checks the map, ``plotting`` and ``report`` show it, ``pipeline`` and ``cli``
run it all. Import the room that you need; the root imports nothing heavy.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
