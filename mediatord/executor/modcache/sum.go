package modcache

import (
	"crypto/sha256"
	"io"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// pieceSize is how much of an image is hashed by itself.
const pieceSize = 1 << 20

// Sum is what an image is known by: the SHA-256 of the SHA-256s of its pieces of
// 1 MiB, so that several processors share the work.
func Sum(image []byte) [sha256.Size]byte {
	sum, _ := sumOf(image, func([]byte, int) error { return nil })
	return sum
}

// readSummed fills image from r and sums it up, piece by piece while it is in the
// processors' caches.
func readSummed(r io.ReaderAt, image []byte) ([sha256.Size]byte, error) {
	return sumOf(image, func(piece []byte, at int) error {
		_, err := r.ReadAt(piece, int64(at))
		return err
	})
}

func sumOf(image []byte, fill func(piece []byte, at int) error) ([sha256.Size]byte, error) {
	pieces := (len(image) + pieceSize - 1) / pieceSize
	digests := make([]byte, pieces*sha256.Size)
	var group errgroup.Group
	group.SetLimit(min(runtime.GOMAXPROCS(0), 8))
	for i := range pieces {
		group.Go(func() error {
			at := i * pieceSize
			piece := image[at:min(at+pieceSize, len(image))]
			if err := fill(piece, at); err != nil {
				return err
			}
			digest := sha256.Sum256(piece)
			copy(digests[i*sha256.Size:], digest[:])
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return [sha256.Size]byte{}, err
	}
	return sha256.Sum256(digests), nil
}
