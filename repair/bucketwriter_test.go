//go:build linux && (amd64 || arm64)

package repair_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"bitmend/fixtures"
	"bitmend/fixtures/s3server"
	"bitmend/repair"
	"bitmend/scrub/report"
	"bitmend/scrub/store"
)

// rot flips a bit of the object under the server.
func (w *bucketWorld) rot() {
	w.t.Helper()
	flip := fixtures.Fault{Harm: fixtures.FlipBit, Path: "a", Offset: shard + 9, Length: 1, Bit: 2}
	w.must(flip.Apply(filepath.Dir(w.object)))
	w.scrub()
}

// copies fails when the quarantine holds anything but whole copies of the
// damaged object, and returns how many.
func (w *bucketWorld) copies() int {
	w.t.Helper()
	folders, err := filepath.Glob(filepath.Join(w.vaultDir(), "quarantine", "*"))
	w.must(err)
	for _, folder := range folders {
		kept, err := os.ReadFile(filepath.Join(folder, "original"))
		if err != nil || !bytes.Equal(kept, badObject) {
			w.t.Errorf("the quarantine holds %d bytes, not the damaged original: %v", len(kept), err)
		}
		if _, err := os.Stat(filepath.Join(folder, "original.json")); err != nil {
			w.t.Error(err)
		}
	}
	return len(folders)
}

// nothingStaged fails when a replacement is left on this host.
func (w *bucketWorld) nothingStaged() {
	w.t.Helper()
	w.tidy()
	w.must(filepath.WalkDir(w.vaultDir(), func(path string, d fs.DirEntry, err error) error {
		if err == nil && store.IsStaged(d.Name()) {
			w.t.Errorf("%s is left", path)
		}
		return err
	}))
}

func TestAWriterOfTheObjectThatComesBetweenWins(t *testing.T) {
	server := s3server.ForTest(t)
	s3server.SetCredentials(t)
	put := func(content []byte) func(ctx context.Context, bucket string) error {
		return func(ctx context.Context, bucket string) error {
			_, err := server.Client().PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("d/a"), Body: bytes.NewReader(content)})
			return err
		}
	}
	remove := func(ctx context.Context, bucket string) error {
		_, err := server.Client().DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String("d/a")})
		return err
	}
	buckets := 0
	for _, writer := range []struct {
		name   string
		do     func(ctx context.Context, bucket string) error
		leaves []byte // nil for nothing
	}{
		{"as many bytes", put(content(7, len(badObject))), content(7, len(badObject))},
		{"more bytes", put(content(7, 2*len(badObject))), content(7, 2*len(badObject))},
		{"fewer bytes", put(content(7, shard)), content(7, shard)},
		{"nothing", remove, nil},
	} {
		for _, point := range []struct {
			at     repair.Point
			copies int // of the damaged original are kept
		}{{repair.StagedFile, 0}, {repair.Quarantined, 1}, {repair.Verified, 1}, {repair.Placing, 1}} {
			t.Run(fmt.Sprintf("%s, %s", writer.name, point.at), func(t *testing.T) {
				buckets++
				bucket := fmt.Sprintf("written-%d", buckets)
				w := newBucketWorld(t, server, bucket)
				w.rot()

				h, _ := w.repair(repair.Options{OnStep: func(s repair.Step) {
					if s.Point == point.at && s.Done {
						w.must(writer.do(t.Context(), bucket))
					}
					if s.Point == repair.Assembled && w.copies() != point.copies {
						t.Error("what could not be kept whole takes up room")
					}
				}})

				w.expect(h, "dr", "d/a", report.Skipped)
				now, err := os.ReadFile(w.object)
				if !bytes.Equal(now, writer.leaves) || (err == nil) != (writer.leaves != nil) {
					t.Errorf("what the writer left became %d bytes, %v", len(now), err)
				}
				if n := w.copies(); n != point.copies {
					t.Errorf("%d copies are kept, want %d", n, point.copies)
				}
				w.nothingStaged()
			})
		}
	}
}

func TestAnObjectIsNotReplacedWithoutItsCopy(t *testing.T) {
	server := s3server.ForTest(t)
	s3server.SetCredentials(t)
	harms := map[string]func(folder string) error{
		"gone":      os.RemoveAll,
		"truncated": func(folder string) error { return os.Truncate(filepath.Join(folder, "original"), shard) },
		"undescribed": func(folder string) error {
			return os.Remove(filepath.Join(folder, "original.json"))
		},
	}
	buckets := 0
	for name, harm := range harms {
		t.Run(name, func(t *testing.T) {
			buckets++
			w := newBucketWorld(t, server, fmt.Sprintf("uncopied-%d", buckets))
			w.rot()

			h, _ := w.repair(repair.Options{OnStep: func(s repair.Step) {
				if s.Point == repair.Verified && s.Done {
					w.must(harm(filepath.Join(w.vaultDir(), "quarantine", s.Receipt)))
				}
			}})

			w.expect(h, "dr", "d/a", report.Repaired)
			if n := w.copies(); n != 1 || w.state() != "repaired" {
				t.Errorf("%d copies are kept, and the object is %s", n, w.state())
			}
		})
	}
}

func TestACopyThatWasNotCompletedGoesWithItsRepair(t *testing.T) {
	fixtures.Sequential(t)
	server := s3server.ForTest(t)
	s3server.SetCredentials(t)
	whole := newBucketWorld(t, server, "incomplete")
	whole.rot()
	calls := whole.killed("repair", "dr", 0).Calls
	met := false
	for at := calls / 3; !met && at < calls; at += 2 { // it is in the middle
		w := newBucketWorld(t, server, fmt.Sprintf("incomplete-%d", at))
		w.rot()
		w.killed("repair", "dr", at)
		copies, err := filepath.Glob(filepath.Join(w.vaultDir(), "quarantine", "*", "original"))
		w.must(err)
		sidecars, err := filepath.Glob(filepath.Join(w.vaultDir(), "quarantine", "*", "original.json"))
		w.must(err)
		if len(copies) == 0 || len(sidecars) > 0 {
			continue
		}
		met = true
		w.must(os.Remove(w.object)) // somebody deletes it before the next run

		w.repair(repair.Options{})

		if n := w.copies(); n != 0 {
			t.Errorf("%d copies are kept", n)
		}
		w.nothingStaged()
	}
	if !met {
		t.Error("no kill met an unfinished copy")
	}
}
