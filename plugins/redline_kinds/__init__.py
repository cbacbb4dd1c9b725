"""The six first kinds (contract §5), one file each.

The law of this package: it comes through the same door as anyone's plugin. It imports ``redline`` and nothing beneath it, and the core does
not know that it is there; what makes it known are the entry points of the group ``redline.kinds``.
"""
