import sys

from . import Gateway

for message in sys.argv[1:]:
    print(message, Gateway().state(message))
