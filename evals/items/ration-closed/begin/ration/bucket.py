"""A token bucket with a clock of one's own."""


class Empty(Exception):
    """There are not enough tokens."""


class Bucket:
    def __init__(self, rate, burst, clock):
        self.rate = rate
        self.burst = burst
        self.clock = clock
        self.tokens = burst
        self.last = clock()

    def take(self, n=1):
        now = self.clock()
        self.tokens += (now - self.last) * self.rate
        self.last = now
        if self.tokens < n:
            raise Empty(f"{n} asked for, {self.tokens:g} there")
        self.tokens -= n
