package s3

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"bitmend/scrub/store"
)

// noted is an upload in parts that is under way. Services do not tell whose an
// upload is, so ours are noted on disk: another's must not be aborted.
type noted struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	Upload string `json:"upload"`
}

func (b *Bucket) notePath(id string) string {
	sum := sha256.Sum256([]byte(id))
	return filepath.Join(b.options.Uploads, hex.EncodeToString(sum[:16])+".json")
}

// noteUpload notes an upload durably.
func (b *Bucket) noteUpload(n noted) error {
	b.mu.Lock()
	if b.uploading == nil {
		b.uploading = map[string]bool{}
	}
	b.uploading[n.Upload] = true
	b.mu.Unlock()
	if b.options.Uploads == "" {
		return nil
	}
	n.Bucket = b.bucket
	text, err := json.Marshal(n)
	if err == nil {
		err = os.MkdirAll(b.options.Uploads, 0o700)
	}
	if err == nil {
		err = writeDurably(b.notePath(n.Upload), text)
	}
	if err != nil {
		return fmt.Errorf("note the upload of %q: %w", n.Key, err)
	}
	return nil
}

func writeDurably(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// forgetUpload removes the note of an upload that is at its end.
func (b *Bucket) forgetUpload(id string) error {
	b.mu.Lock()
	delete(b.uploading, id)
	b.mu.Unlock()
	if b.options.Uploads == "" {
		return nil
	}
	if err := os.Remove(b.notePath(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget an upload: %w", err)
	}
	return nil
}

// abort gives up an upload. One that the service does not know is given up.
func (b *Bucket) abort(ctx context.Context, n noted) error {
	err := b.call(ctx, "abort the upload of", n.Key, func(ctx context.Context, client *sdk.Client) error {
		_, err := client.AbortMultipartUpload(ctx, &sdk.AbortMultipartUploadInput{Bucket: &b.bucket, Key: &n.Key, UploadId: &n.Upload})
		if code(err) == "NoSuchUpload" {
			return nil
		}
		return err
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return b.forgetUpload(n.Upload)
}

// abortLeftovers aborts what an interrupted run left in this bucket. Without
// the right to do so the notes stay for one that has it.
func (b *Bucket) abortLeftovers(ctx context.Context) error {
	if b.options.Uploads == "" {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(b.options.Uploads, "*.json"))
	if err != nil {
		return fmt.Errorf("look for interrupted uploads: %w", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("look for interrupted uploads: %w", err)
		}
		var n noted
		if json.Unmarshal(text, &n) != nil || n.Upload == "" {
			// It was cut short: the upload had not got its first part.
			if err := os.Remove(file); err != nil {
				return fmt.Errorf("forget an upload: %w", err)
			}
			continue
		}
		if n.Bucket != b.bucket || b.isUploading(n.Upload) {
			continue
		}
		if err := b.abort(ctx, n); err != nil && !errors.Is(err, store.ErrPermission) {
			return err
		}
	}
	return nil
}

func (b *Bucket) isUploading(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.uploading[id]
}
