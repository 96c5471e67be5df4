package scrub_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"bitmend/fixtures"
	"bitmend/hashsets/catalog"
	"bitmend/scrub"
	"bitmend/scrub/finding"
	"bitmend/scrub/status"
	"bitmend/scrub/vault"
)

// newLagBench makes a bench whose store lag is a week behind.
func newLagBench(t *testing.T) *bench {
	b := newBench(t, "lag")
	b.vault.Config.Stores[1].Role, b.vault.Config.Stores[1].Lag = vault.Lagged, 7*24*time.Hour
	return b
}

func (b *bench) inLag(blob string) string { return filepath.Join(filepath.Dir(b.tree), "lag", blob) }

// held returns the generation that was verified of a blob in the lagged store.
func (b *bench) held(blob string) int64 {
	b.Helper()
	c, err := b.vault.Catalog.Coverage(b.Context(), "lag", blob)
	b.must(err)
	return c.Generation
}

func TestAnOlderGenerationIsRightInALaggedStore(t *testing.T) {
	b := newLagBench(t)
	const same, grown, gone = "sizes/text", "sizes/seven-shards-plus-77", "mixed/00.dat"
	content, err := os.ReadFile(filepath.Join(b.tree, same))
	b.must(err)
	content[0] ^= 1
	later := time.Now().Add(time.Minute)
	b.put("primary", same, content, later)
	b.put("primary", grown, []byte("shorter"), later)
	b.must(os.Remove(filepath.Join(b.tree, gone)))
	b.record(2)
	b.must(b.vault.Catalog.Update(t.Context(), func(tx *catalog.Tx) error { return tx.Vanish(gone, time.Now()) }))
	b.must(os.WriteFile(filepath.Join(b.tree, "new"), []byte("new"), 0o644))
	b.record(2)
	b.must(os.Chtimes(b.inLag(same), time.Time{}, time.Now().Add(time.Hour))) // what fills it gives times of its own

	said := b.scrub(scrub.Options{Buffered: true})

	for _, f := range said.findings {
		t.Errorf("finding %+v", f)
	}
	if b.held(same) != 1 || b.held(grown) != 1 || b.held("sizes/empty") != 2 {
		t.Errorf("generations %d, %d, %d are held", b.held(same), b.held(grown), b.held("sizes/empty"))
	}
	if said.summary.Exit != 0 {
		t.Errorf("exit %d", said.summary.Exit)
	}
	state, err := status.Look(t.Context(), b.vault, time.Now())
	b.must(err)
	r := state.Stores[1].Rewind
	if r == nil || r.Behind != 2 || r.Absent != 1 || r.Before.IsZero() {
		t.Errorf("rewind %+v", r)
	}
	if primary := state.Stores[0]; primary.Rewind != nil || primary.Never != 0 {
		t.Errorf("primary %+v", primary)
	}

	// Rot is rot there too, of whichever generation.
	b.must(fixtures.Fault{Harm: fixtures.FlipBit, Path: same, Offset: 5}.Apply(filepath.Join(filepath.Dir(b.tree), "lag")))
	if f := b.scrub(scrub.Options{Buffered: true}).one(t); f.Verdict != finding.Corrupt || f.Store != "lag" || f.Generation != 2 && f.Generation != 1 {
		t.Errorf("found %+v", f)
	}
}

func TestWhatShouldHaveComeLongAgoIsMissingInALaggedStore(t *testing.T) {
	b := newLagBench(t)
	b.must(os.Remove(b.inLag("sizes/text")))
	if said := b.scrub(scrub.Options{Buffered: true}); len(said.findings) != 0 {
		t.Errorf("it is new, and %+v", said.findings)
	}
	said := b.scrub(scrub.Options{Buffered: true, Now: func() time.Time { return time.Now().Add(15 * 24 * time.Hour) }})
	if f := said.one(t); f.Verdict != finding.Missing || f.Store != "lag" {
		t.Errorf("found %+v", f)
	}
}

// A change that is there before its time makes the window shorter than asked.
func TestStatusSaysThatTheWindowIsShort(t *testing.T) {
	b := newLagBench(t)
	const blob = "sizes/text"
	b.put("primary", blob, []byte("changed"), time.Now().Add(time.Minute))
	b.put("lag", blob, []byte("changed"), time.Now().Add(time.Minute))
	b.record(2)
	b.scrub(scrub.Options{Buffered: true})
	state, err := status.Look(t.Context(), b.vault, time.Now())
	b.must(err)
	if r := state.Stores[1].Rewind; !r.Short(time.Now()) || r.Short(time.Now().Add(8*24*time.Hour)) {
		t.Errorf("rewind %+v", r)
	}
}
