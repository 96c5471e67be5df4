package repair

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A copy may be a hundred gigabytes, and is summed after all of it was copied.
func TestTheSumOfACopyEndsWithTheRun(t *testing.T) {
	content := make([]byte, 3*chunkSize+77)
	content[2*chunkSize] = 1
	path := filepath.Join(t.TempDir(), "original")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ctx, cancel := context.WithCancel(t.Context())

	if sum, err := sumOf(ctx, f); err != nil || [sha256.Size]byte(sum) != sha256.Sum256(content) {
		t.Errorf("the sum is %x, %v", sum, err)
	}
	cancel()
	if _, err := sumOf(ctx, f); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
