from app.storage import BlobStore


class TestBlobStore:
    def test_what_is_put_comes_back(self, blobs: BlobStore):
        assert blobs.get(blobs.put(b"a face")) == b"a face"

    def test_the_same_bytes_have_the_same_name(self, blobs: BlobStore):
        assert blobs.put(b"a face") == blobs.put(b"a face")
