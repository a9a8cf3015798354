import unittest

from ration import Bucket, Empty


class Clock:
    now = 0

    def __call__(self):
        return self.now


class BucketTest(unittest.TestCase):
    def test_empty(self):
        bucket = Bucket(1, 2, Clock())
        bucket.take(2)
        with self.assertRaises(Empty):
            bucket.take()

    def test_never_more_than_the_burst(self):
        clock = Clock()
        bucket = Bucket(1, 2, clock)
        clock.now = 3600
        bucket.take(2)
        with self.assertRaises(Empty):
            bucket.take()

    def test_a_clock_that_goes_back(self):
        clock = Clock()
        bucket = Bucket(1, 2, clock)
        clock.now = -5
        bucket.take(2)

    def test_too_much_at_once(self):
        with self.assertRaises(ValueError):
            Bucket(1, 2, Clock()).take(3)


if __name__ == "__main__":
    unittest.main()
