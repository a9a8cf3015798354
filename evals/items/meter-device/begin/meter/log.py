import time

from . import Meter


def log(port, out):
    meter = Meter(port)
    while True:
        out.write(f"{time.time()} {meter.flow()}\n")
        time.sleep(1)
