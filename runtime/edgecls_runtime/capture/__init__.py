"""From a camera's driver to frames a station can trust: deadlines, the newest one, every one.

camera --isolated (where a call may hang)--> live (thread, newest or every frame, opens again)
   --triggered (one frame for each announced part)--> ahead (decoded and prepared) --> station
"""
