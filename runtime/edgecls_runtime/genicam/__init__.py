"""What cameras of the GenICam standard have in common, whoever's library reaches them.

GigE Vision and USB3 Vision cameras describe themselves: settings are nodes with names
(``nodes``, ``settings``), images carry the number of their pixel format (``formats``).
"""
