from .bucket import Bucket, Empty

__all__ = ["Bucket", "Empty"]
