package scrub_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bitmend/fixtures"
	"bitmend/fixtures/faultstore"
	"bitmend/scrub"
	"bitmend/scrub/finding"
	"bitmend/scrub/store"
)

// Blobs that are read ahead are judged like all others.
func TestLargeBlobs(t *testing.T) {
	const size = 21<<20 + 12345
	corpus := fixtures.Large(1, 1, size)
	b, blob := newBenchOf(t, corpus), corpus.Files()[0]
	one := func(i int64) []store.Range { return []store.Range{{Offset: i * shard, Length: shard}} }
	for _, test := range []struct {
		name    string
		rules   []faultstore.Rule
		verdict finding.Verdict // "" for intact
		ranges  []store.Range
	}{
		{"intact", nil, "", nil},
		{"a flipped bit in the middle", []faultstore.Rule{faultstore.FlippedBit(blob, 100*shard+7, 3)}, finding.Corrupt, one(100)},
		{"a flipped bit behind the last whole chunk", []faultstore.Rule{faultstore.FlippedBit(blob, 21<<20, 3)}, finding.Corrupt, []store.Range{{Offset: 21 << 20, Length: 12345}}},
		{"a bad sector in the middle", []faultstore.Rule{faultstore.MediumError(blob, store.Range{Offset: 100 * shard, Length: 1})}, finding.Unreadable, one(100)},
		{"a flip on the first read alone", []faultstore.Rule{faultstore.FlippedBit(blob, 100*shard+7, 3).Once()}, finding.Flaky, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := b.scrub(scrub.Options{Open: b.faulty(test.rules...)})
			if test.verdict == "" {
				if len(got.findings) > 0 || got.summary.Bytes != size {
					t.Errorf("%d bytes read, found %+v", got.summary.Bytes, got.findings)
				}
				return
			}
			f := got.one(t)
			if f.Verdict != test.verdict || test.ranges != nil && !slices.Equal(f.Ranges, test.ranges) {
				t.Errorf("%s at %v, want %s at %v", f.Verdict, f.Ranges, test.verdict, test.ranges)
			}
		})
	}
	t.Run("truncated", func(t *testing.T) {
		at := filepath.Join(b.tree, blob)
		info, err := os.Stat(at)
		b.must(err)
		b.must(os.Truncate(at, 9<<20))
		b.must(os.Chtimes(at, time.Time{}, info.ModTime()))
		f := b.scrub(scrub.Options{}).one(t)
		if f.Verdict != finding.Corrupt || f.Ranges[0].Offset != 9<<20 {
			t.Errorf("%s at %v", f.Verdict, f.Ranges)
		}
	})
}

// BenchmarkScrub reads, hashes and judges blobs in the page cache.
func BenchmarkScrub(b *testing.B) {
	for _, shape := range []struct {
		name   string
		corpus fixtures.Corpus
	}{
		{"tiny", fixtures.Tiny(1, 2000, 1<<10, 20<<10)},
		{"large", fixtures.Large(1, 1, 64<<20)},
	} {
		b.Run(shape.name, func(b *testing.B) {
			bench := newBenchOf(b, shape.corpus)
			b.SetBytes(shape.corpus.Size())
			for b.Loop() {
				if _, err := scrub.Run(b.Context(), bench.vault, scrub.Options{Buffered: true}, &said{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
