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


if __name__ == "__main__":
    unittest.main()
